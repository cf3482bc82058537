/** The paths of a context, in tree order: look-ups, what is below a directory, and symlinks followed inside it. */
import { setImmediate } from 'node:timers/promises';
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
  /** A path's place in the list. */
  readonly #places: ReadonlyMap<string, number>;
  /** Targets of symlinks, by the id of their blob. */
  readonly #targets: ReadonlyMap<string, string>;

  /** `entries` with each directory directly before what is in it, as git lists them. */
  constructor(oid: string, entries: readonly ContextEntry[], targets: ReadonlyMap<string, string>) {
    this.root = { path: '', type: 'directory', mode: 0o755, oid, sizeBytes: 0 };
    this.#entries = entries;
    this.#places = new Map(entries.map((entry, place) => [entry.path, place]));
    this.#targets = targets;
  }

  /** No symlink is followed. */
  get(path: string): ContextEntry | undefined {
    if (path === '') return this.root;
    const place = this.#places.get(path);
    return place === undefined ? undefined : this.#entries[place];
  }

  targetOf(link: ContextEntry): string | undefined {
    return this.#targets.get(link.oid);
  }

  /** Everything below, parents first. */
  *below(directory: ContextEntry): Generator<ContextEntry> {
    const prefix = directory.path === '' ? '' : `${directory.path}/`;
    const start = directory.path === '' ? 0 : (this.#places.get(directory.path) ?? 0) + 1;
    for (let place = start; place < this.#entries.length; place++) {
      const entry = this.#entries[place];
      if (entry === undefined || !entry.path.startsWith(prefix)) return;
      yield entry;
    }
  }

  /** The tree without what is ignored. A file that an exception brings back brings the directories above it. */
  async without(ignores: (path: string) => boolean, signal?: AbortSignal): Promise<ContextTree> {
    const kept: ContextEntry[] = [];
    const directories = new Set<string>(['']);
    const keep = (entry: ContextEntry): void => {
      const above = parentPath(entry.path);
      if (!directories.has(above)) keep(this.get(above) ?? this.root);
      if (entry.type !== 'directory') kept.push(entry);
      else if (!directories.has(entry.path)) {
        directories.add(entry.path);
        kept.push(entry);
      }
    };
    let turn = performance.now();
    for (const entry of this.#entries) {
      if (!ignores(entry.path)) keep(entry);
      if (performance.now() - turn < TURN_MS) continue;
      await setImmediate();
      signal?.throwIfAborted();
      turn = performance.now();
    }
    return kept.length === this.#entries.length ? this : new ContextTree(this.root.oid, kept, this.#targets);
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
