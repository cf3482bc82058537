/** Files that Git LFS keeps elsewhere: what the repository holds is a pointer, which must never pass for the file. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SlipwayError } from '../../../errors.js';

/** As the specification of Git LFS has it: shorter than 1024 bytes, sorted keys, the version first. */
const MAX_POINTER_BYTES = 1024;

export interface LfsPointer {
  /** SHA-256 of the file, as hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

export function mayBePointer(sizeBytes: number): boolean {
  return sizeBytes < MAX_POINTER_BYTES;
}

/** Undefined for a file that is not a pointer, and is then itself what a checkout holds. */
export function parsePointer(data: Buffer): LfsPointer | undefined {
  const text = data.toString('latin1');
  if (!/^version https:\/\/git-lfs\.github\.com\/spec\/v1\n/.test(text)) return undefined;
  const sha256 = /^oid sha256:([0-9a-f]{64})$/m.exec(text)?.[1];
  const size = /^size (\d{1,15})$/m.exec(text)?.[1];
  // One that cannot be read is a pointer all the same: no object has this id.
  return { sha256: sha256 ?? '', sizeBytes: Number(size ?? -1) };
}

/** Where the object is, if the repository's own store has it. */
export async function storedObject(
  gitDir: string,
  { sha256, sizeBytes }: LfsPointer,
): Promise<string | undefined> {
  if (sha256 === '') return undefined;
  const file = join(gitDir, 'lfs', 'objects', sha256.slice(0, 2), sha256.slice(2, 4), sha256);
  const found = await stat(file).catch(() => undefined);
  return found?.isFile() && found.size === sizeBytes ? file : undefined;
}

export function missingObject(path: string): SlipwayError {
  return new SlipwayError(
    'context_invalid',
    `"${path}" is in Git LFS, and the commit holds only a pointer to it (filter=lfs in .gitattributes)`,
    {
      hint: `commit the file itself (git lfs migrate export --include="${path}"), or leave it out with .dockerignore`,
    },
  );
}
