/** What a build is built from: a commit's tree (git-context.ts), or a directory. */
import type { IgnoreMatcher } from '../../dockerfile/ignore.js';
import type { CopySource } from '../copy/copy-source.js';

export interface BuildContext {
  /** Names what was built in the records that explain a miss: a full commit id for a commit. */
  readonly id: string;
  /** A file of the context, before any ignore rule; undefined when there is none at that path. */
  read(path: string): Promise<Buffer | undefined>;
  /** What COPY sees: the context without what is ignored. `ignoreFile` is named in errors. */
  source(ignore: IgnoreMatcher, ignoreFile: string, signal?: AbortSignal): Promise<CopySource>;
  /** The first file below `path` that differs from the context with the id `since`; undefined when that cannot be told. */
  firstChange(since: string, path: string): Promise<string | undefined>;
}
