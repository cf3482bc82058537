/**
 * The build context as git objects: listed once, and no file is read before a layer or a RUN needs its bytes. Ignore
 * rules come later, as `.dockerignore` itself is read from here.
 */
import type { IgnoreMatcher } from '../../dockerfile/ignore.js';
import { SlipwayError } from '../../errors.js';
import type { Git } from '../../git/git.js';
import type { ObjectReader } from '../../git/objects.js';
import { type CopySource, cleanSourcePath } from '../copy/copy-source.js';
import type { BuildContext, ContextEntry, ContextFiles } from './context.js';
import type { ContextLimits } from './context-limits.js';
import { listContext } from './context-listing.js';
import { ContextSelection } from './context-selection.js';
import { ContextTree } from './context-tree.js';

/** The repository that holds the commit. */
export interface ContextSource {
  readonly git: Git;
  readonly gitDir: string;
  readonly objects: Pick<ObjectReader, 'read'>;
}

export class GitContext implements BuildContext {
  /** The full commit id. */
  readonly id: string;
  readonly #tree: ContextTree;
  readonly #source: ContextSource;

  private constructor(commit: string, tree: ContextTree, source: ContextSource) {
    this.id = commit;
    this.#tree = tree;
    this.#source = source;
  }

  /** Lists the tree of `commit` (a full commit id). Throws `context_invalid` or `context_too_large`. */
  static async open(
    commit: string,
    source: ContextSource,
    limits: ContextLimits,
    signal?: AbortSignal,
  ): Promise<GitContext> {
    const oid = await source.git.text(['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`], {
      gitDir: source.gitDir,
      ...(signal === undefined ? {} : { signal }),
    });
    const entries = await listContext(oid, source, limits, signal);
    return new GitContext(
      commit,
      new ContextTree(oid, entries, await readLinks(entries, source.objects)),
      source,
    );
  }

  /** A file of the repository, before any ignore rule; undefined when there is none at that path. */
  async read(path: string): Promise<Buffer | undefined> {
    const entry = this.#tree.resolve(cleanSourcePath(path));
    if (entry?.type !== 'file') return undefined;
    return (await this.#source.objects.read(entry.oid)).data;
  }

  /** The first file below `path` that differs from another commit of the repository; undefined when that commit is gone. */
  async firstChange(since: string, path: string): Promise<string | undefined> {
    const { git, gitDir } = this.#source;
    try {
      const below = path === '' ? [] : ['--', `:(literal)${path}`];
      const changed = await git.text(
        ['diff-tree', '-r', '-z', '--name-only', '--end-of-options', since, this.id, ...below],
        { gitDir },
      );
      return changed.split('\0')[0] || undefined;
    } catch {
      return undefined;
    }
  }

  /** What COPY sees: the context without what is ignored. */
  async source(ignore: IgnoreMatcher, ignoreFile: string, signal?: AbortSignal): Promise<CopySource> {
    const visible = await this.#tree.without((path) => ignore.ignores(path), signal);
    return new ContextSelection(visible, ignore, ignoreFile, new GitFiles(this.#tree, this.#source));
  }
}

class GitFiles implements ContextFiles {
  readonly described = 'the commit that is being built';
  readonly missingHint =
    'is the file committed? Paths are relative to the root of the repository, and symlinks cannot leave it';
  readonly hasTreeIds = true;
  readonly #all: ContextTree;
  readonly #source: ContextSource;

  constructor(all: ContextTree, source: ContextSource) {
    this.#all = all;
    this.#source = source;
  }

  async has(path: string): Promise<boolean> {
    return this.#all.resolve(path) !== undefined;
  }

  async identify(entries: readonly ContextEntry[]): Promise<readonly ContextEntry[]> {
    return entries;
  }

  check({ type, path }: ContextEntry): void {
    if (type !== 'submodule') return;
    throw new SlipwayError(
      'context_invalid',
      `"${path}" is a git submodule, and submodules are not fetched`,
      {
        hint: 'commit its files to this repository, or leave it out with .dockerignore',
      },
    );
  }

  async content(entry: ContextEntry): Promise<{ data: Uint8Array }> {
    return { data: (await this.#source.objects.read(entry.oid)).data };
  }
}

/** The targets of all symlinks by their blob's id, so that paths can be resolved at once. Links are small. */
async function readLinks(
  entries: readonly ContextEntry[],
  objects: Pick<ObjectReader, 'read'>,
): Promise<ReadonlyMap<string, string>> {
  const links = entries.filter((entry) => entry.type === 'symlink');
  const read = async ({ path, oid }: ContextEntry): Promise<[string, string]> => {
    const { data } = await objects.read(oid);
    const target = data.toString('utf8');
    if (target.includes('\0') || !Buffer.from(target).equals(data)) {
      throw new SlipwayError(
        'context_invalid',
        `the target of the symlink ${JSON.stringify(path)} is not UTF-8 or holds a NUL`,
        { hint: 'remove the symlink, commit, and push again' },
      );
    }
    return [oid, target];
  };
  return new Map(await Promise.all(links.map(read)));
}
