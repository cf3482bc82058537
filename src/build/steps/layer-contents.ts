/** The bytes of a layer's files, from wherever they come: many of one source in a stream, the others one by one. */
import type { LayerEntry } from '../../../native/index.js';
import type { ContentStream, CopySource, SourceEntry } from '../copy/copy-source.js';
import type { PlannedEntry } from '../copy/layer-plan.js';

/** Starting a stream costs as much as asking for some dozens of files. */
const STREAMED_FILES = 48;

export interface LayerContents extends AsyncDisposable {
  /** In the order of the layer, each entry once. */
  contentOf(planned: PlannedEntry): LayerEntry | Promise<LayerEntry>;
  /** Bytes that `contentOf` would hold in memory. */
  heldBytes(planned: PlannedEntry): number;
  /** What to throw when the layer could not be written because of `error`. */
  failure(error: unknown): Promise<unknown>;
}

export function openContents(
  planned: readonly PlannedEntry[],
  isStreamed: boolean,
  signal: AbortSignal,
): LayerContents {
  const streams = isStreamed ? openStreams(planned, signal) : new Map<CopySource, ContentStream>();
  const streamed = ({ from }: PlannedEntry): ReturnType<ContentStream['contentOf']> =>
    from === undefined ? undefined : streams.get(from.source)?.contentOf(from.file);
  return {
    contentOf: (one) => {
      const { entry, from } = one;
      if (from === undefined) return entry;
      const content = streamed(one);
      return content === undefined ? read(entry, from) : { ...entry, ...content };
    },
    heldBytes: (one) => (streamed(one) === undefined ? (one.from?.file.sizeBytes ?? 0) : 0),
    failure: async (error) => {
      let failure = error;
      for (const stream of streams.values()) failure = await stream.failure(failure);
      return failure;
    },
    [Symbol.asyncDispose]: async () => {
      for (const stream of streams.values()) await stream[Symbol.asyncDispose]();
    },
  };
}

async function read(entry: LayerEntry, from: NonNullable<PlannedEntry['from']>): Promise<LayerEntry> {
  return { ...entry, ...(await from.source.content(from.file)) };
}

function openStreams(
  planned: readonly PlannedEntry[],
  signal: AbortSignal,
): ReadonlyMap<CopySource, ContentStream> {
  const files = new Map<CopySource, SourceEntry[]>();
  for (const { from } of planned) {
    if (from?.source.stream === undefined) continue;
    const known = files.get(from.source);
    if (known === undefined) files.set(from.source, [from.file]);
    else known.push(from.file);
  }
  const streams = new Map<CopySource, ContentStream>();
  for (const [source, wanted] of files) {
    const stream = wanted.length < STREAMED_FILES ? undefined : source.stream?.(wanted, signal);
    if (stream !== undefined) streams.set(source, stream);
  }
  return streams;
}
