import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { subdirectory, testDirectory } from './support.js';

const addon = fileURLToPath(new URL('../../native/build/slipway.node', import.meta.url));

it('ends with its process: tasks are cancelled, open layers given up', () => {
  const directory = testDirectory();
  const program = join(directory, 'program.cjs');
  writeFileSync(
    program,
    `const addon = require(${JSON.stringify(addon)});
     const zero = 'sha256:' + '0'.repeat(64);
     addon.scan(addon.newCancel(), '/', 'usr', true);
     addon.apply(addon.newCancel(), '/dev/zero', '', zero, ${JSON.stringify(subdirectory(directory, 'target'))}, []);
     addon.openWriter(${JSON.stringify(join(directory, 'layer'))}, 'gzip').then((writer) => {
       globalThis.kept = writer;
       process.exit(7);
     });`,
  );
  const { status, signal, stderr } = spawnSync(process.execPath, [program], { timeout: 20_000 });
  expect({ status, signal, stderr: stderr.toString() }).toEqual({ status: 7, signal: null, stderr: '' });
});
