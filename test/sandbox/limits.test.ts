import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sleep } from '../../src/clock.js';
import { type Fixture, leftovers, makeRootfs, sandboxFixture, skipped, stateEntries } from './fixture.js';

const run = promisify(execFile);
const MiB = 1024 * 1024;

async function fixture(): Promise<Fixture> {
  const made = await sandboxFixture();
  onTestFinished(async () => {
    expect(await stateEntries(made)).toEqual([]);
    await made[Symbol.asyncDispose]();
    expect(await leftovers()).toEqual([]);
  });
  return made;
}

/** Hard to kill: ignores what can be ignored, in a session of its own, by way of a parent that is gone. */
const STUBBORN =
  'trap "" TERM INT HUP; (setsid sh -c "trap \\"\\" TERM HUP; while :; do sleep 1000; done" &) ; sleep 1000';

/** Processes whose root or arguments are of this fixture: none, once its steps have ended. */
async function processesIn(rootfs: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const mounts = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
    if (mounts.includes(`${rootfs} / `)) found.push(pid);
  }
  return found;
}

describe.skipIf(skipped('limits'))('a step that goes too far', () => {
  it('is killed at its time-out with all it started', async () => {
    const { sh, rootfs } = await fixture();
    const outcome = await sh(`echo started; ${STUBBORN}`, { timeoutMs: 700 });
    expect(outcome).toMatchObject({ timedOut: true, exitCode: 137, output: 'started\n' });
    expect(await processesIn(rootfs)).toEqual([]);
  });

  it('is killed when the build is cancelled, and the reason is thrown', async () => {
    const { sh, rootfs } = await fixture();
    const abort = new AbortController();
    const reason = new Error('cancelled by alice');
    const running = sh(`echo started; ${STUBBORN}`, {
      signal: abort.signal,
      onOutput: () => abort.abort(reason),
    });
    await expect(running).rejects.toBe(reason);
    expect(await processesIn(rootfs)).toEqual([]);
    await expect(sh('true', { signal: abort.signal })).rejects.toBe(reason);
  });

  it('is killed when it is cancelled while its container is being made', async () => {
    const { sh } = await fixture();
    for (const ms of [1, 4, 8, 12, 16]) {
      const abort = new AbortController();
      const running = sh('sleep 1000', { signal: abort.signal });
      await sleep(ms);
      abort.abort(new Error('cancelled'));
      await expect(running).rejects.toThrow('cancelled');
    }
  });

  it('ends with its first process, even if it left others behind', async () => {
    const { sh, rootfs } = await fixture();
    expect(await sh('(sleep 1000 &); (setsid sleep 1000 > /dev/null 2>&1 &); echo done')).toMatchObject({
      exitCode: 0,
      output: 'done\n',
    });
    expect(await processesIn(rootfs)).toEqual([]);
  });

  it('cannot fork without end', async () => {
    const { sh, rootfs } = await fixture();
    const outcome = await sh('bomb() { bomb | bomb & }; bomb; sleep 1; exit 3', { timeoutMs: 3_000 });
    expect(outcome.processLimitHit).toBe(true);
    expect(await processesIn(rootfs)).toEqual([]);
    expect((await sh('echo calm')).processLimitHit).toBe(false);
  });

  it('cannot take more memory than it may, and the kill is told even when the shell ends well', async () => {
    const { sh } = await fixture();
    const outcome = await sh('dd if=/dev/zero of=/dev/null bs=200M count=1; exit 0');
    expect(outcome).toMatchObject({ exitCode: 0, oomKilled: true });
    expect((await sh('dd if=/dev/zero of=/dev/null bs=10M count=1')).oomKilled).toBe(false);
  });

  it('counts what it keeps in /dev/shm as memory', async () => {
    const { sh } = await fixture();
    const outcome = await sh('dd if=/dev/zero of=/dev/shm/x bs=1M count=60', {
      limits: { memoryBytes: 32 * MiB, processes: 64 },
    });
    expect(outcome.oomKilled).toBe(true);
  });

  it('cannot write more than it may', async () => {
    const made = await fixture();
    const { sandbox, disk, sh } = await onTmpfs(made, 256);
    const outcome = await sh('echo start; dd if=/dev/zero of=/tmp/big bs=1M count=100; sleep 1000', {
      diskWatch: { path: disk, limitBytes: 40 * MiB },
    });
    expect(outcome).toMatchObject({
      diskLimitExceeded: true,
      diskFull: false,
      timedOut: false,
      exitCode: 137,
    });
    expect(sandbox).toBe(made.sandbox);
  });

  it('is not blamed for what others write to the same disk', async () => {
    const made = await fixture();
    const { disk, sh } = await onTmpfs(made, 256);
    const watched = join(disk, 'watched');
    await mkdir(watched);
    const outcome = await sh('dd if=/dev/zero of=/tmp/others bs=1M count=100; sleep 1', {
      diskWatch: { path: watched, limitBytes: 40 * MiB },
    });
    expect(outcome).toMatchObject({ diskLimitExceeded: false, exitCode: 0 });
  });

  it('is stopped before the disk is full, and none is started on a full one', async () => {
    const made = await fixture();
    const { disk, sh } = await onTmpfs(made, 64);
    const outcome = await sh('dd if=/dev/zero of=/tmp/big bs=1M; sleep 1000', {
      diskWatch: { path: disk, limitBytes: 1024 * MiB },
    });
    expect(outcome).toMatchObject({ diskFull: true, diskLimitExceeded: false });
    await expect(sh('true', { diskWatch: { path: disk, limitBytes: 1024 * MiB } })).rejects.toMatchObject({
      code: 'disk_full',
    });
  });
});

/** A root on a file system of its own of `sizeMiB`. */
async function onTmpfs(made: Fixture, sizeMiB: number) {
  const disk = join(made.directory, 'disk');
  await mkdir(disk);
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', disk]);
  onTestFinished(() => run('umount', [disk]).then(() => undefined));
  const rootfs = await makeRootfs(disk);
  const limits = { memoryBytes: 1024 * MiB, processes: 64 };
  return {
    disk,
    sandbox: made.sandbox,
    sh: (script: string, step: Parameters<Fixture['sh']>[1] = {}) =>
      made.sh(script, { rootfs, limits, ...step }),
  };
}
