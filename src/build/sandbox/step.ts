/** What a RUN step asks of the sandbox, and how it ended. Pure. */

/** As BuildKit names it: scripts see the same name everywhere. */
export const HOSTNAME = 'buildkitsandbox';

export interface StepUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

export interface StepLimits {
  /** Memory and swap together. */
  readonly memoryBytes: number;
  readonly processes: number;
  /** Weight against others when the processors are busy; 1024 is a container's usual weight. */
  readonly cpuShares?: number;
  /** Processors' worth of time, for example 1.5. Without it, all of them. */
  readonly cpus?: number;
}

/** Mounted read-only while the step runs; never in the layer. */
export interface StepFile {
  /** Absolute, inside. */
  readonly path: string;
  readonly mode: number;
  readonly content: string;
}

/** What is mounted besides the rootfs while the step runs; never in the layer. Later ones go over earlier ones. */
export type StepMount =
  | {
      readonly kind: 'bind';
      /** Absolute, inside. Symbolic links are followed inside the rootfs. */
      readonly target: string;
      /** A path on the host. */
      readonly source: string;
      readonly type: 'directory' | 'file';
      readonly readOnly: boolean;
      /** Nobody else uses the source: mount points of later mounts may be made in it, even if it is read-only inside. */
      readonly own: boolean;
      /** No programs are started from it, with or without other rights. */
      readonly noExec?: boolean;
    }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly sizeBytes?: number };

export interface StepSpec {
  /** For logs only. */
  readonly id: string;
  /** The mounted file system of the step, an absolute path on the host. Nobody else writes to it meanwhile. */
  readonly rootfs: string;
  readonly argv: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
  /** A directory in memory where the variables are written down for the runtime: they hold secrets. */
  readonly memory?: string;
  /** Absolute, inside the rootfs. Made when it is missing. */
  readonly cwd: string;
  readonly user: StepUser;
  /** `buildkitsandbox` unless given, as BuildKit has it. */
  readonly hostname?: string;
  /** `host`: the network of the host itself, with all that listens on it. */
  readonly network: 'default' | 'none' | 'host';
  /** All capabilities and devices, no seccomp, nothing masked: as good as root on the host. */
  readonly insecure?: boolean;
  readonly files?: readonly StepFile[];
  /** In the order in which they are mounted. */
  readonly mounts?: readonly StepMount[];
  readonly limits: StepLimits;
  readonly timeoutMs: number;
  /** stdout and stderr as they come. The next chunk waits for the promise: the step slows down. */
  readonly onOutput: (chunk: Buffer) => void | Promise<void>;
  /** `path`: the directory that takes the step's writes (the overlay's upper), for example. */
  readonly diskWatch?: {
    readonly path: string;
    /** Other directories whose bytes count too. */
    readonly alsoPaths?: readonly string[];
    /** Directories whose growth counts too. */
    readonly growingPaths?: readonly string[];
    readonly limitBytes: number;
  };
  readonly signal?: AbortSignal;
}

/** Why the sandbox ended a step that had not ended itself. */
export type StopReason = 'time' | 'disk_limit' | 'disk_full' | 'aborted';

export interface StepOutcome {
  /** 128 + n when signal n ended it, as in a shell; 126 and 127 when it could not be started. */
  readonly exitCode: number;
  readonly signal?: NodeJS.Signals;
  readonly timedOut: boolean;
  /** The kernel killed a process of the step for memory; the step itself may have exited 0 all the same. */
  readonly oomKilled: boolean;
  /** A fork was refused for the limit on processes. */
  readonly processLimitHit: boolean;
  /** It was killed for writing more than `diskWatch.limitBytes`. */
  readonly diskLimitExceeded: boolean;
  /** It was killed because the store's file system was almost full. */
  readonly diskFull: boolean;
  /** Why the command could not be started, in the runtime's words. */
  readonly startError?: string;
  /** Mount points that the sandbox made in the rootfs, and removed again: no part of the layer. Relative, no leading `/`. */
  readonly stubs: readonly string[];
  readonly elapsedMs: number;
}
