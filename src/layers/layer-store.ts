/**
 * Lay-outs: layers as directories in overlay's format, each named by the chain of layers up to it. A lay-out is made
 * under a temporary name and renamed, so one with its name is whole; nobody changes it afterwards.
 *
 *   sha256/<chain id>/root    the lay-out itself
 *   sha256/<chain id>         its modification time says when it was used last
 *   sha256/<chain id>/made    its modification time says when it was finished
 *   removing/<chain id>       a cleaning decides on it: see removals.ts
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { applyLayer, diskUsage } from '../../native/index.js';
import { isErrno, SlipwayError } from '../errors.js';
import { type ArrivingBlob, applyArriving } from './arriving-blob.js';
import { atOnce } from './at-once.js';
import type { BlobStore } from './blob-store.js';
import { possiblyTorn } from './boot.js';
import { translated } from './failures.js';
import { chainId, chainIds, digestHex, type Layer } from './layer.js';
import { Removals } from './removals.js';
import { SingleFlight } from './single-flight.js';
import { Temporaries } from './temporaries.js';

export interface StoredLayout {
  readonly chainId: string;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
}

export interface LayerStoreOptions {
  /** Bytes of tar that one layer may expand to. */
  readonly maxLayerBytes?: number;
  /** Layers of a chain that are fetched and laid out at the same time; 1: one after the other, each when its blob is there. */
  readonly layersAtOnce?: number;
}

/** Begins to fetch a layer's blob; undefined where nobody knows a place that has it. */
export type FetchLayer = (layer: Layer, signal: AbortSignal) => ArrivingBlob | undefined;

interface Missing {
  readonly id: string;
  readonly layer: Layer;
  /** Top first; some may be missing as well. */
  readonly lowers: readonly string[];
}

export class LayerStore {
  readonly #directory: string;
  readonly #layouts: string;
  readonly #blobs: BlobStore;
  readonly #options: LayerStoreOptions;
  readonly #temporaries: Temporaries;
  readonly #removals: Removals;
  readonly #flights = new SingleFlight<void>();
  readonly #atOnce: number;

  constructor(directory: string, blobs: BlobStore, options: LayerStoreOptions = {}) {
    this.#directory = directory;
    this.#layouts = join(directory, 'sha256');
    this.#blobs = blobs;
    this.#options = options;
    // More than there are processors: some wait for the network.
    this.#atOnce = options.layersAtOnce ?? Math.max(4, 2 * availableParallelism());
    this.#temporaries = new Temporaries(join(directory, 'tmp'));
    this.#removals = new Removals(join(directory, 'removing'));
  }

  /** Before anything else. Removes what killed processes left: mounts, scratch directories, half-made lay-outs. */
  async open(): Promise<void> {
    await translated(this.#directory, 'the layer store', async () => {
      await mkdir(this.#layouts, { recursive: true, mode: 0o700 });
      await this.#temporaries.open();
      await this.#removals.open();
      const made: { name: string; at: number }[] = [];
      for (const name of await readdir(this.#layouts)) {
        // Another process may clean the store meanwhile.
        const found = await stat(join(this.#layouts, name, 'made')).catch(ignoreAbsent);
        if (found !== undefined) made.push({ name, at: found.mtimeMs });
      }
      for (const { name } of await possiblyTorn(this.#directory, made)) await this.remove(`sha256:${name}`);
    });
  }

  /**
   * Directories of the lay-outs of `layers` (bottom first), the topmost first, as an overlay takes them. Lays out what
   * is missing from the blob store, or from what `fetch` brings. `below` is what this said of the lowest of them, where
   * no cleaning can have come since: they are not looked at again. Throws `layer_invalid` (also when a blob cannot be
   * had), `disk_full`, or what `fetch` fails with.
   */
  async layout(
    layers: readonly Layer[],
    signal?: AbortSignal,
    fetch: FetchLayer = () => undefined,
    below: readonly string[] = [],
  ): Promise<readonly string[]> {
    const above = layers.slice(below.length);
    const ids = this.#chainIds(above, below);
    const roots = [...ids.map((id) => this.#root(id)).reverse(), ...below];
    const missing: Missing[] = [];
    for (const [index, id] of ids.entries()) {
      const layer = above[index] as Layer;
      if (!(await this.#touch(id))) missing.push({ id, layer, lowers: roots.slice(ids.length - index) });
    }
    // From the bottom up: whatever one of them waits for below it has been begun before.
    await atOnce(this.#atOnce, missing, signal, (each, either) =>
      this.#flights.run(each.id, either, (shared) => this.#layOut(each, fetch, shared)),
    );
    return roots;
  }

  /** See {@link LayerStoreOptions}. */
  get maxLayerBytes(): number | undefined {
    return this.#options.maxLayerBytes;
  }

  async has(chain: string): Promise<boolean> {
    return exists(this.#root(chain));
  }

  /**
   * An overlay's upper directory becomes the lay-out of `layer`, which was written from it, on those of `lowers` (topmost
   * first). The directory is gone afterwards, also when the lay-out was there already.
   */
  async adopt(layer: Layer, lowers: readonly string[], upper: string): Promise<void> {
    const [id = ''] = this.#chainIds([layer], lowers);
    await this.#adopt(id, upper);
  }

  /** The same for a directory that was made of the layer, on the layers `below` (bottom first), laid out or not. */
  async adoptOn(below: readonly Layer[], layer: Layer, directory: string): Promise<void> {
    await this.#adopt(chainId([...below, layer].map(({ diffId }) => diffId)), directory);
  }

  async #adopt(id: string, directory: string): Promise<void> {
    if (!(await this.#touch(id))) await this.#make(id, (root) => rename(directory, root));
    await this.#temporaries.remove(directory);
  }

  /** An empty directory for a step, on the file system of the lay-outs. Removed by `removeScratch`. */
  async newScratch(): Promise<string> {
    const path = await this.#temporaries.newPath();
    await mkdir(path, { mode: 0o700 });
    return path;
  }

  /** With what is mounted in it. Fine when it is gone. */
  async removeScratch(scratch: string): Promise<void> {
    await this.#temporaries.remove(scratch);
  }

  /** Whoever calls this knows that no build uses it. */
  async remove(chain: string): Promise<void> {
    await this.removeUnused({ chainId: chain, lastUsedAt: Number.POSITIVE_INFINITY });
  }

  /** Removes it unless it was used after `lastUsedAt` (as `list` gave it), which may be just now. */
  async removeUnused({ chainId, lastUsedAt }: StoredLayout): Promise<boolean> {
    const grave = await this.#temporaries.newPath();
    const isTaken = await this.#removals.marked(digestHex(chainId), async () => {
      const now = await stat(this.#entry(chainId)).catch(() => undefined);
      if (now === undefined || now.mtimeMs > lastUsedAt) return false;
      // First out of sight: a lay-out that is half removed must not be taken for a whole one.
      await rename(this.#entry(chainId), grave);
      return true;
    });
    if (isTaken) await this.#temporaries.remove(grave);
    return isTaken === true;
  }

  async list(): Promise<readonly StoredLayout[]> {
    const found: StoredLayout[] = [];
    for (const name of await readdir(this.#layouts)) {
      const stats = await stat(join(this.#layouts, name)).catch(() => undefined);
      if (stats !== undefined) found.push({ chainId: `sha256:${name}`, lastUsedAt: stats.mtimeMs });
    }
    return found;
  }

  /** Bytes on disk. */
  async size(chain: string, signal?: AbortSignal): Promise<number> {
    return diskUsage(this.#entry(chain), signal);
  }

  async #layOut({ id, layer, lowers }: Missing, fetch: FetchLayer, signal: AbortSignal): Promise<void> {
    if (await this.#touch(id)) return; // another process was quicker
    const ended = new AbortController();
    const fetched = AbortSignal.any([signal, ended.signal]);
    const blob = (await this.#blobs.has(layer.digest)) ? undefined : fetch(layer, fetched);
    const request = {
      diffId: layer.diffId,
      lowers,
      signal,
      ...(this.#options.maxLayerBytes === undefined ? {} : { maxBytes: this.#options.maxLayerBytes }),
      ...(layer.freshTimes === true ? { freshTimes: true } : {}),
    };
    const fill = async (root: string): Promise<void> => {
      if (blob !== undefined) {
        const isDone = this.#atOnce > 1 && (await applyArriving(blob, { ...request, target: root }));
        await blob.stored;
        if (isDone) return;
      }
      if (!(await this.#blobs.has(layer.digest))) {
        throw new SlipwayError('layer_invalid', `the layer ${layer.digest} is not in the store`, {
          hint: 'push again: it is fetched or built anew',
        });
      }
      await mkdir(root, { mode: 0o755 });
      await applyLayer({
        ...request,
        blob: this.#blobs.path(layer.digest),
        digest: layer.digest,
        target: root,
      });
    };
    try {
      await this.#make(id, fill, layer);
    } finally {
      ended.abort();
      await blob?.stored.catch(() => undefined);
    }
  }

  async #make(id: string, fill: (root: string) => Promise<void>, layer?: Layer): Promise<void> {
    const temporary = await this.#temporaries.newPath();
    const subject = layer === undefined ? `the lay-out ${id}` : `the layer ${layer.digest}`;
    try {
      await translated(this.#directory, subject, async () => {
        await mkdir(temporary, { mode: 0o700 });
        await fill(join(temporary, 'root'));
        await writeFile(join(temporary, 'made'), '');
      });
      // Unless another process made the same lay-out meanwhile: it is as good as this one, while no cleaning takes it.
      while (!(await renamed(temporary, this.#entry(id))) && !(await this.#touch(id)));
    } finally {
      await this.#temporaries.remove(temporary);
    }
  }

  /** Says that it was used, for the cleaning. False when there is no such lay-out. */
  async #touch(id: string): Promise<boolean> {
    try {
      const now = new Date();
      await utimes(this.#entry(id), now, now);
      await this.#removals.decided(digestHex(id));
      return existsSync(this.#entry(id));
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  }

  /** Of `layers` on the lay-outs `below`, the topmost first: the first of them is named by the chain up to it. */
  #chainIds(layers: readonly Layer[], [below]: readonly string[]): readonly string[] {
    return chainIds(
      layers.map((layer) => layer.diffId),
      below === undefined ? undefined : `sha256:${basename(dirname(below))}`,
    );
  }

  #entry(id: string): string {
    return join(this.#layouts, digestHex(id));
  }

  #root(id: string): string {
    return join(this.#entry(id), 'root');
  }
}

/** False when there is something already. */
async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOTEMPTY') || isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function ignoreAbsent(error: unknown): undefined {
  if (!isErrno(error, 'ENOENT')) throw error;
}
