/**
 * The tree of a commit as a build sees it: git's listing, with what a checkout would change marked by ids of its own, and
 * submodules in their places where they are wanted.
 */
import { SlipwayError } from '../../errors.js';
import type { Git } from '../../git/git.js';
import type { ObjectReader } from '../../git/objects.js';
import { hashOf } from '../cache/keys.js';
import { parentPath } from '../copy/copy-source.js';
import { markAttributes } from './attributes/mark.js';
import type { ContextEntry } from './context.js';
import type { ContextLimits } from './context-limits.js';
import { listContext } from './context-listing.js';
import { shownRemote } from './git-address.js';
import { gitDirectory } from './git-directory.js';
import { type SubmoduleFetcher, submoduleAddresses } from './submodules.js';
import type { TreeListings } from './tree-listings.js';

/** The repository that holds the commit. */
export interface ContextSource {
  readonly git: Git;
  readonly gitDir: string;
  readonly objects: Pick<ObjectReader, 'read' | 'tree' | 'header'>;
  /** Listings of earlier commits, to make this one's of; without them it is made from scratch. */
  readonly listings?: TreeListings;
  /** Where it was fetched from; the addresses of submodules may be relative to it. */
  readonly remote?: string;
}

export interface GitTreeOptions {
  /** The directory of the commit that is the context's root. */
  readonly subdirectory?: string;
  /** Fetches submodules; without it they are refused. */
  readonly submodules?: SubmoduleFetcher;
  /** With `.git`, which only the whole tree has; `name` is what the commit was asked for by. */
  readonly keepGitDirectory?: { readonly name?: string };
}

export type FileContent = { readonly data: Uint8Array } | { readonly file: string; readonly sha256: string };

/** An entry that is not the blob of its id in the context's own repository. */
export type Special = { readonly read: () => Promise<FileContent> } | { readonly refused: SlipwayError };

export interface GitTree {
  readonly oid: string;
  /** Each directory directly before what is in it. */
  readonly entries: readonly ContextEntry[];
  /** By path. */
  readonly specials: ReadonlyMap<string, Special>;
  /** Targets of symlinks, by the id of their blob. */
  readonly links: ReadonlyMap<string, string>;
}

/** Submodules of submodules of … */
const MAX_DEPTH = 10;

/** Throws `context_invalid` or `context_too_large`. */
export async function openGitTree(
  commit: string,
  source: ContextSource,
  limits: ContextLimits,
  options: GitTreeOptions,
  signal?: AbortSignal,
  depth = 0,
): Promise<GitTree> {
  const subdirectory = cleanDirectory(options.subdirectory ?? '');
  const oid = await treeOf(commit, subdirectory, source, signal);
  const listed = await (source.listings?.list(oid, source, limits, signal) ??
    listContext(oid, source, limits, signal));
  const specials = new Map<string, Special>();
  const ids = new Map<string, string>();
  const links = new Map(await readLinks(listed, source.objects));
  await markAttributes(listed, { commit, subdirectory, source, signal }, specials, ids);
  const modules = await openSubmodules(listed, {
    commit,
    subdirectory,
    source,
    limits,
    options,
    signal,
    depth,
  });
  const entries: ContextEntry[] = [];
  for (const entry of listed) {
    const nested = modules.get(entry.path);
    if (nested === undefined) {
      entries.push(entry);
      continue;
    }
    if ('refused' in nested) {
      specials.set(entry.path, nested);
      entries.push(entry);
      continue;
    }
    const inside = (path: string): string => `${entry.path}/${path}`;
    entries.push({ path: entry.path, type: 'directory', mode: 0o755, oid: nested.oid, sizeBytes: 0 });
    ids.set(entry.path, nested.oid);
    for (const each of nested.entries) entries.push({ ...each, path: inside(each.path) });
    for (const [path, special] of nested.specials) specials.set(inside(path), special);
    for (const [id, target] of nested.links) links.set(id, target);
    checkTotal(entries.length, limits);
  }
  if (modules.size > 0) checkTotal(entries.length, limits);
  if (options.keepGitDirectory !== undefined && subdirectory === '') {
    const kept = await gitDirectory(commit, source, options.keepGitDirectory.name, signal);
    const after = entries.findIndex(({ path }) => path > '.git/');
    entries.splice(after < 0 ? entries.length : after, 0, ...kept.entries);
    for (const [path, special] of kept.specials) specials.set(path, special);
    ids.set('.git', kept.oid);
  }
  return { oid: mixed('', oid, ids), entries: withIds(entries, ids), specials, links };
}

/** A commit, and the directory of it that is looked at. */
export interface Opened {
  readonly commit: string;
  readonly subdirectory: string;
  readonly source: ContextSource;
  readonly signal: AbortSignal | undefined;
}

interface Modules extends Opened {
  readonly limits: ContextLimits;
  readonly options: GitTreeOptions;
  readonly depth: number;
}

async function openSubmodules(
  entries: readonly ContextEntry[],
  { commit, subdirectory, source, limits, options, signal, depth }: Modules,
): Promise<ReadonlyMap<string, GitTree | { readonly refused: SlipwayError }>> {
  const found = entries.filter(({ type }) => type === 'submodule');
  const opened = new Map<string, GitTree | { readonly refused: SlipwayError }>();
  if (found.length === 0) return opened;
  const addresses = await submoduleAddresses(commit, source, signal);
  for (const { path, oid } of found) {
    const address = addresses.get(subdirectory === '' ? path : `${subdirectory}/${path}`);
    if (options.submodules === undefined || address === undefined || depth >= MAX_DEPTH) {
      opened.set(path, { refused: refusedSubmodule(path, oid, address, options.submodules !== undefined) });
      continue;
    }
    const wanted = {
      remote: address,
      ref: oid,
      ...(source.remote === undefined ? {} : { from: source.remote }),
    };
    const fetched = await fetchSubmodule(path, wanted, options.submodules, signal);
    const tree = await openGitTree(
      oid,
      fetched.source,
      limits,
      { submodules: options.submodules },
      signal,
      depth + 1,
    );
    opened.set(path, withSources(tree, fetched.source));
  }
  return opened;
}

/** Each repository keeps to the limits by itself; all together may hold as many files and directories as one. */
function checkTotal(entries: number, { contextFiles }: ContextLimits): void {
  if (entries <= 2 * contextFiles) return;
  throw new SlipwayError(
    'context_too_large',
    `the context with its submodules has more than ${2 * contextFiles} files and directories`,
    { hint: 'leave submodules out, or have the operator raise SLIPWAY_LIMIT_CONTEXT_FILES' },
  );
}

async function fetchSubmodule(
  path: string,
  wanted: Parameters<SubmoduleFetcher['fetch']>[0],
  submodules: SubmoduleFetcher,
  signal: AbortSignal = new AbortController().signal,
): ReturnType<SubmoduleFetcher['fetch']> {
  try {
    return await submodules.fetch(wanted, signal);
  } catch (thrown) {
    if (!(thrown instanceof SlipwayError)) throw thrown;
    const { code, message, hint, temporary } = thrown;
    const details = { temporary, cause: thrown, ...(hint === undefined ? {} : { hint }) };
    throw new SlipwayError(code, `the submodule "${path}": ${message}`, details);
  }
}

/** Every file of another repository says where it is read from. */
function withSources(tree: GitTree, { objects }: ContextSource): GitTree {
  const specials = new Map(tree.specials);
  for (const { path, type, oid } of tree.entries) {
    if (type === 'file' && !specials.has(path))
      specials.set(path, { read: async () => ({ data: (await objects.read(oid)).data }) });
  }
  return { ...tree, specials };
}

function refusedSubmodule(
  path: string,
  commit: string,
  address: string | undefined,
  wanted: boolean,
): SlipwayError {
  const where = address === undefined ? 'without an address in .gitmodules' : `of ${shownRemote(address)}`;
  const why = wanted ? 'and cannot be fetched' : 'and submodules are not fetched';
  return new SlipwayError(
    'context_invalid',
    `"${path}" is a git submodule ${where} at ${commit.slice(0, 12)}, ${why}`,
    { hint: 'commit its files to this repository, or leave it out with .dockerignore' },
  );
}

/** A directory is no longer what its tree id says when something below it is converted or comes from elsewhere. */
function withIds(
  entries: readonly ContextEntry[],
  ids: ReadonlyMap<string, string>,
): readonly ContextEntry[] {
  if (ids.size === 0) return entries;
  const below = new Map<string, [string, string][]>();
  for (const [path, id] of ids) {
    for (let at = parentPath(path); at !== ''; at = parentPath(at)) {
      const list = below.get(at) ?? [];
      below.set(at, list);
      list.push([path.slice(at.length), id]);
    }
  }
  return entries.map((entry) => {
    if (entry.type !== 'directory') return { ...entry, oid: ids.get(entry.path) ?? entry.oid };
    const inside = below.get(entry.path);
    return inside === undefined ? entry : { ...entry, oid: `${entry.oid} ${hashOf(inside)}` };
  });
}

function mixed(_path: string, oid: string, ids: ReadonlyMap<string, string>): string {
  return ids.size === 0 ? oid : `${oid} ${hashOf([...ids])}`;
}

async function treeOf(
  commit: string,
  subdirectory: string,
  { git, gitDir, objects }: ContextSource,
  signal?: AbortSignal,
): Promise<string> {
  const { oid: root } = await objects.read(`${commit}^{tree}`);
  if (subdirectory === '') return root;
  const call = { gitDir, ...(signal === undefined ? {} : { signal }) };
  const found = await git.result(
    ['ls-tree', '-d', '-z', '--full-tree', root, '--', `:(literal)${subdirectory}`],
    call,
  );
  const oid = /^040000 tree ([0-9a-f]+)\t/.exec(found.stdout.toString('utf8'))?.[1];
  if (oid !== undefined) return oid;
  throw new SlipwayError(
    'source_missing',
    `there is no directory "${subdirectory}" in the commit ${commit.slice(0, 12)}`,
    {
      hint: 'what follows the second colon of the address is a directory of the repository',
    },
  );
}

function cleanDirectory(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..'))
    throw new SlipwayError('context_invalid', `the directory "${path}" leads out of the repository`);
  return parts.join('/');
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
