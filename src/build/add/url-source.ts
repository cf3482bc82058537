/**
 * ADD of a URL: a file named by the last part of its path, 0600, with the time that the server gives it. What was fetched
 * before is asked for with its ETag or date; with --checksum a step that is known asks for nothing.
 */
import { createHash } from 'node:crypto';
import { join, posix } from 'node:path';
import { z } from 'zod';
import { SlipwayError } from '../../errors.js';
import type { BuilderStore } from '../builder-store.js';
import { JsonFiles } from '../cache/json-files.js';
import type { CopySource, Selection, SourceEntry } from '../copy/copy-source.js';
import type { Cidr } from '../sandbox/cidr.js';
import { AddressGuard } from './address-guard.js';
import { type Downloaded, download, shownUrl } from './download.js';

export interface UrlTools {
  readonly store: BuilderStore;
  /** Networks that may be fetched from although they are not public. */
  readonly allowed: readonly Cidr[];
  readonly maxBytes: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface UrlSource {
  readonly source: CopySource;
  readonly selection: Selection;
}

interface Known {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

const fetched: z.ZodType<Known> = z.object({
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  sizeBytes: z.number(),
  etag: z.string().optional(),
  lastModified: z.string().optional(),
});

/** `checksum` is `sha256:<hex>`. Throws what `download` throws, and `step_failed` for other bytes than the checksum's. */
export async function openUrl(
  url: string,
  checksum: string | undefined,
  tools: UrlTools,
): Promise<UrlSource> {
  const name = fileName(url);
  let file: Promise<Downloaded> | undefined;
  const whole = (): Promise<Downloaded> => {
    file ??= fetchOnce(url, checksum, tools);
    return file;
  };
  const source: CopySource = {
    select: async () => [],
    content: async ({ handle }) => ({ file: tools.store.blobs.path(handle) }),
  };
  const content = checksum === undefined ? contentOf(await whole()) : `url ${checksum}`;
  return {
    source,
    selection: { name, path: name, content, entries: async () => [entryOf(await whole())] },
  };
}

/** The time is part of the result, and a server that changes it has changed the file. */
function contentOf({ digest, lastModified }: Downloaded): string {
  return `url ${digest} ${mtimeOf(lastModified)}`;
}

function entryOf({ digest, sizeBytes, lastModified }: Downloaded): SourceEntry {
  const mtime = mtimeOf(lastModified);
  return { path: '', type: 'file', mode: 0o600, uid: 0, gid: 0, mtime, sizeBytes, handle: digest };
}

/** As BuildKit: the epoch where the server says nothing. */
function mtimeOf(lastModified: string | undefined): number {
  const ms = lastModified === undefined ? Number.NaN : Date.parse(lastModified);
  return Number.isFinite(ms) ? Math.max(0, Math.floor(ms / 1000)) : 0;
}

/** The last part of the path, as BuildKit takes it. */
function fileName(url: string): string {
  const { pathname } = new URL(url);
  let path = pathname;
  try {
    path = decodeURIComponent(pathname);
  } catch {
    // Not UTF-8: the name stays as it is written.
  }
  const base = posix.basename(posix.normalize(path));
  return base === '' || base === '.' || base === '..' || base.includes('\0') ? '__unnamed__' : base;
}

async function fetchOnce(
  url: string,
  checksum: string | undefined,
  { store, allowed, maxBytes, timeoutMs, signal }: UrlTools,
): Promise<Downloaded> {
  const { blobs } = store;
  const memo = knownDownloads(store.directory);
  const known = await readMemo(memo, url);
  const isHere = known !== undefined && (await blobs.has(known.digest));
  if (isHere && checksum === known.digest) {
    await blobs.touch(known.digest);
    return known;
  }
  const guard = await AddressGuard.open(allowed);
  const temporary = await blobs.newTemporary();
  try {
    const options = { guard, file: temporary, maxBytes, timeoutMs, signal };
    const isAsked = isHere && (known.etag !== undefined || known.lastModified !== undefined);
    const got = await download(url, isAsked ? { ...options, known } : options);
    if (got === undefined && known !== undefined) {
      await blobs.touch(known.digest);
      return checked(url, known, checksum);
    }
    if (got === undefined) throw new SlipwayError('internal', 'nothing was fetched');
    checked(url, got, checksum);
    await blobs.commit(temporary, got.digest);
    await memo.open();
    await memo.put(memoKey(url), got);
    return got;
  } finally {
    await blobs.discard(temporary);
  }
}

function checked(url: string, got: Downloaded, checksum: string | undefined): Downloaded {
  if (checksum === undefined || checksum === got.digest) return got;
  throw new SlipwayError('step_failed', `${shownUrl(url)} has the checksum ${got.digest}, not ${checksum}`, {
    hint: 'the file has changed, or it is not the one that was meant',
  });
}

/** What was fetched from each URL the last time, in the store's directory. Can be thrown away. */
export function knownDownloads(directory: string): JsonFiles<Known> {
  return new JsonFiles(join(directory, 'downloads'), fetched);
}

function memoKey(url: string): string {
  return createHash('sha256').update(url).digest('hex');
}

async function readMemo(files: JsonFiles<Known>, url: string): Promise<Downloaded | undefined> {
  const found = await files.get(memoKey(url));
  if (found === undefined) return undefined;
  const { digest, sizeBytes, etag, lastModified } = found;
  return {
    digest,
    sizeBytes,
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
  };
}
