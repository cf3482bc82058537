import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { measure } from './measure.js';
import { processTimes, treeOf } from './processes.js';

const HOLD = 'const held = Buffer.alloc(150e6, 1); console.log(held.length);';
const node = (code: string): Promise<unknown> => promisify(execFile)(process.execPath, ['-e', code]);

test('the memory of a process that is started meanwhile counts, and that of its children', async () => {
  const grandchild = `require('node:child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(`${HOLD} setTimeout(() => 0, 200)`)}]);`;
  const { cost } = await measure([], () => node(grandchild));
  expect(cost.peakBytes).toBeGreaterThan(150e6);
});

test('processor time of what has ended counts', async () => {
  const { cost } = await measure([], () => node('for (let i = 0; i < 3e8; i++);'));
  expect(cost.cpuMs).toBeGreaterThan(0);
});

test('a process of before counts only if it is a daemon of who is measured', async () => {
  const code = `${HOLD} process.stdin.resume(); process.stdin.on('end', () => process.exit());`;
  const daemon = spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(daemon.stdout, 'data');
  const pause = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 50));
  try {
    expect((await measure([], pause)).cost.peakBytes).toBe(0);
    expect((await measure([daemon.pid ?? 0], pause)).cost.peakBytes).toBeGreaterThan(150e6);
    expect(treeOf([process.pid])).toContain(daemon.pid);
    expect(processTimes(daemon.pid ?? 0)?.parent).toBe(process.pid);
  } finally {
    daemon.stdin.end();
    await once(daemon, 'exit');
  }
});

test('of a process that is gone nothing is known', () => {
  expect(processTimes(2 ** 22 + 1)).toBeUndefined();
});
