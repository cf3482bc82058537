/**
 * Writes a build's steps into the remote cache: what is there is merged, never replaced. A registry has no
 * compare-and-swap, so the tag is looked at before and after it is moved; who loses a race merges again.
 */
import { sleep } from '../../clock.js';
import { SlipwayError, toSlipwayError } from '../../errors.js';
import type { BlobStore } from '../../layers/blob-store.js';
import type { Layer } from '../../layers/layer.js';
import { type Artifact, artifactManifest } from '../../registry/artifact.js';
import type { RegistryClient } from '../../registry/client.js';
import { asDigest, type Descriptor, type Digest, digestOf } from '../../registry/image.js';
import type { PushLayer } from '../../registry/push.js';
import { formatReference } from '../../registry/reference.js';
import type { CachePlace } from './cache-place.js';
import { layersOf } from './cached.js';
import {
  type BuildRecord,
  CACHE_TYPE,
  type CacheBounds,
  type CacheIndex,
  EMPTY_INDEX,
  formatIndex,
  INDEX_BYTES,
  mergeIndex,
  parseIndex,
} from './remote-index.js';

export interface CacheExport {
  readonly registry: RegistryClient;
  readonly to: CachePlace;
  readonly bounds: CacheBounds;
  readonly blobs: BlobStore;
  readonly record: BuildRecord;
  /** Where layers are that are not here, by their digest. */
  readonly places: ReadonlyMap<string, CachePlace>;
  readonly signal: AbortSignal;
}

const TRIES = 5;
const SETTLE_MS = 150;

/** True when anything was new. Throws what the registry says, or `conflict` when others are always quicker. */
export async function exportCache(work: CacheExport): Promise<boolean> {
  const { registry, to, bounds, record, signal } = work;
  let doubtful = false;
  for (let tried = 0; tried < TRIES; tried++) {
    const there = await registry.artifact({ ...to, configType: CACHE_TYPE, maxBytes: INDEX_BYTES, signal });
    const index = (there && parseIndex(there.config)) ?? EMPTY_INDEX;
    const merged = mergeIndex(index, record, bounds);
    if (merged === undefined) return tried > 0;
    const { document, layers } = await exportable(work, merged, doubtful ? undefined : there);
    if (document.steps.length === 0) return false;
    const config = formatIndex(document);
    const manifest = artifactManifest(
      CACHE_TYPE,
      config,
      layers.map(({ descriptor }) => descriptor),
    );
    try {
      await registry.pushImage({ ...place(to), layers, config, manifest, tags: [], signal });
    } catch (error) {
      // A layer that the old index names is gone: the next try looks at each.
      if (doubtful || toSlipwayError(error).code !== 'layer_missing') throw error;
      doubtful = true;
      continue;
    }
    const looked = performance.now();
    if ((await tagged(work)) !== there?.digest) continue;
    await registry.tag({ ...place(to), manifest, tag: to.tag, signal });
    // Whoever looked at the tag before it was moved here has moved it by the end of this, also where all are slow.
    const settleMs = Math.max(SETTLE_MS, 4 * (performance.now() - looked));
    await sleep(settleMs * (1 + Math.random()), signal);
    if ((await tagged(work)) === digestOf(manifest)) {
      if (there !== undefined) await forget(work, there.digest);
      return true;
    }
  }
  throw new SlipwayError('conflict', 'other builders write the build cache all the time', {
    where: formatReference(to),
    temporary: true,
  });
}

/** The index before: else the registry would keep every layer that was ever in one. Some registries remove nothing. */
async function forget({ registry, to, signal }: CacheExport, digest: Digest): Promise<void> {
  await registry.deleteManifest(place(to), digest, signal).catch(() => undefined);
}

function tagged({ registry, to, signal }: CacheExport): Promise<Digest | undefined> {
  return registry.headManifest(place(to), to.tag, signal);
}

function place({ registry, repository }: CachePlace): { registry: string; repository: string } {
  return { registry, repository };
}

/** The steps whose layers can be had, here or in a registry; the others are dropped. */
async function exportable(
  { registry, to, blobs, places, signal }: CacheExport,
  index: CacheIndex,
  there: Artifact | undefined,
): Promise<{ document: CacheIndex; layers: readonly PushLayer[] }> {
  const named = new Set(there?.layers.map(({ digest }) => digest));
  const layers = new Map<string, PushLayer | undefined>();
  for (const layer of index.steps.flatMap(({ value }) => layersOf(value))) {
    if (layers.has(layer.digest)) continue;
    const descriptor = descriptorOf(layer);
    if (named.has(descriptor.digest)) layers.set(layer.digest, { descriptor, isThere: true });
    else if (await blobs.has(layer.digest)) {
      await blobs.touch(layer.digest);
      layers.set(layer.digest, { descriptor, file: blobs.path(layer.digest) });
    } else {
      const isThere = await registry.hasBlob(place(to), descriptor.digest, signal);
      const from = places.get(layer.digest);
      if (isThere) layers.set(layer.digest, { descriptor, isThere });
      else layers.set(layer.digest, from && carried(descriptor, from, { registry, to, blobs }));
    }
  }
  const steps = index.steps.filter(({ value }) =>
    layersOf(value).every(({ digest }) => layers.get(digest) !== undefined),
  );
  return {
    document: { ...index, steps },
    layers: [...layers.values()].filter((layer) => layer !== undefined),
  };
}

/** From another repository: within one registry without its bytes coming here, unless the registry cannot do that. */
function carried(
  descriptor: Descriptor,
  from: CachePlace,
  { registry, to, blobs }: Pick<CacheExport, 'registry' | 'to' | 'blobs'>,
): PushLayer {
  const file = async (signal: AbortSignal): Promise<string> => {
    const temporary = await blobs.newTemporary();
    try {
      await registry.fetchBlob(place(from), descriptor, temporary, signal);
      await blobs.commit(temporary, descriptor.digest);
    } finally {
      await blobs.discard(temporary);
    }
    return blobs.path(descriptor.digest);
  };
  return { descriptor, file, ...(from.registry === to.registry ? { mountFrom: from.repository } : {}) };
}

function descriptorOf({ mediaType, digest, sizeBytes }: Layer): Descriptor {
  return { mediaType, digest: asDigest(digest), size: sizeBytes };
}
