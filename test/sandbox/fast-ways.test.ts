import { execFileSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, rmdir, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { comparable } from '../../src/build/sandbox/network-traces.js';
import { ownName } from '../../src/build/sandbox/owner.js';
import { runtimeDirectory } from '../../src/build/sandbox/runtime-directory.js';
import { parseHierarchies } from '../../src/build/sandbox/step-cgroups.js';
import { ALL_FAST, NONE_FAST } from '../../src/fast-paths.js';
import { type Fixture, leftovers, sandboxFixture, skipped } from './fixture.js';

const MiB = 1024 * 1024;

describe.skipIf(skipped('fast ways'))('a step', () => {
  const fixtures: Fixture[] = [];
  beforeAll(async () => {
    for (const fast of [ALL_FAST, NONE_FAST]) fixtures.push(await sandboxFixture({ fast }));
  });
  afterAll(async () => {
    for (const fixture of fixtures) await fixture[Symbol.asyncDispose]();
    expect(await leftovers()).toEqual([]);
  });

  /** What it prints and how it ends, with all fast ways and with none. */
  async function both(script: string, step: Parameters<Fixture['sh']>[1] = {}) {
    const found = [];
    for (const { sh } of fixtures) {
      const { output, exitCode, oomKilled, processLimitHit } = await sh(script, step);
      found.push({ output, exitCode, oomKilled, processLimitHit });
    }
    return found;
  }

  it.each([
    [
      'its memory limit',
      'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true',
    ],
    ['the controllers', 'ls /sys/fs/cgroup; cat /proc/self/cgroup'],
    [
      'devices, by their rules',
      'cat /sys/fs/cgroup/devices/devices.list 2>/dev/null | grep -v 10:200 | sort',
    ],
    // What is masked in /proc is the machine's /dev/null or the step's own.
    ['file systems', 'cut -d" " -f2,3 /proc/mounts | sed "/^.proc/s/ devtmpfs/ tmpfs/" | sort'],
    ['privileges', 'grep -E "^(Cap|Seccomp|NoNewPrivs|Groups|Sig[BI])" /proc/self/status'],
    ['limits of a process', 'cat /proc/self/limits'],
    [
      'what is in /dev',
      'ls -l /dev | grep -v core | sed "s/^\\(.\\{44\\}\\).\\{13\\}/\\1/" | grep -v total | sed "s/ 3[24]0 / /"',
    ],
  ])('sees the same in every way: %s', async (_, script) => {
    const [fast, slow] = await both(script);
    expect(fast).toEqual(slow);
    expect(fast?.output).not.toBe('');
  });

  it('has the same room for processes in every way', async () => {
    const script = 'for n in 1 2 3 4 5 6 7; do sleep 5 & done; echo made';
    const limits = { memoryBytes: 64 * MiB, processes: 8 };
    for (const outcome of await both(script, { limits }))
      expect(outcome).toMatchObject({ output: 'made\n', exitCode: 0, processLimitHit: false });
    for (const outcome of await both(`sleep 5 & ${script}`, { limits }))
      expect(outcome).toMatchObject({ processLimitHit: true });
  });

  it('is told that memory ran out in every way, also when it is all in /dev/shm', async () => {
    const limits = { memoryBytes: 32 * MiB, processes: 64 };
    for (const script of [
      'dd if=/dev/zero of=/dev/shm/x bs=1M count=60',
      'dd if=/dev/zero of=/dev/null bs=200M count=1',
    ])
      for (const outcome of await both(script, { limits })) expect(outcome.oomKilled).toBe(true);
  });

  it('is as confined when its filter was compiled for another step', async () => {
    const { sh } = fixtures[0] as Fixture;
    for (let step = 0; step < 4; step++) {
      const { output } = await sh('grep Seccomp /proc/self/status; unshare -n true || echo refused');
      expect(output).toMatch(/Seccomp:\s+2\n/);
      expect(output).toContain('refused');
    }
  });

  it('keeps no mount that others take away while it runs', async () => {
    const { directory, sh } = fixtures[0] as Fixture;
    const shared = join(directory, 'shared');
    const inner = join(shared, 'inner');
    await mkdir(inner, { recursive: true });
    execFileSync('mount', ['--bind', shared, shared]);
    onTestFinished(() => void execFileSync('umount', ['--recursive', shared]));
    execFileSync('mount', ['--make-shared', shared]);
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', inner]);
    let kept: string[] | undefined;
    await sh('echo runs; sleep 1', {
      onOutput: async () => {
        execFileSync('umount', [inner]);
        const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
        const seen = await Promise.all(
          processes.map((pid) => readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '')),
        );
        kept = processes.filter((_, index) => seen[index]?.includes(` ${inner} `));
      },
    });
    expect(kept).toEqual([]);
  });

  it('has no writable copy of its runtime within reach', async () => {
    const { output } = await (fixtures[0] as Fixture).sh('ls /proc | grep -c "^[0-9]"; ls -l /proc/1/exe');
    expect(output).toMatch(/-> \/bin\/busybox/);
  });

  it('with secrets leaves its variables on no disk', async () => {
    const { directory, sh } = fixtures[0] as Fixture;
    const memory = await mkdtemp(join(tmpdir(), 'sandbox-memory-'));
    onTestFinished(() => rm(memory, { recursive: true, force: true }));
    let kept: string | undefined;
    const { output } = await sh('echo $TOKEN', {
      memory,
      env: ['PATH=/bin', 'TOKEN=vvv-secret-vvv'],
      onOutput: async () => {
        kept = await allText(join(directory, 'state'));
      },
    });
    expect(output).toBe('');
    expect(kept).toBeDefined();
    expect(kept).not.toContain('vvv-secret-vvv');
  });

  it('runs in the other runtime where crun cannot start it', async () => {
    await using made = await sandboxFixture();
    const prefix = (await readdir(join(made.directory, 'state'))).find((name) => name.startsWith('slipway-'));
    const shared = join('/sys/fs/cgroup/devices', `${prefix}-steps`);
    if ((await lstat(shared).catch(() => undefined)) === undefined) return; // cgroups are v2's alone
    await rmdir(shared);
    expect(await made.sh('echo runs')).toMatchObject({ output: 'runs\n', exitCode: 0 });
    expect(await made.sh('exit 3')).toMatchObject({ exitCode: 3 });
  });
});

describe.skipIf(skipped('networks'))('the network of a step', () => {
  const NAMESPACE = 'readlink /proc/self/ns/net';

  async function inode(fixture: Fixture, script = ''): Promise<string> {
    return (await fixture.sh(`${NAMESPACE}; ${script}`, { network: 'default' })).output.split('\n')[0] ?? '';
  }

  it('is the next one’s if nothing went through it, and nobody’s otherwise', async () => {
    await using fixture = await sandboxFixture();
    const unused = await inode(fixture);
    expect(await inode(fixture, 'true')).toBe(unused);
    // To itself, by the loopback: what is left is a connection in TIME_WAIT.
    const loopback = '(echo x | nc -l -p 4000 &); sleep 0.3; echo y | nc -w 1 127.0.0.1 4000; true';
    expect(await inode(fixture, loopback)).toBe(unused);
    const second = await inode(fixture);
    expect(second).not.toBe(unused);
    expect(
      await inode(
        fixture,
        'ping -c 1 -W 1 10.0.2.2 > /dev/null 2>&1; nslookup a.test > /dev/null 2>&1; true',
      ),
    ).toBe(second);
    expect(await inode(fixture)).not.toBe(second);
  });

  it('is not shared by steps at the same time', async () => {
    await using fixture = await sandboxFixture();
    const found = await Promise.all([inode(fixture, 'sleep 1'), inode(fixture, 'sleep 1')]);
    expect(new Set(found).size).toBe(2);
  });

  it('is a new one for each step when that is asked for, and after an insecure one', async () => {
    await using fixture = await sandboxFixture({ fast: NONE_FAST });
    expect(await inode(fixture)).not.toBe(await inode(fixture));
    await using other = await sandboxFixture();
    const step = { network: 'default', insecure: true } as const;
    const [insecure] = (await other.sh(NAMESPACE, step)).output.split('\n');
    expect(await inode(other)).not.toBe(insecure);
  });

  it('is gone with the sandbox', async () => {
    const fixture = await sandboxFixture();
    await inode(fixture);
    const owner = await ownName();
    expect((await leftovers(owner)).some((line) => line.startsWith('network namespace'))).toBe(true);
    await fixture[Symbol.asyncDispose]();
    expect(await leftovers(owner)).toEqual([]);
  });

  it('is compared without what the whole machine counts', () => {
    const text = (sockets: number, mem: number, tw: number): string =>
      `sockets: used ${sockets}\nTCP: inuse 0 orphan 0 tw ${tw} alloc ${mem} mem ${mem}\nUDP: inuse 0 mem ${mem}\n`;
    expect(comparable(text(3, 4, 0))).toBe(comparable(text(1, 9, 0)));
    expect(comparable(text(3, 4, 1))).not.toBe(comparable(text(3, 4, 0)));
  });
});

describe('hierarchies of cgroups', () => {
  it('are found in the table of mounts, co-mounted and named ones too', () => {
    const line = (root: string, at: string, options: string, type = 'cgroup'): string =>
      `30 23 0:26 ${root} ${at} rw,nosuid shared:9 - ${type} ${type} ${options}`;
    const table = [
      line('/', '/sys/fs/cgroup/cpu,cpuacct', 'rw,seclabel,cpu,cpuacct,clone_children'),
      line('/', '/sys/fs/cgroup/systemd', 'rw,xattr,name=systemd'),
      line('/', '/sys/fs/cgroup/unified', 'rw', 'cgroup2'),
      line('/inner', '/sys/fs/cgroup/memory', 'rw,memory'),
      line('/', '/mnt/pids', 'rw,pids'),
    ];
    expect(parseHierarchies(table.join('\n'))).toEqual([
      { directory: '/sys/fs/cgroup/cpu,cpuacct', controllers: ['cpu', 'cpuacct'] },
      { directory: '/sys/fs/cgroup/systemd', controllers: [] },
    ]);
  });
});

describe.skipIf(process.getuid?.() !== 0)('what runs is kept', () => {
  it('in memory where only root reaches it, and on the disk otherwise', async () => {
    const disk = '/var/lib/somewhere';
    const place = await mkdtemp('/dev/shm/sandbox-');
    onTestFinished(() => rm(place, { recursive: true, force: true }));
    const directory = join(place, 'slipway-sandbox');
    expect(await runtimeDirectory(disk, [place])).toBe(directory);
    expect((await lstat(directory)).mode & 0o777).toBe(0o700);
    await rm(directory, { recursive: true });
    await mkdir(directory, { mode: 0o777 });
    expect(await runtimeDirectory(disk, [place])).toBe(disk);
    await rm(directory, { recursive: true });
    await symlink(tmpdir(), directory);
    expect(await runtimeDirectory(disk, [place])).toBe(disk);
    expect(await runtimeDirectory(disk, ['/proc'])).toBe(disk);
  });
});

/** Of all files below, pipes left out. */
async function allText(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const texts = await Promise.all(
    files.map((entry) => readFile(join(entry.parentPath, entry.name), 'utf8').catch(() => '')),
  );
  return texts.join('\n');
}
