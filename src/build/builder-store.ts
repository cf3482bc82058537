/** The builder's directory: blobs, lay-outs and the step cache, opened together. */
import { join } from 'node:path';
import type { Limits } from '../config.js';
import { type FastPaths, fastPaths } from '../fast-paths.js';
import { BlobStore } from '../layers/blob-store.js';
import { LayerStore } from '../layers/layer-store.js';
import { JsonFiles } from './cache/json-files.js';
import { StepCache } from './cache/step-cache.js';
import { LikelyBases } from './memo/likely-bases.js';
import { type RememberedBuild, rememberedBuild } from './memo/remembered-build.js';
import { CacheMounts } from './mounts/cache-mounts.js';
import { RunningBuilds } from './running-builds.js';
import { WholeLayers } from './thin/whole-layers.js';

export interface BuilderStore {
  readonly blobs: BlobStore;
  readonly layers: LayerStore;
  readonly steps: StepCache;
  /** Whole builds by their key: see memo/. */
  readonly builds: JsonFiles<RememberedBuild>;
  readonly likelyBases: LikelyBases;
  /** What the next COPY of the same place can be laid over: see thin/. */
  readonly wholes: WholeLayers;
  readonly running: RunningBuilds;
  readonly fast: FastPaths;
  /** State of the sandboxes: bundles, network namespaces. */
  readonly sandboxDirectory: string;
  readonly directory: string;
}

/** Opens the store below `directory` and removes what a killed builder left half done. */
export async function openBuilderStore(
  directory: string,
  limits: Pick<Limits, 'stepDiskBytes'>,
  fast: FastPaths = fastPaths(),
): Promise<BuilderStore> {
  const blobs = new BlobStore(join(directory, 'blobs'));
  await blobs.open();
  const layers = new LayerStore(join(directory, 'layers'), blobs, {
    maxLayerBytes: limits.stepDiskBytes,
    ...(fast.pull ? {} : { layersAtOnce: 1 }),
  });
  await layers.open();
  const steps = new StepCache(join(directory, 'cache'));
  await steps.open();
  const builds = new JsonFiles(join(directory, 'cache', 'builds'), rememberedBuild);
  await builds.open();
  const wholes = new WholeLayers(join(directory, 'cache', 'wholes'));
  await wholes.open();
  await new CacheMounts(directory).open();
  const running = new RunningBuilds(join(directory, 'running'));
  await running.open();
  return {
    blobs,
    layers,
    steps,
    builds,
    likelyBases: new LikelyBases(),
    wholes,
    running,
    fast,
    sandboxDirectory: sandboxDirectory(directory),
    directory,
  };
}

export function sandboxDirectory(directory: string): string {
  return join(directory, 'sandbox');
}
