import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { watchDisk } from '../../src/build/sandbox/disk-watch.js';
import { temporaryDirectory } from '../support/directories.js';
import { skipped } from './fixture.js';

const run = promisify(execFile);
const MB = 1_000_000;

/** A file system that nobody else writes to. */
async function ownDisk(): Promise<string> {
  const path = await temporaryDirectory();
  await run('mount', ['-t', 'tmpfs', '-o', 'size=100m', 'tmpfs', path]);
  onTestFinished(async () => {
    await run('umount', [path]);
  });
  return path;
}

const write = (path: string, bytes: number): Promise<void> => writeFile(path, Buffer.alloc(bytes));

it.skipIf(skipped('limits')).each(['directory', 'cache'])(
  'what a step writes to its %s is found although somebody else frees as much',
  async (where) => {
    const disk = await ownDisk();
    const [path, cache, others] = ['upper', 'cache', 'others'].map((name) => join(disk, name));
    for (const directory of [path, cache]) await mkdir(directory as string);
    await write(join(cache as string, 'before'), 20 * MB);
    await write(others as string, 40 * MB);
    let exceeded = (_reason: string): void => undefined;
    const ended = new Promise<string>((resolve) => {
      exceeded = resolve;
    });
    const watch = await watchDisk({
      path: path as string,
      growingPaths: [cache as string],
      limitBytes: 10 * MB,
      onExceeded: (reason) => exceeded(reason),
    });
    onTestFinished(() => watch.stop());
    // The cache is measured at the first look, after 0.3 s.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await rm(others as string);
    await write(join((where === 'cache' ? cache : path) as string, 'written'), 15 * MB);
    expect(await ended).toBe('disk_limit');
  },
);
