/** docs/troubleshooting.md has every code of an error, and no other. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/errors.js';

it('names each code of src/errors.ts', () => {
  const rows = readFileSync('docs/troubleshooting.md', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| '));
  const named = rows.map((line) => /^`([a-z_]+)`$/.exec(line.split(' | ')[1]?.trim() ?? '')?.[1]);
  const codes = new Set(named.filter((code) => code !== undefined));
  expect([...codes].sort()).toEqual(Object.keys(ERROR_CODES).sort());
});
