/** Files that are put in the place of others while a tree is read: a step may still write to what is read. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scanTree, writeUpperLayer } from '../../native/index.js';
import { temporaryDirectory } from '../support/directories.js';

const SWAP = `
const { linkSync, renameSync } = require('node:fs');
process.stdout.write('swapping');
for (;;) for (const one of ['fifo', 'file']) { linkSync(one, 'next'); renameSync('next', 'tree/x'); }
`;

it('never waits for a FIFO that has come to where a file was', { timeout: 30_000 }, async () => {
  const directory = await temporaryDirectory();
  const root = join(directory, 'tree');
  await mkdir(root);
  await writeFile(join(root, 'x'), 'x'.repeat(1000));
  await writeFile(join(directory, 'file'), 'x'.repeat(1000));
  execFileSync('mkfifo', [join(directory, 'fifo')]);
  const swapping = spawn(process.execPath, ['-e', SWAP], { cwd: directory });
  try {
    await once(swapping.stdout, 'data');
    const until = Date.now() + 4000;
    let read = 0;
    const count = (): void => {
      read++;
    };
    const gone = (error: { code?: unknown }): void => expect(error.code).toBe('ENOENT');
    while (Date.now() < until) {
      await scanTree({ root, path: '', hash: true }).then(count, gone);
      const path = join(directory, 'layer');
      await writeUpperLayer({ upper: root, lowers: [], path, compression: 'none' }).then(count, gone);
    }
    expect(read).toBeGreaterThan(10);
  } finally {
    swapping.kill('SIGKILL');
  }
});
