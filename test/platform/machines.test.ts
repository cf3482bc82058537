import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { type Machines, startMachines } from '../../platform/demo/machines.js';
import { processTree } from '../../platform/proc.js';
import { projectRoot } from '../../src/root.js';
import { dockerMissing } from '../support/docker.js';

const missing = dockerMissing();
if (missing !== undefined) console.warn(`skipped: ${missing}`);

const run = promisify(execFile);

/** What there is of the machines of a process: namespaces, engines, directories, links, addresses. */
async function traces(pid: number): Promise<string[]> {
  const namespaces = await readdir('/run/netns').catch(() => []);
  const { stdout } = await run('ip', ['-o', 'link']);
  return [
    ...namespaces.filter((name) => name.startsWith(`slipway-m${pid}-`)),
    ...processTree('dockerd', join(tmpdir(), `sm-${pid}-`)).map((engine) => `engine ${engine}`),
    ...(await readdir(tmpdir())).filter((name) => name.startsWith(`sm-${pid}-`)),
    ...(stdout.match(new RegExp(`\\bsm${pid}x\\d+`, 'g')) ?? []),
  ];
}

describe.skipIf(missing !== undefined)('machines in network namespaces', () => {
  let machines: Machines | undefined;
  afterEach(() => machines?.stop());

  it('that a killed process left are cleared away by the next one, and its own by itself', async () => {
    const module = join(projectRoot(), 'dist/platform/demo/machines.js');
    const program = `import { startMachines } from ${JSON.stringify(module)};
      await startMachines([{ name: 'a' }]); console.log('up'); setInterval(() => undefined, 1000);`;
    const victim = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(victim.stdout, 'data');
    const pid = victim.pid ?? 0;
    expect((await traces(pid)).length).toBeGreaterThan(3);
    victim.kill('SIGKILL');
    await once(victim, 'exit');
    machines = await startMachines([{ name: 'b' }]);
    expect(await traces(pid)).toEqual([]);
    expect(await machines.get('b').docker(['info', '-f', '{{.Containers}}'])).toBe('0');
    await machines.stop();
    machines = undefined;
    expect(await traces(process.pid)).toEqual([]);
  });
});
