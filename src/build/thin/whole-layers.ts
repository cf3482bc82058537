/**
 * The last whole layer of each COPY and what is in it, so that the next one can be a thin layer over it. A file each, in
 * the builder's store: the layer as a line of JSON, then a path and what the layer says of it, in turn. A file is whole
 * or not there; what cannot be read is as good as absent.
 */
import { mkdir, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Layer } from '../../layers/layer.js';
import { cachedLayer } from '../cache/cached.js';
import { type StoredFile, storedFiles, unusedRemoved, writeWhole } from '../cache/stored-files.js';
import type { LayerIndex } from './changes.js';

export interface WholeLayer {
  readonly layer: Layer;
  readonly index: LayerIndex;
  /** Of the files in it. */
  readonly contentBytes: number;
}

const SUFFIX = '.whole';

export class WholeLayers {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
  }

  /** `key` names the COPY, not what it copies. Marks it as used. */
  async get(key: string): Promise<WholeLayer | undefined> {
    const path = this.#path(key);
    const text = await readFile(path, 'utf8').catch(() => '');
    const [head = '', ...lines] = text.split('\0');
    const found = parseHead(head);
    if (found === undefined || lines.length !== 2 * found.entries) return undefined;
    const now = new Date();
    await utimes(path, now, now).catch(() => undefined);
    const index = new Map<string, string>();
    for (let at = 0; at < lines.length; at += 2) index.set(lines[at] as string, lines[at + 1] as string);
    return { layer: found.layer, contentBytes: found.contentBytes, index };
  }

  async put(key: string, { layer, index, contentBytes }: WholeLayer): Promise<void> {
    const parts = [JSON.stringify({ layer, contentBytes, entries: index.size })];
    for (const [at, line] of index) parts.push(at, line);
    await writeWhole(this.#path(key), parts.join('\0'));
  }

  list(): Promise<readonly StoredFile[]> {
    return storedFiles(this.#directory, SUFFIX);
  }

  /** Removes it unless it was used after `lastUsedAt` (as `list` gave it). */
  removeUnused({ key, lastUsedAt }: Pick<StoredFile, 'key' | 'lastUsedAt'>): Promise<boolean> {
    return unusedRemoved(this.#path(key), lastUsedAt);
  }

  #path(key: string): string {
    return join(this.#directory, `${key}${SUFFIX}`);
  }
}

function parseHead(
  text: string,
): { readonly layer: Layer; readonly contentBytes: number; readonly entries: number } | undefined {
  try {
    const { layer, contentBytes, entries } = JSON.parse(text);
    const parsed = cachedLayer.safeParse(layer);
    const isNumbers = Number.isSafeInteger(contentBytes) && Number.isSafeInteger(entries);
    return parsed.success && isNumbers ? { layer: parsed.data, contentBytes, entries } : undefined;
  } catch {
    return undefined;
  }
}
