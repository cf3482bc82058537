/** Completion: what may come next, and that a real bash shows it. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { appTyped, complete } from '../../src/cli/completion.js';
import type { CommandGroup } from '../../src/cli/help.js';
import type { Command } from '../../src/cli/usage.js';
import { temporaryDirectory } from '../support/directories.js';

const run = promisify(execFile);

const command = (name: string, usage: string): Command => ({
  name,
  usage,
  help: `What ${name} does. More of it.`,
  examples: [],
  args: { min: 0, max: 3 },
  run: async () => 0,
});
const GROUPS: readonly CommandGroup[] = [
  {
    title: 'all',
    commands: [
      command('releases', ''),
      command('releases:info', '[vN]'),
      { ...command('rollback', '[vN]'), aliases: ['releases:rollback'] },
      command('git:credential', 'get|store|erase'),
      command('image:load', 'FILE'),
    ],
  },
];
const OPTIONS = {
  app: { type: 'string', short: 'a', help: 'the app' },
  reason: { type: 'string', help: 'why' },
  json: { type: 'boolean', help: 'as JSON' },
} as const;

const next = (...typed: string[]): unknown => {
  const found = complete(typed, GROUPS, () => OPTIONS);
  return 'words' in found ? found.words.map(({ word }) => word) : found;
};

describe('what may come next', () => {
  it('is a command first, with what it does', () => {
    expect(next('rel')).toEqual(['releases', 'releases:info']);
    expect(next('')).toHaveLength(5);
    expect(next('help', 'roll')).toEqual(['rollback']);
    expect(complete(['releases:i'], GROUPS, () => OPTIONS)).toEqual({
      words: [{ word: 'releases:info', about: 'What releases:info does' }],
    });
  });

  it('is an option of the command, and what that wants', () => {
    expect(next('releases', '--j')).toEqual(['--json']);
    expect(next('releases', '-a', '')).toEqual({ names: 'apps' });
    expect(next('releases', '--app', 'he')).toEqual({ names: 'apps' });
    expect(next('releases', '--reason', '')).toEqual([]);
  });

  it('is what the usage says of an argument, wherever the options stand', () => {
    expect(next('rollback', 'v1')).toEqual({ names: 'releases' });
    expect(next('releases:rollback', '--json', '')).toEqual({ names: 'releases' });
    expect(next('rollback', '-a', 'hello', '')).toEqual({ names: 'releases' });
    expect(next('rollback', 'v1', '')).toEqual([]);
    expect(next('git:credential', 's')).toEqual(['store']);
  });

  it('is left to the shell where files or free words are wanted', () => {
    expect(next('image:load', '')).toEqual([]);
    expect(next('releases', '--', '-')).toEqual([]);
    expect(next('nonsense', '')).toEqual([]);
  });

  it('depends on the app that was typed', () => {
    expect(appTyped(['rollback', '-a', 'hello', 'v'])).toBe('hello');
    expect(appTyped(['rollback', '--app', 'hello'])).toBeUndefined();
    expect(appTyped(['rollback', 'v'])).toBeUndefined();
  });
});

describe('bash', () => {
  /** What bash offers for a line, with the cursor at its end. */
  async function offered(line: string): Promise<string[]> {
    const bin = await temporaryDirectory();
    await mkdir(join(bin, 'home'));
    const program = resolve('bin/slipway');
    await writeFile(join(bin, 'slipway'), `#!/bin/sh\nexec ${process.execPath} ${program} "$@"\n`);
    await chmod(join(bin, 'slipway'), 0o755);
    const script =
      'source <(slipway completion bash); COMP_LINE=$1; COMP_POINT=$' +
      '{#1}; _slipway; printf "%s\\n" "$' +
      '{COMPREPLY[@]}"';
    const { stdout } = await run('bash', ['-c', script, 'bash', line], {
      env: { PATH: `${bin}:${process.env.PATH}`, HOME: join(bin, 'home') },
    });
    return stdout.split('\n').filter((word) => word !== '');
  }

  it('completes a command, after its colon only what is missing', async () => {
    expect(await offered('slipway whoa')).toEqual(['whoami']);
    expect(await offered('slipway apps:l')).toContain('list');
    expect(await offered('slipway completion z')).toEqual(['zsh']);
    expect(await offered('slipway releases --js')).toEqual(['--json']);
  });

  it('offers nothing, and says nothing, where no platform is known', async () => {
    expect(await offered('slipway releases -a ')).toEqual([]);
  });
});
