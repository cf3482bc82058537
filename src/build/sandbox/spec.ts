/**
 * The config.json of one step, OCI runtime spec 1.0 (config.md, config-linux.md). Pure: what is in it is decided here,
 * what it takes from the machine (network namespace, files to mount) is made elsewhere and passed in.
 */

import type { HostDevice } from './privileges.js';
import { FILTER_ANNOTATION, type SeccompProfile } from './seccomp.js';
import type { StepMount, StepSpec } from './step.js';

/** What a container of Docker has, but for NET_RAW: with it a step writes packets past the routes that keep it in. */
const CAPABILITIES: readonly string[] = [
  ...['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FSETID', 'CAP_FOWNER', 'CAP_MKNOD', 'CAP_SETGID', 'CAP_SETUID'],
  ...['CAP_SETFCAP', 'CAP_SETPCAP', 'CAP_NET_BIND_SERVICE', 'CAP_SYS_CHROOT', 'CAP_KILL', 'CAP_AUDIT_WRITE'],
];

const MASKED_PATHS: readonly string[] = [
  ...['/proc/acpi', '/proc/asound', '/proc/interrupts', '/proc/kcore', '/proc/keys', '/proc/latency_stats'],
  ...['/proc/sched_debug', '/proc/scsi', '/proc/timer_list', '/proc/timer_stats'],
  ...['/sys/devices/virtual/powercap', '/sys/firmware'],
];

const READONLY_PATHS: readonly string[] = [
  ...['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
];

/** A file of ours, mounted read-only over the resolved path in the rootfs. */
export interface FileMount {
  readonly source: string;
  readonly destination: string;
}

/** What the machine can do and allows, found once at start. */
export interface MachineLimits {
  /** The kernel counts swap, so that memory and swap can be limited together. */
  readonly swapAccounting: boolean;
  readonly ipv6: boolean;
  /** Our own hard limits: a step's are never above them. */
  readonly openFiles: number;
  readonly coreBytes: number;
  /** Our own capabilities: nobody gives what they have not. */
  readonly capabilities: readonly string[];
}

export interface RuntimeInputs {
  readonly step: StepSpec;
  readonly hostname: string;
  /** For a runtime that makes cgroups and mounts what a step sees of them. */
  readonly cgroupPath?: string;
  /** Otherwise that is here. */
  readonly cgroupMounts?: readonly FileMount[];
  readonly files: readonly FileMount[];
  /** Of the step, their targets resolved in the rootfs. */
  readonly mounts: readonly StepMount[];
  /** Made in /dev, for an insecure step. */
  readonly hostDevices: readonly HostDevice[];
  /** Path of the network namespace; undefined for an empty one of its own, or the host's. */
  readonly networkNamespace: string | undefined;
  readonly seccomp: SeccompProfile | undefined;
  /** The same compiled, where a step before had it compiled. */
  readonly seccompFilter?: string;
  readonly machine: MachineLimits;
}

const OPEN_FILES = 65_536;
export const CPU_PERIOD_US = 100_000;

export function runtimeConfig(inputs: RuntimeInputs): object {
  const { step, machine } = inputs;
  const insecure = step.insecure === true;
  const capabilities = insecure ? machine.capabilities : CAPABILITIES;
  return {
    ociVersion: '1.0.2',
    ...(insecure || inputs.seccompFilter === undefined
      ? {}
      : { annotations: { [FILTER_ANNOTATION]: inputs.seccompFilter } }),
    hostname: inputs.hostname,
    root: { path: step.rootfs, readonly: false },
    process: {
      terminal: false,
      user: {
        uid: step.user.uid,
        gid: step.user.gid,
        // With the primary group: without it a program that drops that group escapes denials for it (CVE-2022-36109).
        additionalGids: [...new Set([step.user.gid, ...step.user.additionalGids])],
        umask: 0o022,
      },
      args: step.argv,
      env: step.env,
      cwd: step.cwd,
      capabilities: {
        bounding: capabilities,
        // A user other than root starts with none; what a setuid program may get back is the bounding set.
        effective: step.user.uid === 0 ? capabilities : [],
        permitted: step.user.uid === 0 ? capabilities : [],
        inheritable: [],
        ambient: [],
      },
      rlimits: rlimits(machine),
      noNewPrivileges: false,
    },
    mounts: [
      ...systemMounts(insecure),
      ...cgroupMounts(inputs),
      ...inputs.files.map(bindReadOnly),
      ...inputs.mounts.map(stepMount),
    ],
    linux: {
      namespaces: [
        ...['pid', 'mount', 'ipc', 'uts', 'cgroup'].map((type) => ({ type })),
        ...networkNamespace(inputs),
      ],
      ...(insecure ? { devices: inputs.hostDevices } : {}),
      ...(inputs.cgroupPath === undefined
        ? {}
        : { cgroupsPath: inputs.cgroupPath, resources: resources(step, machine) }),
      // The host's own network keeps the host's own settings.
      ...(step.network === 'host' ? {} : { sysctl: networkSettings(machine) }),
      ...(insecure || inputs.seccomp === undefined ? {} : { seccomp: inputs.seccomp }),
      ...(insecure ? {} : { maskedPaths: MASKED_PATHS, readonlyPaths: READONLY_PATHS }),
    },
  };
}

function networkNamespace({ step, networkNamespace }: RuntimeInputs): object[] {
  if (step.network === 'host') return [];
  return [{ type: 'network', ...(networkNamespace === undefined ? {} : { path: networkNamespace }) }];
}

function networkSettings(machine: MachineLimits): object {
  return {
    // ping without NET_RAW, and low ports without NET_BIND_SERVICE, as in Docker.
    'net.ipv4.ping_group_range': '0 2147483647',
    'net.ipv4.ip_unprivileged_port_start': '0',
    ...(machine.ipv6 ? { 'net.ipv6.conf.all.disable_ipv6': '1' } : {}),
  };
}

/** Not recursive: what is mounted below a source does not come along, so that read-only means all of it. */
function stepMount(mount: StepMount): object {
  if (mount.kind === 'tmpfs') {
    const size = mount.sizeBytes === undefined ? [] : [`size=${mount.sizeBytes}`];
    return {
      destination: mount.target,
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'nodev', ...size],
    };
  }
  const options = ['bind', mount.readOnly ? 'ro' : 'rw', 'nodev', 'private'];
  if (mount.noExec === true) options.push('nosuid', 'noexec');
  return { destination: mount.target, type: 'bind', source: mount.source, options };
}

function systemMounts(insecure: boolean): object[] {
  const mount = (destination: string, type: string, source: string, options: readonly string[]): object => ({
    destination,
    type,
    source,
    options,
  });
  const safe = ['nosuid', 'noexec', 'nodev'];
  const access = insecure ? 'rw' : 'ro';
  return [
    mount('/proc', 'proc', 'proc', safe),
    mount('/dev', 'tmpfs', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
    mount('/dev/pts', 'devpts', 'devpts', [
      'nosuid',
      'noexec',
      'newinstance',
      'ptmxmode=0666',
      'mode=0620',
      'gid=5',
    ]),
    mount('/dev/shm', 'tmpfs', 'shm', [...safe, 'mode=1777', 'size=65536k']),
    mount('/dev/mqueue', 'mqueue', 'mqueue', safe),
    mount('/sys', 'sysfs', 'sysfs', [...safe, access]),
  ];
}

/** Runtimes of languages read their memory limit there. */
function cgroupMounts({ step, cgroupMounts }: RuntimeInputs): object[] {
  const options = ['nosuid', 'noexec', 'nodev', 'relatime', step.insecure === true ? 'rw' : 'ro'];
  const destination = '/sys/fs/cgroup';
  if (cgroupMounts === undefined) return [{ destination, type: 'cgroup', source: 'cgroup', options }];
  return [
    { destination, type: 'tmpfs', source: 'tmpfs', options: [...options, 'mode=755', 'size=64k'] },
    ...cgroupMounts.map((each) => ({ ...each, type: 'bind', options: ['bind', ...options, 'private'] })),
  ];
}

function bindReadOnly({ source, destination }: FileMount): object {
  return {
    destination,
    source,
    type: 'bind',
    options: ['bind', 'ro', 'nosuid', 'nodev', 'private'],
  };
}

/**
 * Limits may only be lowered: raising one needs CAP_SYS_RESOURCE. A core limit of 1 byte, unlike 0, also keeps the
 * kernel from starting the host's handler in /proc/sys/kernel/core_pattern (core(5)) on a step's memory.
 */
function rlimits(machine: MachineLimits): object[] {
  const openFiles = Math.min(OPEN_FILES, machine.openFiles);
  const core = Math.min(1, machine.coreBytes);
  return [
    { type: 'RLIMIT_NOFILE', soft: openFiles, hard: openFiles },
    { type: 'RLIMIT_CORE', soft: core, hard: core },
  ];
}

/**
 * The same in the files of a devices cgroup (v1), with what the runtimes add. Nodes may be made, as debootstrap does, but
 * not opened: only null, zero, full, random, urandom, tty, ptmx and pts.
 */
export const DEVICE_RULES: readonly (readonly [file: string, rule: string])[] = [
  ['devices.deny', 'a'],
  ...['c *:* m', 'b *:* m', 'c 1:3 rwm', 'c 1:5 rwm', 'c 1:7 rwm', 'c 1:8 rwm', 'c 1:9 rwm'].map(allowed),
  ...['c 5:0 rwm', 'c 5:2 rwm', 'c 136:* rwm'].map(allowed),
];

function allowed(rule: string): readonly [string, string] {
  return ['devices.allow', rule];
}

function resources(step: StepSpec, machine: MachineLimits): object {
  const { memoryBytes, processes, cpuShares, cpus } = step.limits;
  return {
    devices:
      step.insecure === true
        ? [{ allow: true, access: 'rwm' }]
        : [
            { allow: false, access: 'rwm' },
            // The runtimes add null, zero, random, tty and pts: see DEVICE_RULES.
            { allow: true, type: 'c', access: 'm' },
            { allow: true, type: 'b', access: 'm' },
          ],
    memory: { limit: memoryBytes, ...(machine.swapAccounting ? { swap: memoryBytes } : {}) },
    pids: { limit: processes },
    cpu: {
      ...(cpuShares === undefined ? {} : { shares: cpuShares }),
      ...(cpus === undefined ? {} : { quota: Math.round(cpus * CPU_PERIOD_US), period: CPU_PERIOD_US }),
    },
  };
}
