/** Whether a registry has an image whole: one that answers, or the directory of one that does not run (CNCF Distribution's). */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno, SlipwayError } from '../errors.js';
import type { ReleaseImage } from '../model/release.js';
import type { RegistryClient } from '../registry/client.js';
import { asDigest, digestOf, isDigest, parseManifest } from '../registry/image.js';

export type HasImage = (image: ReleaseImage) => Promise<boolean>;

/** Of each image the manifest and all that it names. */
export function imagesIn(registry: RegistryClient, host: string): HasImage {
  return async ({ repository, digest }) => {
    const place = { registry: host, repository };
    const blobs = await registry.blobsOf(place, asDigest(digest));
    if (blobs === undefined) return false;
    for (const blob of blobs.keys()) if (!(await registry.hasBlob(place, blob))) return false;
    return true;
  };
}

/** Throws `not_found` when the directory is no registry's. */
export async function imagesInDirectory(directory: string): Promise<HasImage> {
  const root = join(directory, 'docker', 'registry', 'v2');
  if (!(await isThere(root)))
    throw new SlipwayError('not_found', 'this is not the directory of a registry', {
      where: directory,
      hint: 'it has docker/registry/v2 below it; in a home it is called registry',
    });
  const blob = (digest: string): string => {
    const hex = digest.slice('sha256:'.length);
    return join(root, 'blobs', 'sha256', hex.slice(0, 2), hex, 'data');
  };
  return async ({ repository, digest }) => {
    const link = ['_manifests', 'revisions', 'sha256', digest.slice('sha256:'.length), 'link'];
    if (!isDigest(digest) || !(await isThere(join(root, 'repositories', repository, ...link)))) return false;
    const bytes = await readFile(blob(digest)).catch(() => undefined);
    if (bytes === undefined || digestOf(bytes) !== digest) return false;
    const document = parseManifest(bytes, undefined, digest);
    const named = document.kind === 'index' ? [] : [document.manifest.config, ...document.manifest.layers];
    for (const each of named) if ((await sizeOf(blob(each.digest))) !== each.size) return false;
    return true;
  };
}

async function isThere(path: string): Promise<boolean> {
  return (await sizeOf(path)) !== undefined;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (thrown) {
    if (isErrno(thrown, 'ENOENT') || isErrno(thrown, 'ENOTDIR')) return undefined;
    throw thrown;
  }
}
