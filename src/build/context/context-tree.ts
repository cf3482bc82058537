/** The paths of a context, in tree order: look-ups, what is below a directory, and symlinks followed inside it. */
import { setImmediate } from 'node:timers/promises';
import type { IgnoreMatcher } from '../../dockerfile/ignore.js';
import { parentPath } from '../copy/copy-source.js';
import type { ContextEntry } from './context.js';

/** Hostile patterns on many paths take minutes; in between the other builds of this process get their turn. */
const TURN_MS = 20;

/** Symlinks that one path may go through; as many as Linux allows (path_resolution(7)). */
const MAX_LINKS = 40;

export class ContextTree {
  /** The tree itself, with the path ''. */
  readonly root: ContextEntry;
  readonly #entries: readonly ContextEntry[];
  /** A path's place in the list, once somebody asks. */
  #places: ReadonlyMap<string, number> | undefined;
  /** Targets of symlinks, by the id of their blob. */
  readonly #targets: ReadonlyMap<string, string>;

  /** Of a tree without what is ignored: the same outline, the same paths and contents, where directories have ids. */
  readonly outline?: string;

  /** `entries` with each directory directly before what is in it, as git lists them. */
  constructor(
    oid: string,
    entries: readonly ContextEntry[],
    targets: ReadonlyMap<string, string>,
    outline?: string,
  ) {
    this.root = { path: '', type: 'directory', mode: 0o755, oid, sizeBytes: 0 };
    this.#entries = entries;
    this.#targets = targets;
    if (outline !== undefined) this.outline = outline;
  }

  /** No symlink is followed. */
  get(path: string): ContextEntry | undefined {
    if (path === '') return this.root;
    const place = this.#placeOf(path);
    return place === undefined ? undefined : this.#entries[place];
  }

  #placeOf(path: string): number | undefined {
    this.#places ??= new Map(this.#entries.map((entry, place) => [entry.path, place]));
    return this.#places.get(path);
  }

  targetOf(link: ContextEntry): string | undefined {
    return this.#targets.get(link.oid);
  }

  /** Everything below, parents first. */
  *below(directory: ContextEntry): Generator<ContextEntry> {
    const prefix = directory.path === '' ? '' : `${directory.path}/`;
    const start = directory.path === '' ? 0 : (this.#placeOf(directory.path) ?? 0) + 1;
    yield* this.#from(start, prefix);
  }

  *#from(start: number, prefix: string): Generator<ContextEntry> {
    for (let place = start; place < this.#entries.length; place++) {
      const entry = this.#entries[place];
      if (entry === undefined || !entry.path.startsWith(prefix)) return;
      yield entry;
    }
  }

  /**
   * The tree without what is ignored. A file that an exception brings back brings the directories above it. A directory that
   * no pattern can tell anything in stays, or goes, as a whole.
   */
  async without(
    ignore: Pick<IgnoreMatcher, 'ignores' | 'canMatchBelow'>,
    signal?: AbortSignal,
  ): Promise<ContextTree> {
    if (!ignore.canMatchBelow('')) return this;
    const kept: ContextEntry[] = [];
    const outline: string[] = [];
    const directories = new Set<string>(['']);
    const keep = (entry: ContextEntry): void => {
      const above = parentPath(entry.path);
      if (!directories.has(above)) keep(this.get(above) ?? this.root);
      if (entry.type === 'directory') {
        if (directories.has(entry.path)) return;
        directories.add(entry.path);
      }
      kept.push(entry);
      const { path, type, mode, oid } = entry;
      outline.push(path, type === 'directory' ? type : `${type} ${mode} ${oid}`);
    };
    let turn = performance.now();
    for (let place = 0; place < this.#entries.length; place++) {
      const entry = this.#entries[place] as ContextEntry;
      const isKept = !ignore.ignores(entry.path);
      if (isKept) keep(entry);
      if (entry.type === 'directory' && !ignore.canMatchBelow(entry.path)) {
        if (isKept) outline.push(entry.path, `tree ${entry.oid}`);
        for (const below of this.#from(place + 1, `${entry.path}/`)) {
          if (isKept) kept.push(below);
          place++;
        }
      }
      if (performance.now() - turn < TURN_MS) continue;
      await setImmediate();
      signal?.throwIfAborted();
      turn = performance.now();
    }
    return new ContextTree(this.root.oid, kept, this.#targets, outline.join('\0'));
  }

  /** Follows symlinks, the last one too, and never leaves the root. */
  resolve(path: string): ContextEntry | undefined {
    const left = steps(path);
    let at = this.root;
    let links = 0;
    for (let step = left.shift(); step !== undefined; step = left.shift()) {
      const next =
        step === '..'
          ? this.get(parentPath(at.path))
          : this.get(at.path === '' ? step : `${at.path}/${step}`);
      if (next === undefined) return undefined;
      if (next.type === 'symlink') {
        if (++links > MAX_LINKS) return undefined;
        const target = this.targetOf(next) ?? '';
        if (target.startsWith('/')) at = this.root;
        left.unshift(...steps(target));
        continue;
      }
      if (next.type !== 'directory' && left.length > 0) return undefined;
      at = next;
    }
    return at;
  }
}

function steps(path: string): string[] {
  return path.split('/').filter((step) => step !== '' && step !== '.');
}
