/**
 * The seccomp profile of a step: an allow list. A call that is not on it answers ENOSYS, as on a kernel that never had
 * it, so that libraries fall back; a call that is denied for a reason below answers EPERM, so that a person
 * understands. Format: OCI runtime spec, config-linux.md "Seccomp". Pure.
 */
import { ALLOWED_SYSCALLS, I386_SYSCALLS } from './syscalls.js';

interface SeccompArg {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: 'SCMP_CMP_LT' | 'SCMP_CMP_EQ' | 'SCMP_CMP_GT' | 'SCMP_CMP_MASKED_EQ';
}

interface SeccompRule {
  readonly names: readonly string[];
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO';
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArg[];
}

export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ERRNO';
  readonly defaultErrnoRet: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

/** Of config.json, with a compiled profile in base64: crun(1). */
export const FILTER_ANNOTATION = 'run.oci.seccomp_bpf_data';

const EPERM = 1;
const ENOSYS = 38;

/** What a build never needs and the kernel's history says not to offer. Grouped by the reason. */
export const DENIED_SYSCALLS: Readonly<Record<string, readonly string[]>> = {
  'keyrings are not namespaced': ['add_key', 'request_key', 'keyctl'],
  'the step sees the file system it was given': [
    ...['mount', 'umount', 'umount2', 'pivot_root', 'fsopen', 'fsconfig', 'fsmount', 'fspick', 'move_mount'],
    ...['open_tree', 'open_tree_attr', 'mount_setattr', 'statmount', 'listmount'],
  ],
  'no way into or out of namespaces': ['setns', 'unshare'],
  'programs in the kernel, and a view of other processes': [
    'bpf',
    'perf_event_open',
    'lookup_dcookie',
    'kcmp',
  ],
  'the kernel itself': [
    ...['init_module', 'finit_module', 'delete_module', 'kexec_load', 'kexec_file_load', 'reboot', 'syslog'],
    ...['iopl', 'ioperm', 'sysfs', 'ustat'],
  ],
  'opens any file of the file system, past every mount': ['open_by_handle_at', 'fanotify_init'],
  'a steady source of kernel exploits, and io_uring walks around this filter': [
    ...['userfaultfd', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'],
  ],
  'settings of the whole machine': [
    ...['swapon', 'swapoff', 'quotactl', 'quotactl_fd', 'acct', 'vhangup', 'sethostname', 'setdomainname'],
    ...['settimeofday', 'clock_settime', 'clock_settime64', 'clock_adjtime', 'clock_adjtime64', 'stime'],
    ...['mbind', 'set_mempolicy', 'set_mempolicy_home_node', 'move_pages', 'migrate_pages'],
  ],
};

/** clone(2) flags that make a namespace. */
const CLONE_NAMESPACES: readonly number[] = [
  0x00020000, // CLONE_NEWNS
  0x02000000, // CLONE_NEWCGROUP
  0x04000000, // CLONE_NEWUTS
  0x08000000, // CLONE_NEWIPC
  0x10000000, // CLONE_NEWUSER
  0x20000000, // CLONE_NEWPID
  0x40000000, // CLONE_NEWNET
];
const ANY_NAMESPACE = CLONE_NAMESPACES.reduce((mask, flag) => mask + flag, 0);

/** personality(2) values that change how a program sees the kernel, not what it may do; 0xffffffff asks. */
const PERSONALITIES: readonly number[] = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/** Address families between which the allowed ones lie: the crypto API's, and the hypervisor's own network. */
const AF_ALG = 38;
const AF_VSOCK = 40;

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'SCMP_ARCH_X86_64',
  arm64: 'SCMP_ARCH_AARCH64',
};

/**
 * The profile for a machine; `arch` as in `process.arch`. Undefined for an architecture that has no profile yet.
 * `with32Bit`: also for i386 programs on x64. They make sockets by socketcall(2), which has the family in memory, where no
 * filter can look: with them a step reaches the address families that it otherwise may not.
 */
export function seccompProfile(
  arch: string,
  { with32Bit = false }: { readonly with32Bit?: boolean } = {},
): SeccompProfile | undefined {
  const architecture = ARCHITECTURES[arch];
  if (architecture === undefined) return undefined;
  const is32Bit = with32Bit && arch === 'x64';
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: ENOSYS,
    architectures: [architecture, ...(is32Bit ? ['SCMP_ARCH_X86'] : [])],
    syscalls: [
      allow(is32Bit ? [...ALLOWED_SYSCALLS, ...I386_SYSCALLS] : ALLOWED_SYSCALLS),
      deny(Object.values(DENIED_SYSCALLS).flat(), EPERM),
      // clone3 has its flags in memory, where a filter cannot look: libc falls back to clone on ENOSYS.
      deny(['clone3'], ENOSYS),
      allow(['clone'], { index: 0, value: ANY_NAMESPACE, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }),
      ...CLONE_NAMESPACES.map((flag) =>
        deny(['clone'], EPERM, { index: 0, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' }),
      ),
      ...PERSONALITIES.map((value) => allow(['personality'], { index: 0, value, op: 'SCMP_CMP_EQ' })),
      allow(['socket'], { index: 0, value: AF_ALG, op: 'SCMP_CMP_LT' }),
      allow(['socket'], { index: 0, value: AF_ALG + 1, op: 'SCMP_CMP_EQ' }),
      allow(['socket'], { index: 0, value: AF_VSOCK, op: 'SCMP_CMP_GT' }),
    ],
  };
}

function allow(names: readonly string[], arg?: SeccompArg): SeccompRule {
  return { names, action: 'SCMP_ACT_ALLOW', ...(arg === undefined ? {} : { args: [arg] }) };
}

function deny(names: readonly string[], errnoRet: number, arg?: SeccompArg): SeccompRule {
  return { names, action: 'SCMP_ACT_ERRNO', errnoRet, ...(arg === undefined ? {} : { args: [arg] }) };
}
