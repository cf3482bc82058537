/** A command: what it is called, what it takes, what it does. The table of all of them is in main.ts. */
import type { Readable } from 'node:stream';
import type { ApiClient } from './client.js';
import type { Output } from './output.js';

export interface Invocation {
  /** What is not an option. */
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
  /** What options that may be given several times were given, in order; empty for one that was not. */
  readonly lists: Readonly<Record<string, readonly string[]>>;
  readonly output: Output;
  readonly env: NodeJS.ProcessEnv;
  /** Where the user's git repository may be. */
  readonly directory: string;
  readonly stdin: Input;
  readonly signal: AbortSignal;
  /** The platform that the user is logged in to. Throws when there is none. */
  client(): Promise<ApiClient>;
  /** `-a APP`, or the app of the git remote here. Throws when neither is there. */
  app(): Promise<string>;
}

export type Input = Readable & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** May be given several times; see `Invocation.lists`. Only for strings. */
  readonly multiple?: true;
  /** What stands for the value in the help; `VALUE` without. */
  readonly value?: string;
  readonly help: string;
}

export interface Command {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** After the name: `[vN]`. */
  readonly usage: string;
  readonly help: string;
  readonly examples: readonly string[];
  /** Lines of the help below its options. */
  readonly notes?: readonly string[];
  readonly options?: Readonly<Record<string, OptionSpec>>;
  /** False for one that is not about an app: it takes no `-a`. */
  readonly ofApp?: false;
  /** Its arguments are a command with options of its own: what to do when those are taken for ours. */
  readonly takesCommand?: true;
  /** It is about files or settings of the machine that it runs on, at least when it says so: nothing to ask for by SSH. */
  readonly onlyHere?: true | ((asked: Pick<Invocation, 'args' | 'options'>) => boolean);
  /** How many arguments it takes. */
  readonly args: { readonly min: number; readonly max: number };
  /** An `ExitCode`, or that of the command which it ran. */
  run(invocation: Invocation): Promise<number>;
}

/** Documented in docs/commands.md. A script can tell them apart. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  cancelled: 3,
  superseded: 4,
  unhealthy: 5,
  locked: 6,
  /** ^C while something else than a log was waited for; 128 + SIGINT, as shells have it. */
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The user wrote something that cannot be meant: exit code 2. */
export class UsageError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.name = 'UsageError';
    this.hint = hint;
  }
}
