/** Executes a COPY (or an ADD of local files): selects, keys, and writes the layer straight from the source's bytes. */
import { open } from 'node:fs/promises';
import { type LayerEntry, openLayerWriter } from '../../../native/index.js';
import { archiveFormat, refuseArchive } from '../../dockerfile/add.js';
import type { CopyStep } from '../../dockerfile/types.js';
import { SlipwayError } from '../../errors.js';
import type { Layer } from '../../layers/layer.js';
import type { BuilderStore } from '../builder-store.js';
import { hashOf } from '../cache/keys.js';
import { CONTEXT_MTIME } from '../context/context-selection.js';
import { parseChmod } from '../copy/chmod.js';
import { isDirectoryPath, type Owner, type PlannedEntry, planCopy } from '../copy/copy.js';
import type { CopySource, Selection } from '../copy/copy-source.js';
import type { Destination, TreeEntry } from '../copy/destination.js';
import { LAYER_TYPE } from '../image.js';

export interface SelectedSource {
  readonly argument: string;
  readonly source: CopySource;
  readonly selection: Selection;
}

/** Bytes that one batch hands to the layer writer; bounds the memory of a COPY. */
const BATCH_BYTES = 4 * 1024 * 1024;
const BATCH_ENTRIES = 1024;

/** Everything that the instruction names, in order; heredocs come last. */
export async function selectSources(step: CopyStep, source: CopySource): Promise<readonly SelectedSource[]> {
  const selected: SelectedSource[] = [];
  for (const wanted of step.sources) {
    if (wanted.kind !== 'path') throw new SlipwayError('internal', `${wanted.kind} sources come later`);
    const { path: argument, pivot } = wanted;
    const { parents, exclude } = step;
    const selector = { path: argument, parents, exclude, ...(pivot === undefined ? {} : { pivot }) };
    for (const selection of await source.select(selector)) selected.push({ argument, source, selection });
  }
  for (const heredoc of step.heredocs) selected.push(inlineFile(heredoc.name, heredoc.content));
  if (selected.length > 1 && !isDirectoryPath(step.destination)) {
    throw new SlipwayError(
      'dockerfile_invalid',
      `several sources are copied to "${step.destination}", which is not written as a directory`,
      {
        hint: `end the destination with a slash: ${step.destination}/`,
      },
    );
  }
  return selected;
}

/** ADD unpacks what is an archive by its content (Dockerfile reference, "ADD"); that is refused, never copied instead. */
export async function refuseArchives(selected: readonly SelectedSource[], where: string): Promise<void> {
  for (const { argument, source, selection } of selected) {
    const [root] = await selection.entries();
    if (root?.type !== 'file') continue;
    const format = archiveFormat(await headOf(await source.content(root)));
    if (format !== undefined) throw refuseArchive(argument, format, where);
  }
}

/** A tar header has 512 bytes; every other mark of an archive is in fewer. */
const HEAD_BYTES = 512;

async function headOf(content: Awaited<ReturnType<CopySource['content']>>): Promise<Uint8Array> {
  if ('data' in content) return content.data.subarray(0, HEAD_BYTES);
  const file = await open(content.file);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

export interface WrittenCopy {
  readonly layer: Layer;
  /** The layer's entries, so that later steps see them without a lay-out. */
  readonly entries: ReadonlyMap<string, TreeEntry>;
}

/** Writes the layer. `chown` is resolved already, since names are looked up in the files below. */
export async function writeCopyLayer(
  step: CopyStep,
  selected: readonly SelectedSource[],
  onto: Destination,
  chown: Owner | undefined,
  store: BuilderStore,
  signal: AbortSignal,
): Promise<WrittenCopy> {
  const planned = await planCopy(selected, onto, {
    destination: step.destination,
    directoryMtime: CONTEXT_MTIME,
    ...(chown === undefined ? {} : { chown }),
    ...(step.chmod === undefined ? {} : { chmod: parseChmod(step.chmod) }),
  });
  const layer = await writeLayer(planned, store, signal);
  return { layer, entries: entriesOf(planned) };
}

export function entriesOf(planned: readonly PlannedEntry[]): ReadonlyMap<string, TreeEntry> {
  return new Map(planned.map(({ entry }) => [entry.path, entry]));
}

/**
 * One layer from planned entries, streamed in batches into the blob store. It is laid out with fresh times if all its
 * files are the context's, whichever way they came: by COPY, or through another stage.
 */
export async function writeLayer(
  planned: readonly PlannedEntry[],
  store: BuilderStore,
  signal: AbortSignal,
): Promise<Layer> {
  const temporary = await store.blobs.newTemporary();
  const writer = openLayerWriter({ path: temporary, compression: 'gzip' });
  try {
    for (let next = 0; next < planned.length; ) {
      signal.throwIfAborted();
      const batch: PlannedEntry[] = [];
      for (
        let bytes = 0;
        next < planned.length && bytes < BATCH_BYTES && batch.length < BATCH_ENTRIES;
        next++
      ) {
        const entry = planned[next] as PlannedEntry;
        bytes += entry.from?.file.sizeBytes ?? 0;
        batch.push(entry);
      }
      await writer.write(await Promise.all(batch.map(withContent)));
    }
    const written = await writer.finish();
    await store.blobs.commit(temporary, written.digest);
    const { diffId, digest, sizeBytes } = written;
    const isOfContext = planned.every(({ entry }) => entry.type !== 'file' || entry.mtime === CONTEXT_MTIME);
    return { diffId, digest, sizeBytes, mediaType: LAYER_TYPE, ...(isOfContext ? { freshTimes: true } : {}) };
  } catch (error) {
    await writer.abort().catch(() => undefined);
    await store.blobs.discard(temporary);
    throw error;
  }
}

async function withContent({ entry, from }: PlannedEntry): Promise<LayerEntry> {
  return from === undefined ? entry : { ...entry, ...(await from.source.content(from.file)) };
}

/** A heredoc's file: named by its delimiter, 0644, root's (Dockerfile reference, "Here-Documents"). */
function inlineFile(name: string, text: string): SelectedSource {
  const data = Buffer.from(text);
  const file = {
    path: '',
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: CONTEXT_MTIME,
    sizeBytes: data.length,
    handle: name,
  } as const;
  return {
    argument: `<<${name}`,
    selection: { name, path: name, content: `inline:${hashOf([text])}`, entries: async () => [file] },
    source: { select: async () => [], content: async () => ({ data }) },
  };
}
