import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hitsIn } from '../../src/ui/log/search.js';
import { marked, pieces, plain } from '../../src/ui/log/sgr.js';

describe('colours', () => {
  test('become names of classes, until they are taken back', () => {
    expect(pieces('a \x1b[1;31mred\x1b[22m thin\x1b[0m b')).toEqual([
      { text: 'a ', look: '' },
      { text: 'red', look: 'bold ansi1' },
      { text: ' thin', look: 'ansi1' },
      { text: ' b', look: '' },
    ]);
    expect(pieces('\x1b[92mg\x1b[39m.\x1b[mx')).toEqual([
      { text: 'g', look: 'ansi10' },
      { text: '.x', look: '' },
    ]);
  });

  test.each([
    ['\x1b[38;5;9mx', 'ansi9'],
    ['\x1b[38;5;196mx', 'ansi1'],
    ['\x1b[38;5;46mx', 'ansi2'],
    ['\x1b[38;5;250mx', 'ansi7'],
    ['\x1b[38;2;255;255;0mx', 'ansi3'],
    ['\x1b[38;2;20;40;250mx', 'ansi4'],
    ['\x1b[48;5;196mx', ''],
    ['\x1b[48;2;1;31;4;33mx', 'ansi3'],
    ['\x1b[38mx', ''],
    ['\x1b[38;5mx', ''],
  ])('of 256 or any are the nearest of ours: %j', (line, look) => {
    expect(pieces(line)).toEqual([{ text: 'x', look }]);
  });
});

describe('what would command a terminal', () => {
  test.each([
    ['\x1b[2J\x1b[Hclear', 'clear'],
    ['\x1b]0;title\x07text', 'text'],
    ['\x1b]8;;http://x\x1b\\link', 'link'],
    ['\x1bPq#0;2\x1b\\sixel', 'sixel'],
    ['\x9b31mc1', 'c1'],
    ['a\x08\x07\x00b', 'ab'],
    ['tab\there', 'tab\there'],
    ['cut \x1b[31', 'cut '],
  ])('is left out: %j', (line, text) => {
    expect(plain(line)).toBe(text);
    expect(
      pieces(line)
        .map((piece) => piece.text)
        .join(''),
    ).toBe(text);
  });

  test('never stays, whatever the line is', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom('\x1b', '[', ']', '3', '1', ';', 'm', 'K', '\x07', '\x9b', '\\', 'a', '\0', 'P'),
          { maxLength: 30 },
        ),
        (characters) => {
          const line = characters.join('');
          const text = pieces(line)
            .map((piece) => piece.text)
            .join('');
          expect(text).toBe(plain(line));
          // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
          expect(text).not.toMatch(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/);
          for (const { look } of pieces(line)) expect(look).toMatch(/^[a-z0-9 ]*$/);
        },
      ),
    );
  });
});

describe('hits of a search', () => {
  test('are cut out of the pieces that they are in', () => {
    const parts = pieces('an \x1b[31mErr\x1b[0mor, error');
    expect(marked(parts, hitsIn('an Error, error', 'ERROR'))).toEqual([
      { text: 'an ', look: '', isHit: false },
      { text: 'Err', look: 'ansi1', isHit: true },
      { text: 'or', look: '', isHit: true },
      { text: ', ', look: '', isHit: false },
      { text: 'error', look: '', isHit: true },
    ]);
  });
});
