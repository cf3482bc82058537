/** docs/commands.md says what the command line can do: all of it, and as it is now. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);

it('is in docs/commands.md; else run: slipway help --markdown > docs/commands.md', async () => {
  const { stdout } = await run(process.execPath, ['bin/slipway', 'help', '--markdown']);
  expect(stdout).toBe(await readFile('docs/commands.md', 'utf8'));
});

it('has an example for each command', async () => {
  const { stdout } = await run(process.execPath, ['bin/slipway', 'help', '--markdown']);
  const commands = stdout.split('\n### ').slice(1);
  expect(commands.length).toBeGreaterThan(50);
  const bare = commands.filter(
    (text) => !/\nslipway |git config|source </.test(text.split('```').at(-2) ?? ''),
  );
  expect(bare.map((text) => text.split('\n')[0])).toEqual([]);
});
