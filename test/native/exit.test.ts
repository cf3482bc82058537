import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { subdirectory, testDirectory } from './support.js';

const addon = fileURLToPath(new URL('../../native/build/slipway.node', import.meta.url));

it('ends with its process: tasks are cancelled, half-written layers removed', () => {
  const directory = testDirectory();
  const layer = join(directory, 'layer');
  const program = join(directory, 'program.cjs');
  writeFileSync(
    program,
    `const addon = require(${JSON.stringify(addon)});
     const zero = 'sha256:' + '0'.repeat(64);
     addon.scan(addon.newCancel(), '/', 'usr', true, false);
     addon.apply(addon.newCancel(), '/dev/zero', '', zero, ${JSON.stringify(subdirectory(directory, 'target'))}, []);
     const layer = ${JSON.stringify(layer)};
     addon.writeUpper(addon.newCancel(), '/usr', [], layer, 'gzip', []);
     const wait = () => (require('node:fs').existsSync(layer) ? process.exit(7) : setTimeout(wait, 1));
     wait();`,
  );
  const { status, signal, stderr } = spawnSync(process.execPath, [program], { timeout: 20_000 });
  expect({ status, signal, stderr: stderr.toString() }).toEqual({ status: 7, signal: null, stderr: '' });
  expect(existsSync(layer)).toBe(false);
});
