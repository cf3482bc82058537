/**
 * The last whole layer of each COPY and what is in it, so that the next one can be a thin layer over it. A file each, in
 * the builder's store: the layer as a line of JSON, then a path and what the layer says of it, in turn. A file is whole
 * or not there; what cannot be read is as good as absent.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Layer } from '../../layers/layer.js';
import { cachedLayer } from '../cache/cached.js';
import { type StoredFile, storedFiles, unusedRemoved, writeWhole } from '../cache/stored-files.js';
import type { LayerIndex } from './changes.js';

export interface WholeLayer {
  readonly layer: Layer;
  /** Of the files in it. */
  readonly contentBytes: number;
  readonly entries: number;
  /** What it was copied from, where one name says all of it: see Selection.tree. */
  readonly tree?: string;
  /** What it says of all paths, or of these alone. */
  index(paths?: ReadonlySet<string>): LayerIndex;
}

const head = z.object({
  version: z.literal(2),
  layer: cachedLayer,
  contentBytes: z.number().int(),
  entries: z.number().int(),
  tree: z.string().exactOptional(),
  /** Of the bytes that follow, hex: a power cut may have left others. */
  sha256: z.string(),
});

export interface NewWhole extends Pick<WholeLayer, 'layer' | 'contentBytes' | 'tree'> {
  readonly index: LayerIndex;
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
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    const found = parse(bytes);
    if (found === undefined) return undefined;
    const now = new Date();
    await utimes(path, now, now).catch(() => undefined);
    return found;
  }

  async put(key: string, { layer, index, contentBytes, tree }: NewWhole): Promise<void> {
    const named = tree === undefined ? {} : { tree };
    const parts: string[] = [];
    // A path begins with a slash, and what is said of one never does.
    for (const [at, line] of index) parts.push(`/${at}`, line);
    const body = `\0${parts.join('\0')}\0`;
    const first = { version: 2, layer, contentBytes, entries: index.size, ...named, sha256: sha256Of(body) };
    await writeWhole(this.#path(key), JSON.stringify(first) + body);
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

function parse(bytes: Buffer): WholeLayer | undefined {
  const end = Math.max(0, bytes.indexOf(0));
  const parsed = head.safeParse(json(bytes.toString('utf8', 0, end)));
  if (!parsed.success || sha256Of(bytes.subarray(end)) !== parsed.data.sha256) return undefined;
  return { ...parsed.data, index: (paths) => indexIn(bytes, paths) };
}

/** To look for so few is quicker than to read all. */
const FEW_PATHS = 20;

function indexIn(bytes: Buffer, paths: ReadonlySet<string> | undefined): LayerIndex {
  if (paths === undefined) return all(bytes);
  if (paths.size <= FEW_PATHS) return few(bytes, paths);
  return new Map([...all(bytes)].filter(([path]) => paths.has(path)));
}

function all(bytes: Buffer): LayerIndex {
  const index = new Map<string, string>();
  const [, ...lines] = bytes.toString('utf8').split('\0');
  for (let at = 0; at + 1 < lines.length; at += 2)
    index.set((lines[at] as string).slice(1), lines[at + 1] as string);
  return index;
}

function few(bytes: Buffer, paths: ReadonlySet<string>): LayerIndex {
  const index = new Map<string, string>();
  for (const path of paths) {
    const name = Buffer.from(`\0/${path}\0`);
    const at = bytes.indexOf(name);
    if (at < 0) continue;
    const start = at + name.length;
    index.set(path, bytes.toString('utf8', start, bytes.indexOf(0, start)));
  }
  return index;
}

function sha256Of(body: string | Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
