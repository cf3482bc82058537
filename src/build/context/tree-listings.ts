/**
 * Listings of commits, the last one of each repository kept: the next commit's is made of it by reading only the trees
 * that differ, some of thirty thousand paths' hundreds. What is new is checked as in a listing from scratch, and
 * whatever this cannot do is listed from scratch.
 */
import type { ObjectReader } from '../../git/objects.js';
import type { ContextEntry } from './context.js';
import { type ContextLimits, repositoryBudget } from './context-limits.js';
import { listContext } from './context-listing.js';
import type { ContextSource } from './git-tree.js';
import { checkListed, countListed, kindOf } from './listed-entry.js';

export interface ListedTree {
  readonly tree: string;
  readonly entries: readonly ContextEntry[];
}

interface Kept extends ListedTree {
  readonly limits: ContextLimits;
}

/** Entries of all kept listings together; some 60 MB. */
const KEPT_ENTRIES = 250_000;
/** Where more trees or files differ, one git process that lists all is quicker than asking for each. */
const MOST_TREES = 300;
const MOST_FILES = 2_000;

export class TreeListings {
  /** By repository, in order of use. */
  readonly #kept = new Map<string, Kept>();
  readonly #keptEntries: number;

  constructor({ keptEntries = KEPT_ENTRIES }: { keptEntries?: number } = {}) {
    this.#keptEntries = keptEntries;
  }

  /** A commit of the repository was listed, and is kept. */
  has(gitDir: string): boolean {
    return this.#kept.has(gitDir);
  }

  /** As {@link listContext}. */
  async list(
    tree: string,
    source: ContextSource,
    limits: ContextLimits,
    signal?: AbortSignal,
  ): Promise<readonly ContextEntry[]> {
    const { gitDir, objects } = source;
    const before = this.#kept.get(gitDir);
    const isUsable = before !== undefined && isSame(before.limits, limits);
    const entries =
      (isUsable ? await updated(before, tree, objects, limits, signal) : undefined) ??
      (await listContext(tree, source, limits, signal));
    this.#keep(gitDir, { tree, entries, limits });
    return entries;
  }

  #keep(gitDir: string, listing: Kept): void {
    this.#kept.delete(gitDir);
    if (listing.entries.length > this.#keptEntries) return;
    this.#kept.set(gitDir, listing);
    let total = 0;
    for (const { entries } of this.#kept.values()) total += entries.length;
    for (const [name, { entries }] of this.#kept) {
      if (total <= this.#keptEntries) return;
      this.#kept.delete(name);
      total -= entries.length;
    }
  }
}

function isSame(one: ContextLimits, other: ContextLimits): boolean {
  return (['contextFiles', 'contextBytes', 'contextFileBytes', 'contextDepth'] as const).every(
    (name) => one[name] === other[name],
  );
}

/** Undefined when too much differs or anything is wrong: a listing from scratch finds it again and says it. */
async function updated(
  before: ListedTree,
  tree: string,
  objects: ContextSource['objects'],
  limits: ContextLimits,
  signal?: AbortSignal,
): Promise<readonly ContextEntry[] | undefined> {
  if (before.tree === tree) return before.entries;
  const update = new Update(before.entries, objects);
  try {
    await update.add('', tree, { start: 0, end: before.entries.length });
    const budget = repositoryBudget(limits);
    for (const entry of await update.measured()) checkListed(entry, budget);
    for (const entry of update.entries) countListed(entry, budget);
    return update.entries;
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

/** Of the list: from `start` up to before `end`. */
interface Range {
  readonly start: number;
  readonly end: number;
}

class Update {
  readonly entries: ContextEntry[] = [];
  readonly #before: readonly ContextEntry[];
  readonly #objects: Pick<ObjectReader, 'tree' | 'header'>;
  /** Places of what was not there before; of files the size is not known yet. */
  readonly #changed: number[] = [];
  #trees = 0;

  constructor(before: readonly ContextEntry[], objects: Pick<ObjectReader, 'tree' | 'header'>) {
    this.#before = before;
    this.#objects = objects;
  }

  /** Appends what is in the tree `oid` at `directory`; `range` is what was in that directory before. */
  async add(directory: string, oid: string, range: Range): Promise<void> {
    if (++this.#trees > MOST_TREES) throw new Error('too many trees differ');
    const known = this.#children(directory, range);
    for (const { name, mode, oid: child } of await this.#objects.tree(oid)) {
      const path = directory === '' ? name : `${directory}/${name}`;
      const kind = kindOf(mode, path);
      const place = known.get(path);
      const before = place && this.#before[place.start];
      if (place && before?.oid === child && before.type === kind.type && before.mode === kind.mode) {
        for (let at = place.start; at < place.end; at++) this.entries.push(this.#before[at] as ContextEntry);
        continue;
      }
      this.#changed.push(this.entries.length);
      this.entries.push({ path, ...kind, oid: child, sizeBytes: 0 });
      if (kind.type !== 'directory') continue;
      const below =
        before?.type === 'directory' && place ? { start: place.start + 1, end: place.end } : NOTHING;
      await this.add(path, child, below);
    }
  }

  /** What was not there before, with the sizes of its files. */
  async measured(): Promise<readonly ContextEntry[]> {
    if (this.#changed.length > MOST_FILES) throw new Error('too many files differ');
    return Promise.all(
      this.#changed.map(async (place) => {
        const entry = this.entries[place] as ContextEntry;
        if (entry.type !== 'file' && entry.type !== 'symlink') return entry;
        const { sizeBytes, type } = await this.#objects.header(entry.oid);
        if (type !== 'blob') throw new Error('a file is not a blob');
        const whole = { ...entry, sizeBytes };
        this.entries[place] = whole;
        return whole;
      }),
    );
  }

  /** Where the entries directly in a directory are, each with all that is below it. */
  #children(directory: string, { start, end }: Range): ReadonlyMap<string, Range> {
    const cut = directory === '' ? 0 : directory.length + 1;
    const found = new Map<string, Range>();
    let child: { path: string; start: number } | undefined;
    for (let at = start; at < end; at++) {
      const { path } = this.#before[at] as ContextEntry;
      if (path.indexOf('/', cut) >= 0) continue;
      if (child !== undefined) found.set(child.path, { start: child.start, end: at });
      child = { path, start: at };
    }
    if (child !== undefined) found.set(child.path, { start: child.start, end });
    return found;
  }
}

const NOTHING: Range = { start: 0, end: 0 };
