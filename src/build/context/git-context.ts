/**
 * The build context as git objects: listed once, and no file is read before a layer or a RUN needs its bytes. Ignore
 * rules come later, as `.dockerignore` itself is read from here.
 */
import { readFile } from 'node:fs/promises';
import type { IgnoreMatcher } from '../../dockerfile/ignore.js';
import { openObjectStream } from '../../git/object-stream.js';
import {
  type ContentStream,
  type CopySource,
  cleanSourcePath,
  type SourceEntry,
} from '../copy/copy-source.js';
import type { BuildContext, ContextEntry, ContextFiles } from './context.js';
import type { ContextLimits } from './context-limits.js';
import { ContextSelection } from './context-selection.js';
import { ContextTree } from './context-tree.js';
import { firstDifference } from './first-difference.js';
import {
  type ContextSource,
  type FileContent,
  type GitTreeOptions,
  openGitTree,
  type Special,
} from './git-tree.js';
import { type DifferentPath, differentPaths } from './tree-difference.js';

export type { ContextSource } from './git-tree.js';

export class GitContext implements BuildContext {
  /** The full commit id, with the directory behind a colon if it is one: a name that git understands. */
  readonly id: string;
  readonly #tree: ContextTree;
  readonly #files: GitFiles;
  readonly #source: ContextSource;

  private constructor(id: string, tree: ContextTree, files: GitFiles, source: ContextSource) {
    this.id = id;
    this.#tree = tree;
    this.#files = files;
    this.#source = source;
  }

  /** Lists the tree of `commit` (a full commit id). Throws `context_invalid` or `context_too_large`. */
  static async open(
    commit: string,
    source: ContextSource,
    limits: ContextLimits,
    signal?: AbortSignal,
    options: GitTreeOptions = {},
  ): Promise<GitContext> {
    const { oid, entries, specials, links } = await openGitTree(commit, source, limits, options, signal);
    const tree = new ContextTree(oid, entries, links);
    const { subdirectory = '' } = options;
    const id = subdirectory === '' ? commit : `${commit}:${subdirectory}`;
    return new GitContext(id, tree, new GitFiles(tree, specials, source), source);
  }

  /** A file of the repository, before any ignore rule; undefined when there is none at that path. */
  async read(path: string): Promise<Buffer | undefined> {
    const entry = this.#tree.resolve(cleanSourcePath(path));
    if (entry?.type !== 'file') return undefined;
    const content = await this.#files.content(entry);
    return 'data' in content ? Buffer.from(content.data) : readFile(content.file);
  }

  async time(): Promise<number> {
    const { git, gitDir } = this.#source;
    const [commit = ''] = this.id.split(':');
    const text = await git.text(['cat-file', 'commit', commit], { gitDir });
    return Number(/^committer .*> (\d+) [+-]\d{4}$/m.exec(text)?.[1] ?? 0);
  }

  /** The first file below `path` that differs from another commit of the repository; undefined when that commit is gone. */
  async firstChange(since: string, path: string): Promise<string | undefined> {
    try {
      return await firstDifference(this.#source.objects, since, this.id, path);
    } catch {
      return undefined;
    }
  }

  /** What COPY sees: the context without what is ignored. */
  async source(ignore: IgnoreMatcher, ignoreFile: string, signal?: AbortSignal): Promise<CopySource> {
    const visible = await this.#tree.without(ignore, signal);
    return new ContextSelection(visible, ignore, ignoreFile, this.#files);
  }
}

class GitFiles implements ContextFiles {
  readonly described = 'the commit that is being built';
  readonly missingHint =
    'is the file committed? Paths are relative to the root of the repository, and symlinks cannot leave it';
  readonly hasTreeIds = true;
  readonly #all: ContextTree;
  readonly #specials: ReadonlyMap<string, Special>;
  readonly #source: ContextSource;

  constructor(all: ContextTree, specials: ReadonlyMap<string, Special>, source: ContextSource) {
    this.#all = all;
    this.#specials = specials;
    this.#source = source;
  }

  async has(path: string): Promise<boolean> {
    return this.#all.resolve(path) !== undefined;
  }

  async identify(entries: readonly ContextEntry[]): Promise<readonly ContextEntry[]> {
    return entries;
  }

  check({ path }: ContextEntry): void {
    const special = this.#specials.get(path);
    if (special !== undefined && 'refused' in special) throw special.refused;
  }

  async content(entry: ContextEntry): Promise<FileContent> {
    const special = this.#specials.get(entry.path);
    if (special === undefined) return { data: (await this.#source.objects.read(entry.oid)).data };
    if ('refused' in special) throw special.refused;
    return special.read();
  }

  /** Where files are not the blobs of their ids, or trees not those of the repository, the ids are no names for git. */
  async different(
    before: string,
    after: string,
    most: number,
  ): Promise<readonly DifferentPath[] | undefined> {
    if (this.#specials.size > 0 || ![before, after].every((id) => /^[0-9a-f]+$/.test(id))) return undefined;
    return differentPaths(this.#source.objects, before, after, most).catch(() => undefined);
  }

  /** Of what is the blob of its id; a conversion reads on its own. */
  stream(
    entries: readonly SourceEntry[],
    entryOf: (source: SourceEntry) => ContextEntry,
    signal: AbortSignal,
  ): ContentStream {
    const plain = entries.map(entryOf).filter(({ path }) => !this.#specials.has(path));
    const oids = plain.map(({ oid }) => oid);
    const stream = openObjectStream(this.#source, oids, signal);
    return {
      contentOf: (source) => {
        const { path, oid } = entryOf(source);
        return this.#specials.has(path) ? undefined : { object: { pipe: stream.pipe, oid } };
      },
      failure: (error) => stream.failure(error),
      [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
    };
  }
}
