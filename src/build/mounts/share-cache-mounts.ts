/**
 * Cache mounts that builders share through a registry: an artifact whose document names the caches of a scope, each a
 * layer. Like a build cache it only saves work; unlike one, what is here goes before what is there.
 */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { applyLayer, type WrittenLayer, writeUpperLayer } from '../../../native/index.js';
import { toSlipwayError } from '../../errors.js';
import { artifactManifest } from '../../registry/artifact.js';
import type { RegistryClient } from '../../registry/client.js';
import { asDigest, type Descriptor } from '../../registry/image.js';
import type { PushLayer } from '../../registry/push.js';
import type { BuilderStore } from '../builder-store.js';
import type { CachePlace } from '../cache/cache-place.js';
import { CacheMounts, type StoredCacheMount } from './cache-mounts.js';

const CACHE_MOUNTS_TYPE = 'application/vnd.slipway.cache-mounts.v1+json';
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+zstd';
const DOCUMENT_BYTES = 1024 * 1024;

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const id = z.number().int().min(0).max(0xffff_fffe);
const sharedMount = z.object({
  id: z.string().max(4096),
  seed: z.string().max(200).exactOptional(),
  mode: z.number().int().min(0).max(0o7777),
  uid: id,
  gid: id,
  diffId: digest,
  digest,
  sizeBytes: z.number().int().nonnegative(),
});
const sharedDocument = z.object({ scope: z.string(), mounts: z.array(sharedMount).max(1000) });
type SharedMount = z.infer<typeof sharedMount>;

/** How a cache was shared last, and when it had been used then. */
const sharedNote = z.object({ mount: sharedMount, usedAt: z.number() });

export interface ShareTools {
  readonly registry: RegistryClient;
  readonly store: BuilderStore;
  readonly signal: AbortSignal;
}

/** Lays out what the artifact has of caches that are not here. Returns their ids. Throws what the registry says. */
export async function importCacheMounts(
  scope: string,
  from: CachePlace,
  tools: ShareTools,
): Promise<readonly string[]> {
  const caches = new CacheMounts(tools.store.directory);
  const imported: string[] = [];
  for (const mount of await readShared(scope, from, tools)) {
    const name = { scope, id: mount.id, ...(mount.seed === undefined ? {} : { seed: mount.seed }) };
    if (await caches.has(name)) continue;
    const { mode, uid, gid } = mount;
    const fill = (directory: string): Promise<void> => fetchInto(directory, mount, from, tools);
    const held = await caches.take({
      ...name,
      mode,
      uid,
      gid,
      sharing: 'shared',
      fill,
      signal: tools.signal,
    });
    await held.release();
    imported.push(mount.id);
    // As it is there: it is written again when a step has used it.
    const stored = newestOf(await caches.list(scope)).find((each) => nameOf(each) === nameOf(mount));
    if (stored !== undefined) await note(stored, mount);
  }
  return imported;
}

/**
 * Writes the caches of a scope that were used since they were written last; what others wrote stays. One in use now is
 * left out. Returns the ids of those that were written. Throws what the registry says.
 */
export async function exportCacheMounts(
  scope: string,
  to: CachePlace,
  tools: ShareTools,
): Promise<readonly string[]> {
  const { store } = tools;
  const here = newestOf(await new CacheMounts(store.directory).list(scope));
  const stale: StoredCacheMount[] = [];
  for (const mount of here) if ((await noteOf(mount))?.usedAt !== mount.lastUsedAt) stale.push(mount);
  if (stale.length === 0) return [];
  const there = await readShared(scope, to, tools);
  const shared = new Map(there.map((mount) => [nameOf(mount), mount]));
  const files = new Map<string, string>();
  const written: { stored: StoredCacheMount; mount: SharedMount }[] = [];
  try {
    for (const stored of stale) {
      const mount = await writeMount(stored, files, tools);
      if (mount === undefined) continue;
      written.push({ stored, mount });
      shared.set(nameOf(mount), mount);
    }
    if (written.length === 0) return [];
    const push = (mounts: readonly SharedMount[]): Promise<void> =>
      pushMounts({ scope, mounts }, files, there, to, tools);
    try {
      await push([...shared.values()]);
    } catch (error) {
      // A layer that others wrote is gone from the registry: it is left out.
      if (toSlipwayError(error).code !== 'layer_missing') throw error;
      await push(written.map(({ mount }) => mount));
    }
    for (const { stored, mount } of written) {
      await note(stored, mount);
    }
    return written.map(({ mount }) => mount.id);
  } finally {
    for (const file of files.values()) await store.blobs.discard(file);
  }
}

async function pushMounts(
  document: { readonly scope: string; readonly mounts: readonly SharedMount[] },
  files: ReadonlyMap<string, string>,
  there: readonly SharedMount[],
  { registry: host, repository, tag }: CachePlace,
  { registry, signal }: ShareTools,
): Promise<void> {
  const layers = uniqueLayers(document.mounts, files, new Set(there.map(({ digest }) => digest)));
  const config = Buffer.from(JSON.stringify(document));
  const manifest = artifactManifest(
    CACHE_MOUNTS_TYPE,
    config,
    layers.map(({ descriptor }) => descriptor),
  );
  await registry.pushImage({ registry: host, repository, layers, config, manifest, tags: [tag], signal });
}

/** What was shared there of another scope, as of an app that had the name before, counts for nothing. */
async function readShared(
  scope: string,
  place: CachePlace,
  { registry, signal }: ShareTools,
): Promise<readonly SharedMount[]> {
  const artifact = await registry.artifact({
    ...place,
    configType: CACHE_MOUNTS_TYPE,
    maxBytes: DOCUMENT_BYTES,
    signal,
  });
  const parsed = sharedDocument.safeParse(parseJson(artifact?.config.toString('utf8') ?? '{}'));
  return parsed.success && parsed.data.scope === scope ? parsed.data.mounts : [];
}

/** More than fetching would be worth. */
const MOUNT_BYTES = 64 * 1024 ** 3;
/** What zstd makes of a database's file that is empty yet. */
const MOUNT_RATIO = 1_000_000;

async function fetchInto(
  directory: string,
  mount: SharedMount,
  { registry, repository }: CachePlace,
  tools: ShareTools,
): Promise<void> {
  const { blobs } = tools.store;
  const blob = await blobs.newTemporary();
  try {
    const source = { registry, repository };
    await tools.registry.fetchBlob(source, descriptorOf(mount), blob, tools.signal);
    const { diffId, digest } = mount;
    const limits = { maxBytes: MOUNT_BYTES, maxRatio: MOUNT_RATIO };
    await applyLayer({
      blob,
      digest,
      diffId,
      target: directory,
      lowers: [],
      ...limits,
      signal: tools.signal,
    });
  } finally {
    await blobs.discard(blob);
  }
}

/** As a layer in a temporary file, by its digest in `files`; undefined when a step uses it now, or came to. */
async function writeMount(
  { id, seed, directory, hold }: StoredCacheMount,
  files: Map<string, string>,
  { store, signal }: ShareTools,
): Promise<SharedMount | undefined> {
  const held = await hold();
  if (held === undefined) return undefined;
  const path = await store.blobs.newTemporary();
  let written: WrittenLayer | undefined;
  let failure: unknown;
  try {
    written = await writeUpperLayer({ upper: directory, lowers: [], path, compression: 'zstd', signal });
  } catch (error) {
    failure = error;
  }
  const { mode, uid, gid } = await stat(directory);
  const isWhole = await held.wasAlone();
  await held.release();
  if (written === undefined || !isWhole || files.has(written.digest)) await store.blobs.discard(path);
  if (isWhole && failure !== undefined) throw failure;
  if (written === undefined || !isWhole) return undefined;
  const { diffId, digest, sizeBytes } = written;
  if (!files.has(digest)) files.set(digest, path);
  const about = { id, mode: mode & 0o7777, uid, gid, diffId, digest, sizeBytes };
  return seed === undefined ? about : { ...about, seed };
}

function uniqueLayers(
  mounts: readonly SharedMount[],
  files: ReadonlyMap<string, string>,
  known: ReadonlySet<string>,
): readonly PushLayer[] {
  const layers = new Map<string, PushLayer>();
  for (const mount of mounts) {
    const file = files.get(mount.digest);
    const isThere = known.has(mount.digest);
    const descriptor = descriptorOf(mount);
    layers.set(mount.digest, { descriptor, isThere, ...(file === undefined ? {} : { file }) });
  }
  return [...layers.values()];
}

/** Of several of the same name, as private ones are, the one that was used last. */
function newestOf(mounts: readonly StoredCacheMount[]): readonly StoredCacheMount[] {
  const newest = new Map<string, StoredCacheMount>();
  for (const mount of mounts) {
    const known = newest.get(nameOf(mount));
    if (known === undefined || known.lastUsedAt < mount.lastUsedAt) newest.set(nameOf(mount), mount);
  }
  return [...newest.values()];
}

async function noteOf({ exportedPath }: StoredCacheMount): Promise<z.infer<typeof sharedNote> | undefined> {
  const text = await readFile(exportedPath, 'utf8').catch(() => '');
  const parsed = sharedNote.safeParse(parseJson(text));
  return parsed.success ? parsed.data : undefined;
}

async function note({ exportedPath, lastUsedAt }: StoredCacheMount, mount: SharedMount): Promise<void> {
  await writeFile(exportedPath, JSON.stringify({ mount, usedAt: lastUsedAt }));
}

function nameOf({ id, seed }: { readonly id: string; readonly seed?: string }): string {
  return JSON.stringify([id, seed ?? null]);
}

function descriptorOf({ digest, sizeBytes }: SharedMount): Descriptor {
  return { mediaType: LAYER_TYPE, digest: asDigest(digest), size: sizeBytes };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
