/** What a Dockerfile says, before anything is expanded or planned: its lines, instructions and stages. */
import type { Healthcheck } from './image-document.js';

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
