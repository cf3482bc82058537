/**
 * The nouns of this room: what a Dockerfile says (Dockerfile, Instruction), which of it a build needs (BuildPlan), and
 * what one instruction asks of the builder (Step, StageState). Pure data; nothing here reads a file or an image.
 */

/** Physical lines, counted from 1, both inclusive. */
export interface LineRange {
  readonly start: number;
  readonly end: number;
}

export interface Heredoc {
  /** The delimiter, without quotes. In COPY it is also the file's name. */
  readonly name: string;
  /** False when any part of the delimiter was quoted. */
  readonly expand: boolean;
  /** `<<-`: leading tabs are stripped from the body. */
  readonly chomp: boolean;
  /** Verbatim, with its line ends and before chomping. */
  readonly content: string;
}

/** One instruction as the lexer sees it: words are not yet split, variables not yet expanded. */
export interface RawInstruction {
  /** Upper case. */
  readonly keyword: string;
  /** `--name`, `--name=value`, unquoted. */
  readonly flags: readonly string[];
  /** What follows the flags, continuation lines joined. */
  readonly rest: string;
  readonly heredocs: readonly Heredoc[];
  readonly lines: LineRange;
  /** The whole logical line, continuation lines joined, without heredoc bodies. */
  readonly text: string;
}

export type EscapeCharacter = '\\' | '`';

export interface Directives {
  readonly escape: EscapeCharacter;
  readonly syntax?: string;
  readonly check?: string;
}

/** `RUN npm ci` is shell form, `RUN ["npm", "ci"]` exec form. */
export type CommandLine =
  | { readonly form: 'shell'; readonly line: string }
  | { readonly form: 'exec'; readonly argv: readonly string[] };

export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

/** Something that Docker knows and Slipway does not yet. Refused only where the build needs it. */
export interface Unsupported {
  readonly message: string;
  readonly hint: string;
}

interface Located {
  readonly lines: LineRange;
  /** The whole logical line as written, continuation lines joined: what a log shows. */
  readonly text: string;
  readonly unsupported?: Unsupported;
  /** Comes from an ONBUILD of what FROM names: the place is that FROM. */
  readonly isTrigger?: boolean;
}

export interface FromInstruction extends Located {
  readonly kind: 'FROM';
  readonly image: string;
  /** Lower case. */
  readonly stageName?: string;
  readonly platform?: string;
}
export interface ArgInstruction extends Located {
  readonly kind: 'ARG';
  readonly args: readonly { readonly key: string; readonly value?: string }[];
}
export interface EnvInstruction extends Located {
  readonly kind: 'ENV';
  readonly pairs: readonly KeyValue[];
}
export interface LabelInstruction extends Located {
  readonly kind: 'LABEL';
  readonly pairs: readonly KeyValue[];
}
export interface CopyInstruction extends Located {
  readonly kind: 'COPY' | 'ADD';
  readonly sources: readonly string[];
  readonly heredocs: readonly Heredoc[];
  readonly destination: string;
  readonly from?: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  /** Absent: what is an archive by its content is unpacked, what comes from a URL is not. */
  readonly unpack?: boolean;
}

export type NetworkMode = 'default' | 'none' | 'host';
export type SecurityMode = 'sandbox' | 'insecure';

export interface RunInstruction extends Located {
  readonly kind: 'RUN';
  readonly command: CommandLine;
  readonly heredocs: readonly Heredoc[];
  /** The values of `--mount`, as written: variables in them are expanded when the instruction is evaluated. */
  readonly mounts: readonly string[];
  /** Absent: what the build was asked to use. */
  readonly network?: NetworkMode;
  readonly security: SecurityMode;
}
export interface CmdInstruction extends Located {
  readonly kind: 'CMD' | 'ENTRYPOINT';
  readonly command: CommandLine;
}
export interface WorkdirInstruction extends Located {
  readonly kind: 'WORKDIR';
  readonly path: string;
}
export interface UserInstruction extends Located {
  readonly kind: 'USER';
  readonly user: string;
}
export interface ExposeInstruction extends Located {
  readonly kind: 'EXPOSE';
  /** Before expansion: one of them may become several ports. */
  readonly ports: readonly string[];
}
export interface VolumeInstruction extends Located {
  readonly kind: 'VOLUME';
  readonly paths: readonly string[];
}
export interface StopSignalInstruction extends Located {
  readonly kind: 'STOPSIGNAL';
  readonly signal: string;
}
export interface ShellInstruction extends Located {
  readonly kind: 'SHELL';
  readonly argv: readonly string[];
}
export interface HealthcheckInstruction extends Located {
  readonly kind: 'HEALTHCHECK';
  readonly healthcheck: Healthcheck;
}
export interface MaintainerInstruction extends Located {
  readonly kind: 'MAINTAINER';
  readonly author: string;
}
export interface OnbuildInstruction extends Located {
  readonly kind: 'ONBUILD';
  readonly expression: string;
}

export type Instruction =
  | FromInstruction
  | ArgInstruction
  | EnvInstruction
  | LabelInstruction
  | CopyInstruction
  | RunInstruction
  | CmdInstruction
  | WorkdirInstruction
  | UserInstruction
  | ExposeInstruction
  | VolumeInstruction
  | StopSignalInstruction
  | ShellInstruction
  | HealthcheckInstruction
  | MaintainerInstruction
  | OnbuildInstruction;

/** What may stand after a FROM. */
export type StageInstruction = Exclude<Instruction, FromInstruction>;

export interface SourceStage {
  readonly from: FromInstruction;
  readonly instructions: readonly StageInstruction[];
}

/** A whole Dockerfile, every instruction valid by itself. */
export interface Dockerfile {
  /** As named in errors. */
  readonly name: string;
  readonly directives: Directives;
  /** The ARGs before the first FROM. */
  readonly globalArgs: readonly ArgInstruction[];
  readonly stages: readonly SourceStage[];
}

export interface ParseLimits {
  readonly dockerfileBytes: number;
  readonly instructions: number;
  readonly stages: number;
}

export interface Platform {
  /** `linux`. */
  readonly os: string;
  /** `amd64`, `arm64`, `arm`. */
  readonly architecture: string;
  /** `v7`. */
  readonly variant?: string;
}

export interface PlanOptions {
  /** A stage's name, or its index from 0. The last stage when absent. */
  readonly target?: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** What the image is for. */
  readonly platform: Platform;
  /** What this machine is; `platform` when absent. */
  readonly buildPlatform?: Platform;
  /** By lower-case name. They go before stages and images of that name. */
  readonly contexts?: ReadonlyMap<string, NamedContext>;
}

/** Where bytes come from, when not from the build context: an image reference is not normalised here. */
export type Origin =
  | { readonly kind: 'stage'; readonly index: number }
  | { readonly kind: 'image'; readonly reference: string }
  /** A directory that `--build-context NAME=DIR` named. */
  | { readonly kind: 'context'; readonly name: string };

export type StageBase = Origin | { readonly kind: 'scratch' };

/** What `--build-context` gave a name: another image under it, or a directory, which the builder holds. */
export type NamedContext =
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'directory' };

export interface PlannedStage {
  /** Its place in the Dockerfile, from 0. */
  readonly index: number;
  readonly name?: string;
  readonly base: StageBase;
  /** `FROM --platform`, else the build's: what its image is for and its commands run as. */
  readonly platform: Platform;
  readonly from: FromInstruction;
  readonly instructions: readonly StageInstruction[];
  /** Stages that must be there first (FROM, COPY --from and --mount from), ascending. */
  readonly dependsOn: readonly number[];
  /** Image references of FROM, COPY --from and --mount from, each once. */
  readonly images: readonly string[];
}

export interface BuildPlan {
  /** Its name in errors. */
  readonly dockerfile: string;
  /** All of it: a trigger may need a stage that the target does not. */
  readonly file: Dockerfile;
  readonly escape: EscapeCharacter;
  readonly platform: Platform;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** By lower-case name. */
  readonly contexts: ReadonlyMap<string, NamedContext>;
  /** SOURCE_DATE_EPOCH in seconds, if it is a number. */
  readonly epoch?: number;
  /** Values of the ARGs before the first FROM and of the automatic platform args. */
  readonly globalArgs: ReadonlyMap<string, string>;
  /** Only what the target needs, in the order of the file; the target is the last. */
  readonly stages: readonly PlannedStage[];
  readonly target: PlannedStage;
  /** Names of all stages by index, needed or not. */
  readonly stageNames: readonly (string | undefined)[];
  /** Build args that no ARG of the needed stages declares. */
  readonly unusedBuildArgs: readonly string[];
}

/** `Healthcheck` of Docker's image config: durations in nanoseconds, 0 or absent inherits the default. */
export interface Healthcheck {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** `config` of an OCI image config, with Docker's extras. Fields that are not known here survive. */
export interface ContainerConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly ArgsEscaped?: boolean;
  readonly Healthcheck?: Healthcheck;
  readonly OnBuild?: readonly string[];
  readonly Shell?: readonly string[];
  readonly [field: string]: unknown;
}

export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/** An OCI image config (image-spec config.md). Fields that are not known here survive. */
export interface ImageDocument {
  readonly architecture?: string;
  readonly os?: string;
  readonly variant?: string;
  readonly created?: string;
  readonly author?: string;
  readonly config?: ContainerConfig;
  readonly rootfs?: { readonly type: string; readonly diff_ids: readonly string[] };
  readonly history?: readonly HistoryEntry[];
  readonly [field: string]: unknown;
}

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
