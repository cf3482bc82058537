/** What a conformance case is. The cases are in cases/, one file a topic; what they must give is in expected/. */

/** A file's text or bytes; `null` elsewhere means "is not there". */
export type FileSpec =
  | string
  | Uint8Array
  | { readonly text: string | Uint8Array; readonly mode?: number }
  | { readonly link: string }
  /** Another name of a file that comes earlier in the list. */
  | { readonly hardlink: string }
  | { readonly directory: number }
  | { readonly fifo: number };

export type Peer = 'docker' | 'buildah';

export interface CaseOptions {
  readonly target?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** By id. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Path of the Dockerfile in the context; `Dockerfile` when absent. */
  readonly file?: string;
  /** `--build-context`: files of a directory, or an image. */
  readonly contexts?: Readonly<
    Record<string, Readonly<Record<string, FileSpec>> | { readonly image: string }>
  >;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Expectation {
  /** The specification or documentation that says so. */
  readonly source: string;
  /** Absolute path to what is there, as flatten.ts describes it; null for "is not there". */
  readonly files?: Readonly<Record<string, string | null>>;
  /** Fields of the image's config; null for "is not there". */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly history?: readonly string[];
}

export interface Case {
  /** A sentence about behaviour, unique in its topic. */
  readonly name: string;
  /** `REGISTRY/` stands for the test registry; bases.ts has what is in it. */
  readonly dockerfile: string | Uint8Array;
  readonly files?: Readonly<Record<string, FileSpec>>;
  readonly options?: CaseOptions;
  /** Who can build it; both when absent. With none, `expect` is all that must be. */
  readonly peers?: readonly Peer[];
  /** Whose result is recorded; docker's when absent and it can build the case. */
  readonly truth?: Peer;
  /** Replaces what the peers say, path by path and field by field. */
  readonly expect?: Expectation;
  /** The build must fail: our error's code, and what its message says. */
  readonly fails?: { readonly code: string; readonly message: RegExp };
}

export interface Topic {
  readonly topic: string;
  readonly cases: readonly Case[];
}

export const DOCKER_ONLY: readonly Peer[] = ['docker'];
export const BUILDAH_ONLY: readonly Peer[] = ['buildah'];
/** Too new for both. */
export const NO_PEER: readonly Peer[] = [];

/** How flatten.ts describes a file with short text. */
export function file(text: string, mode = '0644', owner = '0:0'): string {
  return `file ${mode} ${owner} ${text === '' ? '""' : JSON.stringify(text)}`;
}

export function directory(mode = '0755', owner = '0:0'): string {
  return `directory ${mode} ${owner}`;
}

/** A case whose Dockerfile goes on from busybox. */
export function onBusybox(name: string, lines: string, more: Partial<Case> = {}): Case {
  return { name, dockerfile: `FROM REGISTRY/busybox\n${lines}\n`, ...more };
}
