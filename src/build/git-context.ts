/**
 * The build context as git objects: one `ls-tree` lists it, and no file is read before a layer or a RUN needs its bytes.
 * A directory that no ignore pattern can touch is identified by its tree id alone.
 */
import type { Limits } from '../config.js';
import type { IgnoreMatcher } from '../dockerfile/ignore.js';
import { matchPath } from '../dockerfile/match.js';
import { SlipwayError } from '../errors.js';
import type { Git } from '../git/git.js';
import type { ObjectReader } from '../git/objects.js';
import {
  baseName,
  type CopySource,
  cleanSourcePath,
  hasWildcard,
  parentPath,
  type Selection,
  type SourceEntry,
} from './copy-source.js';
import { hashOf } from './keys.js';

/**
 * Every file of a context has this time in the exported layers (1980-01-01, the oldest that zip can hold): a checkout has
 * no times of its own, and identical trees must give identical layers.
 */
export const CONTEXT_MTIME = 315_532_800;

interface ContextEntry {
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'submodule';
  readonly mode: number;
  readonly oid: string;
  readonly sizeBytes: number;
}

export type ContextLimits = Pick<
  Limits,
  'contextFiles' | 'contextBytes' | 'contextFileBytes' | 'contextDepth'
>;

const MODES: Readonly<Record<string, Pick<ContextEntry, 'type' | 'mode'>>> = {
  '100644': { type: 'file', mode: 0o644 },
  '100664': { type: 'file', mode: 0o644 },
  '100755': { type: 'file', mode: 0o755 },
  '120000': { type: 'symlink', mode: 0o777 },
  '040000': { type: 'directory', mode: 0o755 },
  '160000': { type: 'submodule', mode: 0o755 },
};

/** The repository that holds the commit. */
export interface ContextSource {
  readonly git: Git;
  readonly gitDir: string;
  readonly objects: Pick<ObjectReader, 'read'>;
}

/** A commit's tree, listed once. Ignore rules come later: `.dockerignore` itself is read from here. */
export class GitContext {
  readonly commit: string;
  readonly #tree: string;
  readonly #entries: ReadonlyMap<string, ContextEntry>;
  readonly #source: ContextSource;
  readonly #linkTargets = new Map<string, string>();

  private constructor(
    commit: string,
    tree: string,
    entries: ReadonlyMap<string, ContextEntry>,
    source: ContextSource,
  ) {
    this.commit = commit;
    this.#tree = tree;
    this.#entries = entries;
    this.#source = source;
  }

  /** Lists the tree of `commit` (a full commit id). Throws `context_invalid` or `context_too_large`. */
  static async open(
    commit: string,
    source: ContextSource,
    limits: ContextLimits,
    signal?: AbortSignal,
  ): Promise<GitContext> {
    const options = { gitDir: source.gitDir, ...(signal === undefined ? {} : { signal }) };
    const tree = (
      await source.git.text(['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`], options)
    ).trim();
    const listing = await source.git.run(['ls-tree', '-r', '-t', '-l', '-z', '--full-tree', tree], options);
    const context = new GitContext(commit, tree, parseListing(listing, limits), source);
    await context.#readLinks();
    return context;
  }

  /** A file of the repository, before any ignore rule; undefined when there is none at that path. */
  async read(path: string): Promise<Buffer | undefined> {
    const entry = this.#resolve(cleanSourcePath(path), this.#entries);
    if (entry?.type !== 'file') return undefined;
    return (await this.#source.objects.read(entry.oid)).data;
  }

  /** The first file below `path` that differs from another commit of the repository; undefined when that commit is gone. */
  async firstChange(since: string, path: string): Promise<string | undefined> {
    const { git, gitDir } = this.#source;
    try {
      const below = path === '' ? [] : ['--', `:(literal)${path}`];
      const changed = await git.text(
        ['diff-tree', '-r', '-z', '--name-only', '--end-of-options', since, this.commit, ...below],
        { gitDir },
      );
      return changed.split('\0')[0] || undefined;
    } catch {
      return undefined;
    }
  }

  has(path: string): boolean {
    return this.#entries.has(path);
  }

  /** What COPY sees: the context without what is ignored. */
  source(ignore: IgnoreMatcher, ignoreFile: string): CopySource {
    const visible = new Map<string, ContextEntry>();
    for (const entry of this.#entries.values()) {
      if (ignore.ignores(entry.path)) continue;
      // A file that an exception brings back brings the directories above it.
      for (
        let above = parentPath(entry.path);
        above !== '' && !visible.has(above);
        above = parentPath(above)
      ) {
        const directory = this.#entries.get(above);
        if (directory !== undefined) visible.set(above, directory);
      }
      visible.set(entry.path, entry);
    }
    return {
      select: async (argument) => this.#select(argument, visible, ignore, ignoreFile),
      content: async (entry) => ({ data: (await this.#source.objects.read(entry.handle)).data }),
    };
  }

  async #select(
    argument: string,
    visible: ReadonlyMap<string, ContextEntry>,
    ignore: IgnoreMatcher,
    ignoreFile: string,
  ): Promise<readonly Selection[]> {
    const wanted = cleanSourcePath(argument);
    if (hasWildcard(wanted)) {
      const matched: ContextEntry[] = [];
      for (const entry of visible.values()) {
        const above = matched.at(-1);
        if (above?.type === 'directory' && entry.path.startsWith(`${above.path}/`)) continue;
        if (matchPath(wanted, entry.path)) matched.push(entry);
      }
      return matched.map((entry) => this.#selection(entry, visible, ignore));
    }
    if (wanted === '') return [this.#rootSelection(visible, ignore)];
    const entry = this.#resolve(wanted, visible);
    if (entry === undefined) throw this.#missing(argument, wanted, ignoreFile);
    if (entry.path === '') return [this.#rootSelection(visible, ignore)];
    return [{ ...this.#selection(entry, visible, ignore), name: baseName(wanted) }];
  }

  #rootSelection(visible: ReadonlyMap<string, ContextEntry>, ignore: IgnoreMatcher): Selection {
    const root: ContextEntry = { path: '', type: 'directory', mode: 0o755, oid: this.#tree, sizeBytes: 0 };
    return this.#selection(root, visible, ignore);
  }

  #selection(
    root: ContextEntry,
    visible: ReadonlyMap<string, ContextEntry>,
    ignore: IgnoreMatcher,
  ): Selection {
    const below = (): ContextEntry[] => {
      if (root.type !== 'directory') return [];
      const prefix = root.path === '' ? '' : `${root.path}/`;
      return [...visible.values()].filter((entry) => entry.path.startsWith(prefix));
    };
    // The whole tree by its id, unless a pattern may have taken something out of it.
    const whole = root.type === 'directory' && !ignore.canMatchBelow(root.path);
    const content = whole
      ? `tree:${root.oid}`
      : root.type === 'directory'
        ? `list:${hashOf(below().map((entry) => [entry.path.slice(root.path.length), entry.mode, entry.type, entry.type === 'directory' ? '' : entry.oid]))}`
        : `blob:${root.mode}:${root.oid}`;
    return {
      name: baseName(root.path),
      path: root.path,
      content,
      entries: async () => {
        const listed = [root, ...below()];
        const submodule = listed.find((entry) => entry.type === 'submodule');
        if (submodule !== undefined) {
          throw new SlipwayError(
            'context_invalid',
            `"${submodule.path}" is a git submodule, and submodules are not fetched`,
            {
              hint: 'commit its files to this repository, or leave it out with .dockerignore',
            },
          );
        }
        const cut = root.path === '' ? 0 : root.path.length + 1;
        return listed.map((entry) => this.#sourceEntry(entry, entry === root ? '' : entry.path.slice(cut)));
      },
    };
  }

  #sourceEntry(entry: ContextEntry, path: string): SourceEntry {
    const link = entry.type === 'symlink' ? this.#linkTargets.get(entry.oid) : undefined;
    return {
      path,
      type: entry.type === 'submodule' ? 'directory' : entry.type,
      mode: entry.mode,
      uid: 0,
      gid: 0,
      mtime: CONTEXT_MTIME,
      sizeBytes: entry.sizeBytes,
      handle: entry.oid,
      ...(link === undefined ? {} : { linkname: link }),
    };
  }

  /** Follows symlinks, the last one too, without ever leaving the root. The root itself has the path ''. */
  #resolve(path: string, visible: ReadonlyMap<string, ContextEntry>): ContextEntry | undefined {
    return resolveLink(path, visible, (entry) => this.#linkTargets.get(entry.oid));
  }

  /** Reads the targets of all symlinks, so that paths can be resolved at once. Links are few and small. */
  async #readLinks(): Promise<void> {
    const links = [...this.#entries.values()].filter((entry) => entry.type === 'symlink');
    for (const link of links)
      this.#linkTargets.set(link.oid, (await this.#source.objects.read(link.oid)).data.toString('utf8'));
  }

  #missing(argument: string, wanted: string, ignoreFile: string): SlipwayError {
    if (this.#resolve(wanted, this.#entries) !== undefined) {
      return new SlipwayError(
        'source_missing',
        `"${argument}" is excluded from the build context by ${ignoreFile}`,
        {
          hint: `remove the pattern from ${ignoreFile}, or add an exception: !${wanted}`,
        },
      );
    }
    return new SlipwayError('source_missing', `"${argument}" is not in the commit that is being built`, {
      hint: 'is the file committed? Paths are relative to the root of the repository, and symlinks cannot leave it',
    });
  }
}

/** Symlinks that one path may go through; as many as Linux allows (path_resolution(7)). */
const MAX_LINKS = 40;

function resolveLink(
  path: string,
  entries: ReadonlyMap<string, ContextEntry>,
  target: (entry: ContextEntry) => string | undefined,
): ContextEntry | undefined {
  let rest = path.split('/').filter((part) => part !== '' && part !== '.');
  let at = '';
  let current: ContextEntry | undefined;
  for (let links = 0; ; ) {
    const [part, ...more] = rest;
    if (part === undefined)
      return current ?? { path: '', type: 'directory', mode: 0o755, oid: '', sizeBytes: 0 };
    rest = more;
    if (part === '..') {
      at = parentPath(at);
      current = at === '' ? undefined : entries.get(at);
      continue;
    }
    const next = entries.get(at === '' ? part : `${at}/${part}`);
    if (next === undefined) return undefined;
    if (next.type === 'symlink') {
      if (++links > MAX_LINKS) return undefined;
      const to = target(next) ?? '';
      if (to.startsWith('/')) at = '';
      rest = [...to.split('/').filter((step) => step !== '' && step !== '.'), ...rest];
      current = at === '' ? undefined : entries.get(at);
      continue;
    }
    if (next.type !== 'directory' && rest.length > 0) return undefined;
    at = next.path;
    current = next;
  }
}

function parseListing(listing: Buffer, limits: ContextLimits): ReadonlyMap<string, ContextEntry> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const entries = new Map<string, ContextEntry>();
  let files = 0;
  let bytes = 0;
  for (let start = 0; start < listing.length; ) {
    const end = listing.indexOf(0, start);
    const tab = listing.indexOf(9, start);
    const [mode = '', , oid = '', size = '-'] = listing.toString('latin1', start, tab).split(/ +/);
    let path: string;
    try {
      path = decoder.decode(listing.subarray(tab + 1, end));
    } catch {
      const shown = JSON.stringify(listing.toString('latin1', tab + 1, end));
      throw new SlipwayError('context_invalid', `the file name ${shown} is not UTF-8`, {
        hint: 'rename it, commit, and push again',
      });
    }
    start = end + 1;
    const kind = MODES[mode];
    if (kind === undefined) {
      throw new SlipwayError('context_invalid', `"${path}" has the unknown git mode ${mode}`, {
        hint: 'remove it from the repository',
      });
    }
    checkName(path, limits);
    const sizeBytes = size === '-' ? 0 : Number(size);
    if (kind.type !== 'directory') {
      files++;
      bytes += sizeBytes;
      if (files > limits.contextFiles)
        throw tooLarge(
          `the context has more than ${limits.contextFiles} files`,
          'SLIPWAY_LIMIT_CONTEXT_FILES',
        );
      if (bytes > limits.contextBytes)
        throw tooLarge(
          `the context is larger than ${limits.contextBytes} bytes`,
          'SLIPWAY_LIMIT_CONTEXT_BYTES',
        );
      if (sizeBytes > limits.contextFileBytes) {
        throw tooLarge(
          `"${path}" has ${sizeBytes} bytes; one file may have ${limits.contextFileBytes}`,
          'SLIPWAY_LIMIT_CONTEXT_FILE_BYTES',
        );
      }
    }
    entries.set(path, { path, ...kind, oid, sizeBytes });
  }
  return entries;
}

function checkName(path: string, limits: ContextLimits): void {
  const parts = path.split('/');
  if (parts.length > limits.contextDepth) {
    throw tooLarge(
      `"${path.slice(0, 200)}" is more than ${limits.contextDepth} directories deep`,
      'SLIPWAY_LIMIT_CONTEXT_DEPTH',
    );
  }
  for (const part of parts) {
    // A layer cannot hold such a name: it means that a lower file is removed (OCI image-spec layer.md, "Whiteouts").
    if (part.startsWith('.wh.')) {
      throw new SlipwayError('context_invalid', `"${path}" has a name that starts with ".wh."`, {
        hint: 'image layers give such names another meaning; rename the file',
      });
    }
    if (part === '..' || part === '.' || part === '' || part.toLowerCase() === '.git') {
      throw new SlipwayError('context_invalid', `"${path}" is not a path that a repository may hold`, {
        hint: 'the commit was made by a broken or hostile tool; rewrite it without this path',
      });
    }
  }
}

function tooLarge(message: string, setting: string): SlipwayError {
  return new SlipwayError('context_too_large', message, {
    hint: `take files out of the repository, or have the operator raise ${setting}`,
  });
}
