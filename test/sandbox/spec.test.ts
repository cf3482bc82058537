import { describe, expect, it } from 'vitest';
import { advisoriesFor } from '../../src/build/sandbox/advisories.js';
import { runtimeError, startExitCode } from '../../src/build/sandbox/oci-runtime.js';
import { DENIED_SYSCALLS, seccompProfile } from '../../src/build/sandbox/seccomp.js';
import { runtimeConfig } from '../../src/build/sandbox/spec.js';
import { ALLOWED_SYSCALLS, I386_SYSCALLS } from '../../src/build/sandbox/syscalls.js';
import { shellStep } from './fixture.js';

const MACHINE = {
  swapAccounting: true,
  ipv6: true,
  openFiles: 20_000,
  coreBytes: Number.POSITIVE_INFINITY,
  capabilities: ['CAP_SYS_ADMIN'],
};

// biome-ignore lint/suspicious/noExplicitAny: JSON as the runtime reads it
function configOf(over: Partial<Parameters<typeof runtimeConfig>[0]> = {}): any {
  return JSON.parse(
    JSON.stringify(
      runtimeConfig({
        step: shellStep('/root', 'true'),
        hostname: 'h',
        cgroupPath: '/c',
        files: [{ source: '/s', destination: '/etc/hosts' }],
        mounts: [],
        hostDevices: [],
        networkNamespace: undefined,
        seccomp: seccompProfile('x64'),
        machine: MACHINE,
        ...over,
      }),
    ),
  );
}

describe("a step's configuration", () => {
  it('has a namespace of each kind that is not shared with the host', () => {
    const types = configOf().linux.namespaces.map((entry: { type: string }) => entry.type);
    expect(types.sort()).toEqual(['cgroup', 'ipc', 'mount', 'network', 'pid', 'uts']);
    expect(configOf({ networkNamespace: '/run/netns/x' }).linux.namespaces).toContainEqual({
      type: 'network',
      path: '/run/netns/x',
    });
  });

  it('limits memory and swap together, and leaves swap out where the kernel does not count it', () => {
    const memory = 64 * 1024 * 1024;
    expect(configOf().linux.resources.memory).toEqual({ limit: memory, swap: memory });
    expect(configOf({ machine: { ...MACHINE, swapAccounting: false } }).linux.resources.memory).toEqual({
      limit: memory,
    });
    expect(
      configOf({
        step: { ...shellStep('/', ''), limits: { memoryBytes: 1, processes: 2, cpus: 1.5, cpuShares: 512 } },
      }).linux.resources,
    ).toMatchObject({
      pids: { limit: 2 },
      cpu: { shares: 512, quota: 150_000, period: 100_000 },
    });
  });

  it('never raises a limit above our own', () => {
    const files = (openFiles: number) => configOf({ machine: { ...MACHINE, openFiles } }).process.rlimits[0];
    expect(files(1_000)).toEqual({ type: 'RLIMIT_NOFILE', soft: 1_000, hard: 1_000 });
    expect(files(Number.POSITIVE_INFINITY).hard).toBe(65_536);
    expect(configOf({ machine: { ...MACHINE, coreBytes: 0 } }).process.rlimits[1].hard).toBe(0);
  });

  it('keeps the privileges of an insecure step for those', () => {
    const { process, linux, mounts } = configOf({ step: shellStep('/root', 'true', { insecure: true }) });
    expect(process.capabilities.effective).toEqual(['CAP_SYS_ADMIN']);
    expect([linux.seccomp, linux.maskedPaths, linux.readonlyPaths]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(linux.resources.devices).toEqual([{ allow: true, access: 'rwm' }]);
    expect(mounts.find((mount: { destination: string }) => mount.destination === '/sys').options).toContain(
      'rw',
    );
    const plain = configOf();
    expect(plain.process.capabilities.effective).not.toContain('CAP_SYS_ADMIN');
    expect(plain.linux.seccomp).toBeDefined();
  });

  it('shares the network with the host only when asked to', () => {
    const { linux } = configOf({ step: shellStep('/root', 'true', { network: 'host' }) });
    expect(linux.namespaces).not.toContainEqual(expect.objectContaining({ type: 'network' }));
    expect(linux.sysctl).toBeUndefined();
  });

  it('names the primary group among the groups once', () => {
    const step = { ...shellStep('/', ''), user: { uid: 1, gid: 2, additionalGids: [3, 2] } };
    expect(configOf({ step }).process.user).toEqual({ uid: 1, gid: 2, additionalGids: [2, 3], umask: 0o022 });
  });

  it('mounts nothing of the host but read-only files of ours', () => {
    const binds = configOf().mounts.filter((mount: { type: string }) => mount.type === 'bind');
    expect(binds).toHaveLength(1);
    expect(binds[0].options).toEqual(expect.arrayContaining(['ro', 'nosuid', 'nodev']));
  });
});

describe('the seccomp profile', () => {
  it('allows no call that it denies, and denies nothing that programs cannot do without', () => {
    const denied = new Set(Object.values(DENIED_SYSCALLS).flat());
    expect(ALLOWED_SYSCALLS.filter((name) => denied.has(name))).toEqual([]);
    expect(I386_SYSCALLS.filter((name) => denied.has(name) || ALLOWED_SYSCALLS.includes(name))).toEqual([]);
    expect(new Set(ALLOWED_SYSCALLS).size).toBe(ALLOWED_SYSCALLS.length);
    expect(ALLOWED_SYSCALLS).toEqual(
      expect.arrayContaining(['read', 'openat', 'execve', 'fork', 'futex', 'statx', 'getrandom', 'rseq']),
    );
    for (const name of ['clone', 'clone3', 'socket', 'personality'])
      expect(ALLOWED_SYSCALLS).not.toContain(name);
  });

  it('exists for the architectures that it was made for', () => {
    expect(seccompProfile('x64')?.architectures).toEqual(['SCMP_ARCH_X86_64']);
    expect(seccompProfile('x64', { with32Bit: true })?.architectures).toContain('SCMP_ARCH_X86');
    expect(seccompProfile('arm64', { with32Bit: true })?.architectures).toEqual(['SCMP_ARCH_AARCH64']);
    expect(seccompProfile('arm64')?.architectures).toEqual(['SCMP_ARCH_AARCH64']);
    expect(seccompProfile('mips')).toBeUndefined();
  });
});

describe('what a runtime says', () => {
  it('is found in its log, without the words it always says', () => {
    const log =
      '{"level":"info","msg":"x"}\nnot json\n{"level":"error","msg":"runc run failed: unable to start container process: exec: \\"nope\\": executable file not found in $PATH"}\n';
    expect(runtimeError(log)).toBe('exec: "nope": executable file not found in $PATH');
    expect(runtimeError('{"level":"warning","msg":"x"}')).toBeUndefined();
    expect(runtimeError('')).toBeUndefined();
  });

  it.each([
    ['exec: "nope": executable file not found in $PATH', 127],
    ['exec: "/nope": stat /nope: no such file or directory', 127],
    ['executable file `nope` not found in $PATH: No such file or directory', 127],
    ['exec: "/etc": permission denied', 126],
    ['open executable: Permission denied', 126],
    ['error mounting "x" to rootfs: no such file or directory', undefined],
    ['mkdir /sys/fs/cgroup/x: permission denied', undefined],
  ])('%j gives the exit code %s', (message, code) => {
    expect(startExitCode(message)).toBe(code);
  });

  it('by its version: what is known to be wrong with it', () => {
    expect(advisoriesFor('runc', '1.1.5')).toContain('CVE-2024-21626');
    expect(advisoriesFor('runc', '1.1.12')).not.toContain('CVE-2024-21626');
    expect(advisoriesFor('runc', '1.2.8')).toEqual(['CVE-2026-41579']);
    expect(advisoriesFor('runc', '1.3.6')).toEqual([]);
    expect(advisoriesFor('runc', '1.6.0')).toEqual([]);
    expect(advisoriesFor('crun', '1.8.1')).toEqual(['CVE-2026-47766']);
    expect(advisoriesFor('crun', '1.28')).toEqual([]);
  });
});
