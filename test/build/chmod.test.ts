import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseChmod } from '../../src/build/copy/chmod.js';
import { SlipwayError } from '../../src/errors.js';
import { temporaryDirectory } from '../support/directories.js';

const SYMBOLIC = [
  'u=rwX,go=rX',
  '+x',
  'a-w',
  'g=u',
  'o=',
  'u+s',
  'g+s',
  '+t',
  'ug+rw,o-rwx',
  'u=rw,u+x',
  'go-w',
  'a=r,u+w',
  '=rX',
  'o=g',
  'u-x+w',
];

describe('--chmod', () => {
  it.each(['644', '0755', '7777', '0', '4711'])(
    'takes the octal mode %s for files and directories alike',
    (text) => {
      const change = parseChmod(text);
      expect(change(0o600, false)).toBe(Number.parseInt(text, 8));
      expect(change(0o700, true)).toBe(Number.parseInt(text, 8));
    },
  );

  it.each(SYMBOLIC)('does with %s what chmod(1) does with a umask of 0', async (text) => {
    const directory = await temporaryDirectory();
    const cases = [
      { mode: 0o644, isDirectory: false },
      { mode: 0o755, isDirectory: false },
      { mode: 0o4751, isDirectory: false },
      { mode: 0o755, isDirectory: true },
      { mode: 0o1777, isDirectory: true },
      { mode: 0o2750, isDirectory: true },
    ];
    const change = parseChmod(text);
    const umask = process.umask(0);
    try {
      for (const [index, { mode, isDirectory }] of cases.entries()) {
        const path = join(directory, String(index));
        if (isDirectory) mkdirSync(path);
        else writeFileSync(path, '');
        chmodSync(path, mode);
        execFileSync('chmod', [text.startsWith('-') ? `./${text}` : text, '--', path]);
        const expected = statSync(path).mode & 0o7777;
        expect(change(mode, isDirectory).toString(8), `${text} on ${mode.toString(8)}`).toBe(
          expected.toString(8),
        );
      }
    } finally {
      process.umask(umask);
    }
  });

  it.each(['', '888', '12345', 'rwx', 'u+q', 'x+u', 'u', '0x1ff'])('refuses "%s"', (text) => {
    expect(() => parseChmod(text)).toThrow(SlipwayError);
  });
});
