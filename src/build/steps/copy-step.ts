/** Writes the layer of a COPY or ADD, straight from the sources' bytes. */
import { openLayerWriter, type TarCopy } from '../../../native/index.js';
import type { CopyStep } from '../../dockerfile/step.js';
import { threadsOf } from '../../fast-paths.js';
import type { Layer } from '../../layers/layer.js';
import { LayoutBesides } from '../../layers/layout-besides.js';
import type { BuilderStore } from '../builder-store.js';
import { CONTEXT_MTIME } from '../context/context-selection.js';
import { parseChmod } from '../copy/chmod.js';
import { type CopiedSource, type Owner, planCopy } from '../copy/copy.js';
import type { Destination, TreeEntry } from '../copy/destination.js';
import type { LayerPlan, PlannedEntry } from '../copy/layer-plan.js';
import { LAYER_TYPE } from '../image.js';
import { rememberWhole, thinCopy } from '../thin/thin-copy.js';
import type { Executed } from './execution.js';
import { openContents } from './layer-contents.js';

/** Bytes that one batch hands to the layer writer; bounds the memory of a COPY. */
const BATCH_BYTES = 4 * 1024 * 1024;
const BATCH_ENTRIES = 4096;

/** `chown` is resolved already, since names are looked up in the files below. */
export function planCopyLayer(
  step: Pick<CopyStep, 'destination' | 'chmod'>,
  sources: readonly CopiedSource[],
  onto: Destination,
  chown: Owner | undefined,
  signal: AbortSignal,
): Promise<LayerPlan> {
  return planCopy(sources, onto, {
    destination: step.destination,
    directoryMtime: CONTEXT_MTIME,
    signal,
    ...(chown === undefined ? {} : { chown }),
    ...(step.chmod === undefined ? {} : { chmod: parseChmod(step.chmod) }),
  });
}

export interface PlannedLayer {
  /** Made as onto nothing. */
  readonly isLinked: boolean;
  readonly onto: Destination;
  /** Where it may be a thin layer: names the COPY, see thin/. */
  readonly place: string | undefined;
  /** See Selection.tree; where the layer is of one alone. */
  readonly tree: string | undefined;
  /** It is whole: nothing of earlier builds is used. */
  readonly noCache: boolean;
  /** The layers that it is laid out on for a step that follows, bottom first; absent where none needs that. */
  readonly layOutOn?: readonly Layer[];
  readonly store: BuilderStore;
  readonly signal: AbortSignal;
}

/** Writes the layer, or the thin one that makes the same of a whole layer of an earlier build. */
export async function writePlanned(plan: LayerPlan, to: PlannedLayer): Promise<Executed> {
  const { isLinked, onto, place, tree, noCache, store, signal } = to;
  const planned = plan.entries();
  // What a file of the layer hides without knowing it shows only when it is laid out.
  const entries = isLinked || plan.hides ? {} : { entries: async () => entriesOf(planned) };
  const thin = place === undefined || noCache ? undefined : await thinCopy(place, planned, onto, store);
  if (thin !== undefined) {
    const layer = await writeLayer(thin.entries, store, signal);
    return { layer, under: thin.under, ...entries };
  }
  const layer = await writeLaidOut(planned, to);
  const whole = { layer, ...(tree === undefined ? {} : { tree }) };
  if (place !== undefined) await rememberWhole(place, planned, whole, store);
  return { layer, ...entries };
}

/** With less, laying it out later takes no time. */
const LEAST_BESIDES = 200;

async function writeLaidOut(
  planned: readonly PlannedEntry[],
  { layOutOn, store, signal }: PlannedLayer,
): Promise<Layer> {
  if (layOutOn === undefined || !store.fast.besides || planned.length < LEAST_BESIDES)
    return writeLayer(planned, store, signal);
  await using layout = await LayoutBesides.begin(store.layers, isOfContext(planned));
  const layer = await writeLayer(planned, store, signal, layout.tar);
  await layout.keep(layer, layOutOn);
  return layer;
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
  copy?: TarCopy,
): Promise<Layer> {
  await using contents = openContents(planned, store.fast.stream, signal);
  const temporary = await store.blobs.newTemporary();
  const writer = openLayerWriter({
    path: temporary,
    compression: 'gzip',
    ...threadsOf(store.fast),
    ...(copy === undefined ? {} : { copy }),
  });
  try {
    let last: Promise<void> = Promise.resolve();
    for (let next = 0; next < planned.length; ) {
      signal.throwIfAborted();
      const batch: PlannedEntry[] = [];
      for (
        let bytes = 0;
        next < planned.length && bytes < BATCH_BYTES && batch.length < BATCH_ENTRIES;
        next++
      ) {
        const entry = planned[next] as PlannedEntry;
        bytes += contents.heldBytes(entry);
        batch.push(entry);
      }
      const entries = await Promise.all(batch.map((entry) => contents.contentOf(entry)));
      // One batch is made ready while the other is written.
      await last;
      last = writer.write(entries);
    }
    const written = await writer.finish();
    await store.blobs.commit(temporary, written.digest);
    const { diffId, digest, sizeBytes } = written;
    const freshTimes = isOfContext(planned) ? { freshTimes: true } : {};
    return { diffId, digest, sizeBytes, mediaType: LAYER_TYPE, ...freshTimes };
  } catch (error) {
    await writer.abort().catch(() => undefined);
    await store.blobs.discard(temporary);
    throw await contents.failure(error);
  }
}

function isOfContext(planned: readonly PlannedEntry[]): boolean {
  return planned.every(({ entry }) => entry.type !== 'file' || entry.mtime === CONTEXT_MTIME);
}
