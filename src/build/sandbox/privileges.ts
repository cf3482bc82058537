/** What a step with `--security=insecure` has more than others, as BuildKit gives it. */
import { readdir, readFile, stat } from 'node:fs/promises';

/** By number: linux/capability.h. */
const NAMES: readonly string[] = [
  ...['CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP'],
  ...[
    'LINUX_IMMUTABLE',
    'NET_BIND_SERVICE',
    'NET_BROADCAST',
    'NET_ADMIN',
    'NET_RAW',
    'IPC_LOCK',
    'IPC_OWNER',
  ],
  ...[
    'SYS_MODULE',
    'SYS_RAWIO',
    'SYS_CHROOT',
    'SYS_PTRACE',
    'SYS_PACCT',
    'SYS_ADMIN',
    'SYS_BOOT',
    'SYS_NICE',
  ],
  ...['SYS_RESOURCE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'MKNOD', 'LEASE', 'AUDIT_WRITE', 'AUDIT_CONTROL'],
  ...['SETFCAP', 'MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ'],
  ...['PERFMON', 'BPF', 'CHECKPOINT_RESTORE'],
].map((name) => `CAP_${name}`);

/** Those of this process: proc_pid_status(5), CapPrm. */
export async function ownCapabilities(): Promise<readonly string[]> {
  const status = await readFile('/proc/self/status', 'utf8');
  const bits = /^CapPrm:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  const mask = BigInt(`0x${bits}`);
  return NAMES.filter((_, number) => ((mask >> BigInt(number)) & 1n) === 1n);
}

/** A device node, as the runtime is told to make it. */
export interface HostDevice {
  readonly path: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

/** The kernel's log and the loop devices: what builds of disk images need. Other nodes such a step can make itself. */
export async function hostDevices(): Promise<readonly HostDevice[]> {
  const names = await readdir('/dev').catch((): string[] => []);
  const wanted = names.filter((name) => /^(kmsg|loop-control|loop\d{1,3}|fuse)$/.test(name));
  const found = await Promise.all(wanted.map((name) => device(`/dev/${name}`)));
  return found.filter((each) => each !== undefined);
}

async function device(path: string): Promise<HostDevice | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !(found.isCharacterDevice() || found.isBlockDevice())) return undefined;
  const { rdev, uid, gid } = found;
  // dev_t of Linux as glibc splits it; Node gives it as a double.
  const number = BigInt(rdev);
  return {
    path,
    type: found.isBlockDevice() ? 'b' : 'c',
    major: Number(((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n)),
    minor: Number((number & 0xffn) | ((number >> 12n) & 0xffffff00n)),
    fileMode: found.mode & 0o7777,
    uid,
    gid,
  };
}
