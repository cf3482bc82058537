/** An OCI image layout as a directory. One that is there already keeps its other images, as with docker. */
import { constants } from 'node:fs';
import { copyFile, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno, SlipwayError } from '../errors.js';
import type { ExportedBlob, ExportedDescriptor } from './exportable.js';
import { blobPath, indexFile, LAYOUT_FILE, NAME_ANNOTATION } from './layout-files.js';

/** Throws `bad_request` when `directory` is something else. The index is replaced last. */
export async function writeLayoutDirectory(
  directory: string,
  blobs: readonly ExportedBlob[],
  entries: readonly ExportedDescriptor[],
): Promise<void> {
  const found = await stat(directory).catch(() => undefined);
  if (found !== undefined && !found.isDirectory())
    throw new SlipwayError('bad_request', `${directory} is not a directory`, {
      hint: 'leave out tar=false to write an archive, or name a directory',
    });
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true });
  for (const blob of blobs) await putBlob(join(directory, blobPath(blob.digest)), blob);
  await replace(join(directory, 'oci-layout'), LAYOUT_FILE);
  const others = (await earlierEntries(directory)).filter((earlier) => !isReplaced(earlier, entries));
  await replace(join(directory, 'index.json'), indexFile([...others, ...entries]));
}

type Earlier = Partial<ExportedDescriptor>;

/** By the same name; without one, by the same digest. */
function isReplaced(earlier: Earlier, entries: readonly ExportedDescriptor[]): boolean {
  const name = earlier.annotations?.[NAME_ANNOTATION];
  return entries.some((entry) =>
    name === undefined ? earlier.digest === entry.digest : entry.annotations?.[NAME_ANNOTATION] === name,
  );
}

async function earlierEntries(directory: string): Promise<readonly Earlier[]> {
  const path = join(directory, 'index.json');
  try {
    const index: unknown = JSON.parse(await readFile(path, 'utf8'));
    const manifests = (index as { manifests?: unknown } | null)?.manifests;
    return Array.isArray(manifests) ? (manifests as Earlier[]).filter((each) => each !== null) : [];
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw new SlipwayError('bad_request', `${path} is not the index of an OCI layout`, {
      hint: 'name another directory',
      cause: error,
    });
  }
}

async function putBlob(path: string, blob: ExportedBlob): Promise<void> {
  const there = await stat(path).catch(() => undefined);
  if (there?.isFile() && there.size === blob.sizeBytes) return;
  if (Buffer.isBuffer(blob.content)) return replace(path, blob.content);
  await copyBlob(await blob.content(), path);
}

/** Never a hard link: whoever writes into the copy must not write into the store. Shares blocks where the file system can. */
async function copyBlob(from: string, to: string): Promise<void> {
  const partial = `${to}.${process.pid}.partial`;
  try {
    await rm(partial, { force: true });
    await copyFile(from, partial, constants.COPYFILE_FICLONE);
    await rename(partial, to);
  } finally {
    await rm(partial, { force: true });
  }
}

async function replace(path: string, bytes: Buffer): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await rm(partial, { force: true });
    // Exclusively: what somebody else put at that name is not written through.
    await using file = await open(partial, 'wx', 0o644);
    await file.writeFile(bytes);
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}
