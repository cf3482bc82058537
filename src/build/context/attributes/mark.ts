/** Marks the files of a commit whose bytes in a checkout are not those of their blobs. */
import type { ContextEntry } from '../context.js';
import type { Opened, Special } from '../git-tree.js';
import { attributesOf } from './attributes.js';
import { converted } from './convert.js';
import { mayBePointer, missingObject, parsePointer, storedObject } from './lfs.js';

/** Adds to `specials` how they are read, and to `ids` what their content is known by; both by path. */
export async function markAttributes(
  entries: readonly ContextEntry[],
  { commit, subdirectory, source, signal }: Opened,
  specials: Map<string, Special>,
  ids: Map<string, string>,
): Promise<void> {
  const place = { ...source, commit, directory: subdirectory, ...(signal === undefined ? {} : { signal }) };
  const attributes = await attributesOf(entries, place);
  if (attributes.size === 0) return;
  for (const { path, type, oid, sizeBytes } of entries) {
    const found = type === 'file' ? attributes.get(path) : undefined;
    if (found === undefined) continue;
    const { conversion, lfs } = found;
    const pointer =
      lfs && mayBePointer(sizeBytes) ? parsePointer((await source.objects.read(oid)).data) : undefined;
    if (pointer !== undefined) {
      const file = await storedObject(source.gitDir, pointer);
      const { sha256 } = pointer;
      ids.set(path, file === undefined ? `lfs pointer ${oid}` : `lfs ${sha256}`);
      const stored = { read: async () => ({ file: file as string, sha256 }) };
      specials.set(path, file === undefined ? { refused: missingObject(path) } : stored);
    } else if (conversion !== undefined) {
      ids.set(path, `${oid} ${conversion}`);
      specials.set(path, {
        read: async () => ({ data: await converted(oid, conversion, sizeBytes, source) }),
      });
    }
  }
}
