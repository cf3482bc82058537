/**
 * A tar archive of blobs and a few small files, the same bytes for the same content: no times, no owners. Written beside
 * its place and renamed, so that what is at the place is whole.
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { finished, pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { isErrno, SlipwayError } from '../errors.js';
import type { ExportedBlob } from './exportable.js';
import { blobPath } from './layout-files.js';

export interface ArchiveFile {
  readonly path: string;
  readonly bytes: Buffer;
}

/** The archive's bytes, in order: the blobs' directory, the blobs as given, the files as given. */
export async function writeArchive(
  blobs: readonly ExportedBlob[],
  files: readonly ArchiveFile[],
  to: NodeJS.WritableStream,
  signal: AbortSignal,
): Promise<void> {
  const archive = pack();
  const copied = pipeline(archive, to, { signal, end: false });
  copied.catch(() => {}); // its failure is thrown below, by whichever waits for it first
  try {
    for (const directory of ['blobs/', 'blobs/sha256/'])
      await addEntry(archive, { name: directory, type: 'directory', mode: 0o755 });
    for (const blob of blobs) await addBlob(archive, blob, signal);
    for (const { path, bytes } of files) await addEntry(archive, { name: path, mode: 0o444 }, bytes);
    archive.finalize();
  } catch (error) {
    archive.destroy(error as Error);
    await copied.catch(() => {});
    throw error;
  }
  await copied;
}

/** Calls `write` with a stream into the file `dest`; `-` is `stdout`. */
export async function writtenTo(
  dest: string,
  stdout: NodeJS.WritableStream,
  write: (stream: NodeJS.WritableStream) => Promise<void>,
): Promise<void> {
  if (dest === '-') return write(stdout);
  const found = await statOrNothing(dest);
  if (found?.isDirectory())
    throw new SlipwayError('bad_request', `${dest} is a directory`, {
      hint: 'name a file for the archive, or add tar=false to write an OCI layout into the directory',
    });
  // A pipe or a device is written to, not replaced.
  const isSpecial = found !== undefined && !found.isFile();
  const path = isSpecial ? dest : `${dest}.${process.pid}.partial`;
  try {
    const stream = createWriteStream(path, { mode: 0o644 });
    try {
      await once(stream, 'open');
      await write(stream);
    } finally {
      stream.end();
      await finished(stream);
    }
    if (!isSpecial) await rename(path, dest);
  } catch (error) {
    if (!isSpecial) await rm(path, { force: true });
    if (isErrno(error, 'ENOENT'))
      throw new SlipwayError('bad_request', `${dest} cannot be written: there is no such directory`, {
        hint: 'make the directory first',
        cause: error,
      });
    throw error;
  }
}

interface Header {
  readonly name: string;
  readonly mode: number;
  readonly type?: 'directory';
}

async function addBlob(archive: Pack, blob: ExportedBlob, signal: AbortSignal): Promise<void> {
  const header = { name: blobPath(blob.digest), mode: 0o444 };
  if (Buffer.isBuffer(blob.content)) return addEntry(archive, header, blob.content);
  const path = await blob.content();
  const entry = archive.entry({ ...header, ...PLAIN, size: blob.sizeBytes });
  await pipeline(createReadStream(path), entry, { signal });
}

/** Who made it and when is nobody's matter. */
const PLAIN = { mtime: new Date(0), uid: 0, gid: 0, uname: '', gname: '' };

function addEntry(archive: Pack, header: Header, bytes: Buffer = Buffer.alloc(0)): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.entry({ ...header, ...PLAIN }, bytes, (error) => (error ? reject(error) : resolve()));
  });
}

async function statOrNothing(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
