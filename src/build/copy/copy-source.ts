/**
 * Where a COPY takes its files from: a context (git objects or a directory), or the tree of a stage or an image.
 * All answer the same two questions: what does this source argument select, and what are an entry's bytes.
 */
import type { LayerEntry } from '../../../native/index.js';

export type SourceType = 'file' | 'directory' | 'symlink' | 'fifo' | 'char' | 'block';

/** What one source of a COPY asks of a tree of files. Plain data: it is part of what a selection is remembered by. */
export interface PathSelector {
  /** Relative to the tree's root; may hold wildcards, `**` only with `parents`. */
  readonly path: string;
  /** With `parents`: the directories at the start of `path` that are not kept; absent or empty: all are kept. */
  readonly pivot?: string;
  /** The path is kept below the destination. */
  readonly parents: boolean;
  /** Patterns as in an ignore file, relative to each directory that is copied. */
  readonly exclude: readonly string[];
}

export function plainSelector(path: string): PathSelector {
  return { path, parents: false, exclude: [] };
}

export interface SourceEntry {
  /** Relative to the selection's root; empty for the root itself. */
  readonly path: string;
  readonly type: SourceType;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly sizeBytes: number;
  readonly linkname?: string;
  readonly rdevMajor?: number;
  readonly rdevMinor?: number;
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
  /** Of a file: the same id, the same bytes. Absent where it is not known without reading it. */
  readonly contentId?: string;
  /** How the source finds the bytes again: a blob id, or a path on this machine. */
  readonly handle: string;
  /** Of a file with more than one name in the selection: the same for each of them. */
  readonly inode?: string;
  /** A directory that was not asked for itself, but for what is in it: it gives a directory that is there only its mode. */
  readonly implied?: true;
}

/** One thing that a source argument names: a file, or a directory with all that is below it. */
export interface Selection {
  /** Base name; what a file is called below a destination directory. */
  readonly name: string;
  /** Where it was found, relative to the source's root; for messages and reasons. */
  readonly path: string;
  /** Identity of everything in it: names, types, modes, owners, contents; never times. */
  readonly content: string;
  /** The root first, then everything below it, parents before children. */
  entries(): Promise<readonly SourceEntry[]>;
  /** Names a directory that git trees say all of, for `changedSince`. */
  readonly tree?: string;
  /** How it differs from the selection of that name; undefined where that is too much, or cannot be told. */
  changedSince?(tree: string): Promise<SelectionChange | undefined>;
}

export interface SelectionChange {
  /** Where it differs. Of what is gone with all below it, of what is new, and of what took another's place only the top. */
  readonly paths: readonly string[];
  /** What is there now of these paths, and the directories above, in the order of `entries`. */
  readonly entries: readonly SourceEntry[];
}

export type SourceContent =
  | { readonly data: Uint8Array }
  /** The whole file, or only a range of it. */
  | {
      readonly file: string;
      readonly range?: { readonly offset: number; readonly sizeBytes: number };
      /** Hex; the file may have changed since it was selected. */
      readonly sha256?: string;
    };

/** Many files of a source, one after the other in the order in which they were asked for. */
export interface ContentStream extends AsyncDisposable {
  /** Undefined for a file that only `content` can read. */
  contentOf(entry: SourceEntry): Required<Pick<LayerEntry, 'object'>> | undefined;
  /** What to throw when reading from it failed with `error`. */
  failure(error: unknown): Promise<unknown>;
}

export interface CopySource {
  /** The selections in order. A wildcard may select nothing; a plain path that is missing throws `source_missing`. */
  select(selector: PathSelector): Promise<readonly Selection[]>;
  /** A regular file's bytes, or the path on this machine to read them from, which must have the hash if there is one. */
  content(entry: SourceEntry): Promise<{ data: Uint8Array } | { file: string; sha256?: string }>;
  /** The same name, the same files; undefined where all of the context is in sight, or that would need a look at each of them. */
  name?(): string | undefined;
  /** A quicker way to read many files, each once and in this order; absent or undefined where there is none. */
  stream?(entries: readonly SourceEntry[], signal: AbortSignal): ContentStream | undefined;
}

/** An argument's path as the rules of COPY see it: no leading slash, no `..` that leaves the root, no trailing slash. */
export function cleanSourcePath(argument: string): string {
  const parts: string[] = [];
  for (const part of argument.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts.join('/');
}

export function hasWildcard(path: string): boolean {
  return /[*?[\\]/.test(path);
}

/** The directories before the first wildcard, and the pattern that is matched below them. */
export function splitWildcard(pattern: string): { literal: string; rest: string } {
  const parts = pattern.split('/');
  const first = parts.findIndex(hasWildcard);
  return { literal: parts.slice(0, first).join('/'), rest: parts.slice(first).join('/') };
}

/** By components, as bytes: `a/b` comes before `a-b`, because the directory `a` is walked first. */
export function comparePaths(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a.replaceAll('/', '\0')), Buffer.from(b.replaceAll('/', '\0')));
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function parentPath(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}
