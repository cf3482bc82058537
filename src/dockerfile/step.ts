/** What one instruction asks of the builder (Step), and a stage after some of its instructions (StageState). */
import type { BuildPlan, Origin, PlannedStage } from './build-plan.js';
import type { ImageDocument } from './image-document.js';
import type { NetworkMode, SecurityMode } from './syntax.js';

/** A file that a heredoc became, variables expanded and tabs chomped. */
export interface HeredocFile {
  readonly name: string;
  readonly content: string;
}

export type MountSharing = 'shared' | 'private' | 'locked';

export interface BindMount {
  readonly kind: 'bind';
  /** Absolute. */
  readonly target: string;
  /** Absent: the build context, without what is ignored. */
  readonly from?: Origin;
  /** Relative to the origin's root, cleaned; `.` is the root. */
  readonly source: string;
  /** What the command writes there is thrown away. */
  readonly readWrite: boolean;
}
export interface CacheMount {
  readonly kind: 'cache';
  readonly target: string;
  /** With BUILDKIT_CACHE_MOUNT_NS before it, if that was given. */
  readonly id: string;
  readonly sharing: MountSharing;
  /** What a new cache begins with; absent: nothing. */
  readonly from?: Origin;
  readonly source: string;
  /** Of a new cache's directory. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly readOnly: boolean;
}
export interface TmpfsMount {
  readonly kind: 'tmpfs';
  readonly target: string;
  readonly sizeBytes?: number;
}
export interface SecretMount {
  readonly kind: 'secret';
  readonly id: string;
  /** Absent: there is no file, only `env`. */
  readonly target?: string;
  /** The variable that holds it. */
  readonly env?: string;
  readonly required: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** `cachekey=hash`: another value is another step. */
  readonly inKey: boolean;
}
export interface SshMount {
  readonly kind: 'ssh';
  readonly id: string;
  readonly target: string;
  readonly required: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}
/** `RUN --mount`, variables expanded, defaults filled in. */
export type Mount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount;

export interface RunStep {
  readonly kind: 'run';
  readonly argv: readonly string[];
  /** `K=V`, each key once: ENV and ARG, as the command sees them. All of it belongs into the step's key. */
  readonly env: readonly string[];
  /** Proxy variables that no ARG declared: given to the command, kept out of key and history. */
  readonly proxyEnv: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  /** As written; empty is root. */
  readonly user: string;
  /** Absent: what the build was asked to use. */
  readonly network?: NetworkMode;
  readonly security: SecurityMode;
  /** BUILDKIT_SANDBOX_HOSTNAME. */
  readonly hostname?: string;
  /** In the order in which they are mounted. */
  readonly mounts: readonly Mount[];
  /** To be mounted read-only at these absolute paths while the command runs; never in the layer. */
  readonly files: readonly { readonly path: string; readonly mode: number; readonly content: string }[];
  readonly history: string;
}

/** `https://host/repository.git?...#ref:subdirectory`, taken apart. */
export interface GitSource {
  /** What git is given: a URL or `user@host:path`. */
  readonly remote: string;
  /** Branch, tag or commit; the remote's HEAD when absent. */
  readonly ref?: string;
  readonly subdirectory?: string;
  /** The commit that `ref` must be. */
  readonly checksum?: string;
  readonly submodules: boolean;
  /** Absent: not said, and then it is left out. */
  readonly keepGitDir?: boolean;
}

/** A word of COPY or ADD, by what has to be done to get it. */
export type StepSource =
  | {
      readonly kind: 'path';
      /** Relative to the origin's root, cleaned (no `..`, no outer slash; `.` is the root). May hold wildcards. */
      readonly path: string;
      /** With `--parents`: of `path`, the directories before `/./`, which are not kept; empty for all are kept. */
      readonly pivot?: string;
    }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'git'; readonly git: GitSource };

export interface CopyStep {
  readonly kind: 'copy';
  /** ADD: a source that is an archive by its content is unpacked, unless `unpack` is false. */
  readonly add: boolean;
  readonly sources: readonly StepSource[];
  readonly heredocs: readonly HeredocFile[];
  /** Absolute. A slash at its end says that it is a directory. */
  readonly destination: string;
  /** Absent: the build context. */
  readonly from?: Origin;
  readonly chown?: string;
  /** As written: octal or symbolic. */
  readonly chmod?: string;
  readonly link: boolean;
  readonly parents: boolean;
  /** Patterns as in an ignore file, relative to each source. */
  readonly exclude: readonly string[];
  /** `sha256:<hex>` of what a URL gives. */
  readonly checksum?: string;
  readonly unpack?: boolean;
  readonly history: string;
}

export interface WorkdirStep {
  readonly kind: 'workdir';
  /** Absolute, never `/`. */
  readonly path: string;
  /** The owner of directories that are created; empty is root. */
  readonly user: string;
  readonly history: string;
}

/** What makes a layer. Its history entry is in the state that comes with it. */
export type Step = RunStep | CopyStep | WorkdirStep;

export interface DeclaredArg {
  readonly key: string;
  /** Absent: declared, but nobody gave a value. */
  readonly value?: string;
}

/** A stage after some of its instructions. Immutable. */
export interface StageState {
  readonly plan: BuildPlan;
  readonly stage: PlannedStage;
  /** The image as it stands, but for `rootfs` and times, which the builder knows. */
  readonly image: ImageDocument;
  /** Of this stage, in the order of declaration. Those of a parent stage are in `env` only. */
  readonly args: readonly DeclaredArg[];
  /** What variables expand to: ENV and ARG, in order. */
  readonly env: ReadonlyMap<string, string>;
  /** A CMD in this stage is kept when an ENTRYPOINT follows it. */
  readonly cmdSet: boolean;
}

export interface Evaluated {
  readonly state: StageState;
  /** Absent for what changes only the image's config. */
  readonly step?: Step;
}
