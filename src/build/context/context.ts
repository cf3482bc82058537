/** What a build is built from: a commit's tree (git-context.ts), or a directory of this machine (directory-context.ts). */
import type { IgnoreMatcher } from '../../dockerfile/ignore.js';
import type { ContentStream, CopySource, SourceEntry } from '../copy/copy-source.js';
import type { DifferentPath } from './tree-difference.js';

export interface BuildContext {
  /** Names what was built in the records that explain a miss: a full commit id for a commit. */
  readonly id: string;
  /** A file of the context, before any ignore rule; undefined when there is none at that path. */
  read(path: string): Promise<Buffer | undefined>;
  /** What COPY sees: the context without what is ignored. `ignoreFile` is named in errors. */
  source(ignore: IgnoreMatcher, ignoreFile: string, signal?: AbortSignal): Promise<CopySource>;
  /** When its commit was made, seconds since the epoch; absent where it is of no commit. */
  time?(): Promise<number>;
  /** The first file below `path` that differs from the context with the id `since`; undefined when that cannot be told. */
  firstChange(since: string, path: string): Promise<string | undefined>;
}

export type ContextEntryType = 'file' | 'directory' | 'symlink' | 'submodule' | 'fifo' | 'char' | 'block';

export interface ContextEntry {
  readonly path: string;
  readonly type: ContextEntryType;
  readonly mode: number;
  /**
   * Names the content: the same id, the same bytes. A file's may be empty until `identify`; a directory's says all that
   * is below it, where the context has such ids at all.
   */
  readonly oid: string;
  readonly sizeBytes: number;
  readonly rdevMajor?: number;
  readonly rdevMinor?: number;
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
  /** Of a file with more than one name: the same for each of them. */
  readonly inode?: string;
  /** Of a file on this machine: see ScannedEntry.stamp. */
  readonly stamp?: string;
}

/** Where the bytes of a context's entries are, and what it is called in errors. */
export interface ContextFiles {
  /** `the commit that is being built`. */
  readonly described: string;
  /** What to do when something is not in it. */
  readonly missingHint: string;
  /** The ids of directories say all that is below them. */
  readonly hasTreeIds: boolean;
  /** Something is at that path, symlinks followed, before any ignore rule. */
  has(path: string): Promise<boolean>;
  /** The same entries with the ids of all files known. */
  identify(entries: readonly ContextEntry[]): Promise<readonly ContextEntry[]>;
  /** Throws `context_invalid` for an entry that is there but cannot be copied. */
  check(entry: ContextEntry): void;
  /** A file's bytes, or the path on this machine that must hold the bytes with that hash (hex). */
  content(entry: ContextEntry): Promise<{ data: Uint8Array } | { file: string; sha256: string }>;
  /** Where two of its directories differ, by their ids; undefined where ids do not say it, or more than `most` paths differ. */
  different?(before: string, after: string, most: number): Promise<readonly DifferentPath[] | undefined>;
  /** As `stream` of a CopySource; `entryOf` gives the entry behind one of the source's. */
  stream?(
    entries: readonly SourceEntry[],
    entryOf: (source: SourceEntry) => ContextEntry,
    signal: AbortSignal,
  ): ContentStream | undefined;
}
