/** The builder's directory: blobs, lay-outs and the step cache, opened together. */
import { join } from 'node:path';
import type { Limits } from '../config.js';
import { type FastPaths, readFastPaths } from '../fast-paths.js';
import { BlobStore } from '../layers/blob-store.js';
import { LayerStore } from '../layers/layer-store.js';
import { StepCache } from './cache/step-cache.js';
import { CacheMounts } from './mounts/cache-mounts.js';
import { RunningBuilds } from './running-builds.js';

export interface BuilderStore {
  readonly blobs: BlobStore;
  readonly layers: LayerStore;
  readonly steps: StepCache;
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
  fast: FastPaths = readFastPaths(),
): Promise<BuilderStore> {
  const blobs = new BlobStore(join(directory, 'blobs'));
  await blobs.open();
  const layers = new LayerStore(join(directory, 'layers'), blobs, { maxLayerBytes: limits.stepDiskBytes });
  await layers.open();
  const steps = new StepCache(join(directory, 'cache'));
  await steps.open();
  await new CacheMounts(directory).open();
  const running = new RunningBuilds(join(directory, 'running'));
  await running.open();
  return { blobs, layers, steps, running, fast, sandboxDirectory: sandboxDirectory(directory), directory };
}

export function sandboxDirectory(directory: string): string {
  return join(directory, 'sandbox');
}
