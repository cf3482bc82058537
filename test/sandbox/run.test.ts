import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sleep } from '../../src/clock.js';
import { type Fixture, leftovers, sandboxFixture, skipped, stateEntries } from './fixture.js';

/** Every test ends with a look at what its steps left. */
async function fixture(bare = false): Promise<Fixture> {
  const made = await sandboxFixture({}, bare);
  onTestFinished(async () => {
    expect(await stateEntries(made)).toEqual([]);
    await made[Symbol.asyncDispose]();
    expect(await leftovers()).toEqual([]);
  });
  return made;
}

describe.skipIf(skipped('run'))('a step', () => {
  it('prints in order and ends with its exit code', async () => {
    const { sh } = await fixture();
    const outcome = await sh('echo one; sleep 0.2; echo two >&2; sleep 0.2; echo three; exit 7');
    expect(outcome).toMatchObject({
      exitCode: 7,
      output: 'one\ntwo\nthree\n',
      timedOut: false,
      oomKilled: false,
    });
    expect(outcome.signal).toBeUndefined();
    expect((await sh('true')).exitCode).toBe(0);
  });

  it('tells by which signal it ended', async () => {
    const { sh } = await fixture();
    // A namespace's first process cannot signal itself to death; its child can, and the shell passes that on.
    expect(await sh('sh -c "kill -KILL \\$\\$"; exit $?')).toMatchObject({
      exitCode: 137,
      signal: 'SIGKILL',
    });
  });

  it('has the environment, directory, user and groups it was given, and no more', async () => {
    const { sh } = await fixture();
    const { output } = await sh('env; pwd; id; echo $(id -G); cat; hostname; umask', {
      env: ['PATH=/bin', 'A=b c', 'EMPTY='],
      cwd: '/work',
      user: { uid: 1234, gid: 2345, additionalGids: [3456] },
    });
    expect(output.split('\n')).toEqual(expect.arrayContaining(['A=b c', 'EMPTY=', 'PATH=/bin', '2345 3456']));
    expect(output).toContain('\n/work\n');
    expect(output).toContain('uid=1234(app) gid=2345(app)');
    expect(output).toContain('\nbuildkitsandbox\n0022\n');
    // HOME is the runtime's, from passwd; SHLVL and PWD are the shell's.
    const names = [...output.matchAll(/^([A-Z]+)=/gm)].map((match) => match[1]).sort();
    expect(names).toEqual(['A', 'EMPTY', 'HOME', 'PATH', 'PWD', 'SHLVL']);
  });

  it('can write to /dev/stdout and /dev/stderr by name, as root and as another user', async () => {
    const { sh } = await fixture();
    const script = 'echo a > /dev/stdout; sleep 0.2; echo b | tee /dev/stderr > /dev/null';
    expect((await sh(script)).output).toBe('a\nb\n');
    expect((await sh(script, { user: { uid: 1234, gid: 2345, additionalGids: [] } })).output).toBe('a\nb\n');
  });

  it('passes words to the kernel as they are', async () => {
    const { sandbox, rootfs, sh } = await fixture();
    const words = ['/bin/echo', '-n', '$(id)', '`id`', ';id', '--', '"', "'", '\n', 'é'];
    const chunks: Buffer[] = [];
    await sandbox.run({ ...stepOf(rootfs), argv: words, onOutput: (chunk) => void chunks.push(chunk) });
    expect(Buffer.concat(chunks).toString()).toBe(words.slice(2).join(' '));
    await expect(sh('true', { argv: ['/bin/echo', 'a\0b'] })).rejects.toMatchObject({ code: 'step_failed' });
    await expect(sh('true', { argv: [] })).rejects.toMatchObject({ code: 'step_failed' });
  });

  it('says 127 for a command that is not there and 126 for one that cannot be run', async () => {
    const { sh, rootfs } = await fixture();
    await writeFile(join(rootfs, 'plain'), 'text', { mode: 0o644 });
    const missing = await sh('', { argv: ['nope', 'x'] });
    expect(missing).toMatchObject({ exitCode: 127, output: '' });
    expect(missing.startError).toMatch(/nope.*not found/);
    expect(missing.startError).not.toContain('runc run failed');
    expect(await sh('', { argv: ['/nope'] })).toMatchObject({ exitCode: 127, output: '' });
    expect(await sh('', { argv: ['/plain'] })).toMatchObject({ exitCode: 126, output: '' });
  });

  it('sees files that are given to it, which are not in its root afterwards', async () => {
    const { sh, rootfs } = await fixture();
    const files = [
      { path: '/dev/pipes/EOT', mode: 0o755, content: '#!/bin/sh\necho script $1\n' },
      { path: '/opt/config/x', mode: 0o600, content: 'given' },
    ];
    const outcome = await sh('/dev/pipes/EOT 1; cat /opt/config/x; sleep 0.2; echo no > /opt/config/x', {
      files,
    });
    expect(outcome.output).toMatch(/^script 1\ngiven.*Read-only file system\n$/);
    expect(outcome.stubs).toEqual(['opt', 'opt/config', 'opt/config/x']);
    expect(await readdir(rootfs)).not.toContain('opt');
    expect(await readdir(join(rootfs, 'dev'))).toEqual([]);
  });

  it('gives 100 MB of output to a slow reader without keeping it', async () => {
    const { sh } = await fixture();
    let bytes = 0;
    let chunks = 0;
    const before = process.memoryUsage().rss;
    const outcome = await sh('head -c 104857600 /dev/zero', {
      onOutput: async (chunk) => {
        bytes += chunk.length;
        if (++chunks % 100 === 0) await sleep(1);
      },
    });
    expect(outcome.exitCode).toBe(0);
    expect(bytes).toBe(104_857_600);
    expect(process.memoryUsage().rss - before).toBeLessThan(60 * 1024 * 1024);
  });

  it('is stopped when nobody takes its output', async () => {
    const { sh } = await fixture();
    const failing = sh('yes', { onOutput: () => Promise.reject(new Error('log is closed')) });
    await expect(failing).rejects.toThrow('log is closed');
  });

  it('runs beside another one without mixing their output', async () => {
    const { sh } = await fixture();
    const scripts = [1, 2, 3, 4].map((n) => sh(`for i in 1 2 3; do echo ${n}; done`));
    expect((await Promise.all(scripts)).map(({ output }) => output)).toEqual(
      [1, 2, 3, 4].map((n) => `${n}\n`.repeat(3)),
    );
  });

  it('leaves only what the kernel shows in a root without mount points, and no changed time', async () => {
    const { sh, rootfs } = await fixture(true);
    const before = (await stat(rootfs)).mtimeMs;
    const outcome = await sh('cat /etc/hosts; ls -d /dev/null /proc/self /sys/class');
    expect(outcome).toMatchObject({ exitCode: 0 });
    expect(outcome.output).toContain('localhost buildkitsandbox');
    expect(outcome.stubs).toEqual(['etc', 'etc/hosts', 'etc/resolv.conf']);
    expect((await readdir(rootfs)).sort()).toEqual(['bin', 'dev', 'proc', 'sys', 'tmp']);
    expect(Math.floor((await stat(rootfs)).mtimeMs / 1000)).toBe(Math.floor(before / 1000));
  });

  it('sees our /etc/hosts, and the image keeps its own', async () => {
    const { sh, rootfs } = await fixture();
    const { output } = await sh('cat /etc/hosts; echo x > /etc/hosts; rm /etc/hosts');
    expect(output).toContain('buildkitsandbox');
    expect(output).toContain('Read-only file system');
    expect(await readFile(join(rootfs, 'etc/hosts'), 'utf8')).toBe('of the image\n');
  });

  it('may write /etc/hostname, which is the image’s', async () => {
    const { sh, rootfs } = await fixture();
    expect((await sh('cat /etc/hostname; echo mine > /etc/hostname')).output).toBe('of the image\n');
    expect(await readFile(join(rootfs, 'etc/hostname'), 'utf8')).toBe('mine\n');
  });

  it.each(['dev', 'proc', 'sys'])('is refused when /%s in the image is a symbolic link', async (name) => {
    const { sh, rootfs, directory } = await fixture(true);
    const outside = join(directory, 'outside');
    await mkdir(outside);
    await symlink(outside, join(rootfs, name));
    await expect(sh('true')).rejects.toMatchObject({ code: 'step_failed', where: `/${name}` });
    expect(await readdir(outside)).toEqual([]);
  });

  it('is refused in a working directory below /proc, also by way of a link', async () => {
    const { sh, rootfs } = await fixture();
    await symlink('/proc/self', join(rootfs, 'self'));
    await expect(sh('true', { cwd: '/self/fd/8' })).rejects.toMatchObject({
      code: 'step_failed',
      where: 'WORKDIR',
    });
    await expect(sh('true', { cwd: 'work' })).rejects.toMatchObject({ code: 'step_failed' });
    await expect(sh('true', { cwd: '/etc/passwd' })).rejects.toMatchObject({ code: 'step_failed' });
  });
});

function stepOf(rootfs: string) {
  return {
    id: 'words',
    rootfs,
    env: [],
    cwd: '/',
    user: { uid: 0, gid: 0, additionalGids: [] },
    network: 'none' as const,
    limits: { memoryBytes: 64 * 1024 * 1024, processes: 64 },
    timeoutMs: 20_000,
  };
}
