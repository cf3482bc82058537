/**
 * The files of an image archive or layout, by their names in it. An archive may come from anywhere: its names are never
 * given to the file system, sizes are limited, and every file is known by the hash of its bytes.
 */
import { createHash } from 'node:crypto';
import { constants, createReadStream, createWriteStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { SlipwayError } from '../errors.js';

export interface StoredFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** `sha256:<hex>` of its bytes as they were read. */
  readonly digest: string;
}

export interface ArchiveFiles {
  /** Undefined when there is no such file. */
  file(name: string): Promise<StoredFile | undefined>;
}

const ENTRIES = 100_000;
const LINKS = 10;

/** Unpacks a tar, gzipped or not, into files of `scratch`, which the caller removes. Throws `image_invalid`. */
export async function unpackArchive(
  source: Readable,
  where: string,
  scratch: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<ArchiveFiles> {
  const files = new Map<string, StoredFile>();
  const links = new Map<string, string>();
  const tar = extract();
  const archive = await maybeGunzipped(source);
  const fed = pipeline(archive, tar, { signal });
  fed.catch(() => {});
  let left = maxBytes;
  let count = 0;
  try {
    for await (const entry of tar) {
      const { name, type, linkname, size = 0 } = entry.header;
      if (++count > ENTRIES) throw invalid(where, `it has more than ${ENTRIES} entries`);
      const plain = plainName(name);
      left -= size;
      if (left < 0) throw invalid(where, `it holds more than ${maxBytes} bytes`);
      if (type === 'file' || type === 'contiguous-file') {
        const path = join(scratch, `${count}`);
        const digest = await write(entry, path, signal);
        links.delete(plain);
        files.set(plain, { path, sizeBytes: size, digest });
      } else {
        if ((type === 'symlink' || type === 'link') && linkname)
          links.set(
            plain,
            type === 'link' ? plainName(linkname) : posix.join(posix.dirname(plain), linkname),
          );
        entry.resume();
      }
    }
    await fed;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof SlipwayError || (error as NodeJS.ErrnoException).code === 'ENOSPC') throw error;
    throw invalid(where, `it is not a tar archive: ${(error as Error).message}`, error);
  }
  return {
    async file(name) {
      // docker save writes a layer that is there twice as a link to its other place.
      let at = plainName(name);
      for (let hops = 0; hops < LINKS && !files.has(at); hops++) {
        const target = links.get(at);
        if (target === undefined) return undefined;
        at = target;
      }
      return files.get(at);
    },
  };
}

/** An OCI layout's directory: plain files only, and nothing outside of it. */
export function layoutFiles(directory: string): ArchiveFiles {
  return {
    async file(name) {
      if (!/^(?:oci-layout|index\.json|blobs\/sha256\/[0-9a-f]{64})$/.test(name)) return undefined;
      const path = join(directory, name);
      const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
        () => undefined,
      );
      if (handle === undefined) return undefined;
      await using file = handle;
      const stats = await file.stat();
      if (!stats.isFile()) return undefined;
      const hash = createHash('sha256');
      for await (const chunk of file.createReadStream({ autoClose: false })) hash.update(chunk as Buffer);
      return { path, sizeBytes: stats.size, digest: `sha256:${hash.digest('hex')}` };
    },
  };
}

export async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

export function fileStream(path: string): Readable {
  return createReadStream(path);
}

async function write(entry: AsyncIterable<unknown>, path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(
    entry,
    async function* (chunks: AsyncIterable<unknown>) {
      for await (const chunk of chunks) {
        hash.update(chunk as Uint8Array);
        yield chunk;
      }
    },
    createWriteStream(path, { flags: 'wx', mode: 0o600 }),
    { signal },
  );
  return `sha256:${hash.digest('hex')}`;
}

async function maybeGunzipped(source: Readable): Promise<Readable> {
  const first = await firstChunk(source);
  return first[0] === 0x1f && first[1] === 0x8b ? source.pipe(forwardingErrors(source)) : source;
}

function forwardingErrors(source: Readable): ReturnType<typeof createGunzip> {
  const gunzip = createGunzip();
  source.once('error', (error) => gunzip.destroy(error));
  return gunzip;
}

/** Put back, so that whoever reads the stream gets it too. */
async function firstChunk(source: Readable): Promise<Buffer> {
  await new Promise<void>((resolve, reject) => {
    source.once('readable', resolve);
    source.once('error', reject);
    source.once('end', resolve);
  });
  const chunk: unknown = source.read();
  if (!Buffer.isBuffer(chunk)) return Buffer.alloc(0);
  source.unshift(chunk);
  return chunk;
}

function plainName(name: string): string {
  return posix.normalize(`/${name}`).slice(1).replace(/\/$/, '');
}

function invalid(where: string, message: string, cause?: unknown): SlipwayError {
  return new SlipwayError('image_invalid', message, { where, ...(cause === undefined ? {} : { cause }) });
}
