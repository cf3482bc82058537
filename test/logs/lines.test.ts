import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clipMark, TerminalLines } from '../../src/logs/lines.js';

function linesOf(chunks: readonly (Uint8Array | string)[], maxBytes = 10_000): string[] {
  const lines: string[] = [];
  const source = new TerminalLines({ maxBytes, onLine: (line) => lines.push(line) });
  for (const chunk of chunks) source.write(chunk);
  source.end();
  return lines;
}

function cut(bytes: Uint8Array, points: readonly number[]): Uint8Array[] {
  const sorted = [
    0,
    ...points.map((point) => point % (bytes.length + 1)).sort((a, b) => a - b),
    bytes.length,
  ];
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end));
}

/** Bytes in which everything that matters is frequent. */
const output = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: fc.string({ maxLength: 12 }).map((text) => Buffer.from(text)) },
      {
        weight: 2,
        arbitrary: fc
          .constantFrom('\n', '\r', '\r\n', '\t', '\x1b', 'é', '漢', '🚀')
          .map((t) => Buffer.from(t)),
      },
      {
        weight: 2,
        arbitrary: fc
          .constantFrom(
            '\x1b[31m',
            '\x1b[0m',
            '\x1b[m',
            '\x1b[2K',
            '\x1b[K',
            '\x1b[1G',
            '\x1b]0;title\x07',
            '\x1b]8;;',
            '\u009b',
            '\x1b[1;',
            '38;5;9m',
          )
          .map((text) => Buffer.from(text)),
      },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)) },
    ),
    { maxLength: 40 },
  )
  .map((parts) => Buffer.concat(parts));

describe('lines of a program', () => {
  test('the lines are the same however the bytes are cut into chunks', () => {
    fc.assert(
      fc.property(
        output,
        fc.array(fc.nat(400), { maxLength: 12 }),
        fc.integer({ min: 45, max: 90 }),
        (bytes, points, max) => {
          expect(linesOf(cut(bytes, points), max)).toEqual(linesOf([bytes], max));
        },
      ),
      { numRuns: 1500 },
    );
  });

  test('no line holds a control character that is not TAB or part of a colour, nor more bytes than allowed', () => {
    fc.assert(
      fc.property(output, fc.integer({ min: 45, max: 200 }), (bytes, max) => {
        for (const line of linesOf([bytes], max)) {
          // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
          expect(line.replace(/\x1b\[[\d;:]*m/g, '')).not.toMatch(/[\0-\x08\x0a-\x1f\x7f-\x9f]/);
          expect(Buffer.byteLength(line)).toBeLessThanOrEqual(max);
        }
      }),
      { numRuns: 1500 },
    );
  });

  test('text without controls comes through unchanged', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[ -~é漢🚀\t]{1,40}$/u)), (lines) => {
        expect(linesOf([`${lines.join('\n')}\n`])).toEqual(lines.length === 0 ? [''] : lines);
      }),
    );
  });

  test('a progress bar leaves what a terminal would show last', () => {
    expect(linesOf(['10%\r20%\r100%\ndone\n'])).toEqual(['100%', 'done']);
    expect(linesOf(['windows\r\nline\r\r\n'])).toEqual(['windows', 'line']);
    expect(linesOf(['50%\r'])).toEqual(['50%']);
    expect(linesOf(['fetching\r\x1b[Kdone\n', '1\x1b[2K\x1b[1G2\n'])).toEqual(['done', '2']);
  });

  test('a last line without a newline is a line, an empty one is not', () => {
    expect(linesOf(['a\nb'])).toEqual(['a', 'b']);
    expect(linesOf(['a\n'])).toEqual(['a']);
    expect(linesOf(['a\n\x1b[0m'])).toEqual(['a']);
    expect(linesOf(['\n\n'])).toEqual(['', '']);
  });

  test('colours stay and are reset at the end of their line', () => {
    expect(linesOf(['\x1b[1;31mred\x1b[0m plain\n'])).toEqual(['\x1b[1;31mred\x1b[0m plain']);
    expect(linesOf(['\x1b[31mred\nnext\n'])).toEqual(['\x1b[31mred\x1b[0m', 'next']);
  });

  test('titles, cursor movement, screen erasure and queries are taken out', () => {
    expect(
      linesOf(['a\x1b]0;evil title\x07b\x1b[2Jc\x1b[10;10Hd\x1b[6ne\x1bPq#0\x1b\\f\x1bcg\x1b(Bh\n']),
    ).toEqual(['abcdefgh']);
    expect(linesOf(['a\u009b31mb\u009d0;title\u009cc\x07\b\n'])).toEqual(['a\x1b[31mbc\x1b[0m']);
    expect(linesOf([`a\x1b[${'1;'.repeat(60)}mb\n`])).toEqual(['ab']);
  });

  test('a control sequence that never ends swallows no more than its line', () => {
    expect(linesOf(['a\x1b]0;never ended\nb\nc\x1b[\nd\n'])).toEqual(['a', 'b', 'c', 'd']);
  });

  test('bytes that are not UTF-8 are replaced', () => {
    expect(linesOf([Buffer.from([0x61, 0xff, 0xe2, 0x82, 0x62, 0x0a])])).toEqual(['a\ufffd\ufffdb']);
    expect(linesOf([Buffer.from([0xe2, 0x82]), Buffer.from([0xac, 0x0a])])).toEqual(['€']);
  });

  test('a long line is clipped at a whole character, with a mark', () => {
    const max = 100;
    const room = max - Buffer.byteLength(clipMark(max)) - 4;
    expect(linesOf(['x'.repeat(500)], max)).toEqual(['x'.repeat(room) + clipMark(max)]);
    expect(linesOf(['🚀'.repeat(500)], max)).toEqual(['🚀'.repeat(Math.floor(room / 4)) + clipMark(max)]);
    expect(linesOf(['x'.repeat(room), '\n'], max)).toEqual(['x'.repeat(room)]);
  });

  test('memory stays bounded on a line without an end', () => {
    const source = new TerminalLines({ maxBytes: 10_000, onLine: () => expect.fail('there is no line yet') });
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (const part of ['x', 'é', '\x1b[', '\x1b]0;']) {
      const chunk = Buffer.alloc(1024 * 1024, part);
      for (let i = 0; i < 16; i++) source.write(chunk);
      collectGarbage();
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(8 * 1024 * 1024);
    }
  });
});
