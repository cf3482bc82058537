/** docs/settings.md has every setting and every limit, with its default, and no other. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { DEFAULT_LIMITS, type Limits, limitVariable } from '../../src/config.js';
import { fastPaths } from '../../src/fast-paths.js';

/** Each row of a table that begins with a variable: its name and its second column. */
async function documented(): Promise<Map<string, string>> {
  const text = await readFile('docs/settings.md', 'utf8');
  const rows = [...text.matchAll(/^\| `([A-Z_]+)` *\| *(.*?) *\|/gm)];
  const settings = new Map(rows.map(([, name = '', value = '']) => [name, value]));
  expect(settings.size).toBe(rows.length);
  return settings;
}

it('are in docs/settings.md: those of the environment', async () => {
  const code = await readFile('src/config.ts', 'utf8');
  const names = [...code.matchAll(/^ {2}((?:SLIPWAY|DOCKER)_[A-Z_]+): /gm)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(30);
  const others = [...(await documented()).keys()].filter((name) => !/^SLIPWAY_(LIMIT|FAST)_/.test(name));
  expect(others.sort()).toEqual(names.sort());
});

it('are in docs/settings.md: numbers that are defaults', async () => {
  const code = await readFile('src/config.ts', 'utf8');
  const numbers = [...code.matchAll(/^ {2}(SLIPWAY_[A-Z_]+): .*\.default\(([\d_]+)\)/gm)];
  expect(numbers.length).toBeGreaterThan(5);
  const settings = await documented();
  for (const [, name = '', value = ''] of numbers)
    expect([name, settings.get(name)]).toEqual([name, `\`${value.replaceAll('_', '')}\``]);
});

it('are in docs/settings.md: the limits with their defaults', async () => {
  const limits = [...(await documented())].filter(([name]) => name.startsWith('SLIPWAY_LIMIT_'));
  const expected = (Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]).map((name) => [
    limitVariable(name),
    `\`${DEFAULT_LIMITS[name]}\``,
  ]);
  expect(limits).toEqual(expected);
});

it('are in docs/settings.md: the short ways', async () => {
  const short = [...(await documented()).keys()].filter((name) => name.startsWith('SLIPWAY_FAST_'));
  expect(short).toEqual(Object.keys(fastPaths({})).map((name) => `SLIPWAY_FAST_${name.toUpperCase()}`));
});
