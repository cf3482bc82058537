/** Executes a RUN: the layers below as an overlay, the command in the sandbox, what it changed as a new layer. */
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { writeUpperLayer } from '../../../native/index.js';
import type { Limits } from '../../config.js';
import type { Mount, RunStep } from '../../dockerfile/step.js';
import type { NetworkMode } from '../../dockerfile/syntax.js';
import { SlipwayError } from '../../errors.js';
import { threadsOf } from '../../fast-paths.js';
import type { Layer } from '../../layers/layer.js';
import { mountedOverlay } from '../../layers/overlay.js';
import type { BuilderStore } from '../builder-store.js';
import { LAYER_TYPE } from '../image.js';
import { OutputMask } from '../mounts/mask.js';
import type { MountSource } from '../mounts/mount-sources.js';
import { type PreparedMounts, prepareMounts } from '../mounts/prepare.js';
import type { RunSettings } from '../run-settings.js';
import { rootfsReader } from '../sandbox/rootfs.js';
import type { StepRunner } from '../sandbox/runtime.js';
import type { StepOutcome } from '../sandbox/step.js';
import { resolveHome, resolveUser } from '../sandbox/user.js';

export interface RunTools {
  readonly store: BuilderStore;
  readonly sandbox: StepRunner;
  readonly limits: Limits;
  readonly settings: RunSettings;
  readonly network: NetworkMode;
  /** What the step's mounts show. */
  readonly sources: ReadonlyMap<Mount, MountSource>;
  readonly output: (chunk: Buffer) => Promise<void>;
  readonly note: (text: string) => Promise<void>;
  /** Seconds since the epoch: a later time becomes this one in the layer. */
  readonly epoch?: number;
  readonly signal: AbortSignal;
}

/** Half of a container's usual weight: where processors are scarce, the apps of this machine go before its builds. */
const CPU_SHARES = 512;

/**
 * Runs the command on `layers`, which are laid out in `lowers` (topmost first), and gives the layer that it made. Throws
 * `step_failed`, `step_timeout`, `step_limit` or `disk_full`.
 */
export async function runStep(
  step: RunStep,
  layers: readonly Layer[],
  lowers: readonly string[],
  tools: RunTools,
): Promise<Layer> {
  const { store, sandbox, limits, epoch, signal } = tools;
  const scratch = await store.layers.newScratch();
  try {
    const upper = join(scratch, 'upper');
    let outcome: StepOutcome;
    {
      await using overlay = await mountedOverlay({ scratch, lowers, upper });
      await using prepared = await prepareMounts(step, {
        ...tools,
        scratch,
        contextLayouts: lowers.filter((_, fromTop) => layers.at(-1 - fromTop)?.freshTimes === true),
      });
      const mask = new OutputMask(prepared.secrets);
      const show = async (bytes: Buffer): Promise<void> => {
        if (bytes.length > 0) await tools.output(bytes);
      };
      const read = rootfsReader(overlay.path);
      const user = await resolveUser(read, step.user);
      const env = environment(step, prepared);
      // An empty one is as good as none, for a runtime.
      const hasHome = env.some((pair) => /^HOME=./s.test(pair));
      const others = env.filter((pair) => !pair.startsWith('HOME='));
      outcome = await sandbox.run({
        id: step.argv.join(' ').slice(0, 80),
        rootfs: overlay.path,
        argv: step.argv,
        env: hasHome ? env : [...others, `HOME=${await resolveHome(read, user)}`],
        ...(prepared.memory === undefined ? {} : { memory: prepared.memory }),
        cwd: step.cwd,
        user,
        ...(step.hostname === undefined ? {} : { hostname: step.hostname }),
        network: tools.network,
        insecure: step.security === 'insecure',
        files: step.files,
        mounts: prepared.mounts,
        limits: {
          memoryBytes: limits.stepMemoryBytes,
          processes: limits.stepProcesses,
          cpuShares: CPU_SHARES,
        },
        timeoutMs: limits.stepTimeoutMs,
        onOutput: (chunk) => show(mask.next(chunk)),
        diskWatch: {
          path: upper,
          alsoPaths: prepared.writes,
          growingPaths: prepared.caches,
          limitBytes: limits.stepDiskBytes,
        },
        signal,
      });
      await show(mask.end());
    }
    signal.throwIfAborted();
    // A command that met the full disk may have ended before the watch saw it.
    const diskFull = outcome.diskFull || (outcome.exitCode !== 0 && (await isFull(upper)));
    checkOutcome({ ...outcome, diskFull }, limits);
    const temporary = await store.blobs.newTemporary();
    try {
      const written = await writeUpperLayer({
        upper,
        lowers: [...lowers],
        path: temporary,
        compression: 'gzip',
        ...threadsOf(store.fast),
        exclude: [...outcome.stubs],
        ...(epoch === undefined ? {} : { newest: epoch }),
        signal,
      });
      await store.blobs.commit(temporary, written.digest);
      const layer: Layer = {
        diffId: written.diffId,
        digest: written.digest,
        sizeBytes: written.sizeBytes,
        mediaType: LAYER_TYPE,
      };
      // With other times than the layer's it is no lay-out of it: a COPY --from would carry them into an image.
      if (epoch === undefined) await store.layers.adopt(layer, lowers, upper);
      return layer;
    } finally {
      await store.blobs.discard(temporary);
    }
  } finally {
    await store.layers.removeScratch(scratch);
  }
}

/** Sorted: the step's key does not hold the order of the variables, so the step must not see it. */
function environment(step: RunStep, { env }: PreparedMounts): string[] {
  const own = [...step.env, ...step.proxyEnv].filter((pair) => !env.has(pair.split('=', 1)[0] ?? ''));
  return [...own, ...[...env].map(([name, value]) => `${name}=${value}`)].sort();
}

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

async function isFull(path: string): Promise<boolean> {
  const { bavail, blocks, bsize } = await statfs(path);
  return bavail * bsize < Math.min(64 * MiB, 0.02 * blocks * bsize);
}

/** What the user is told when a step did not end well; the caller adds the line. */
function checkOutcome(outcome: StepOutcome, limits: Limits): void {
  if (outcome.timedOut) {
    throw new SlipwayError('step_timeout', `the command was stopped after ${limits.stepTimeoutMs / 1000} s`, {
      hint: 'make it faster or split it, or have the operator raise SLIPWAY_LIMIT_STEP_TIMEOUT_MS',
    });
  }
  if (outcome.diskFull) {
    throw new SlipwayError('disk_full', "the builder's disk is almost full; the command was stopped", {
      hint: 'have the operator free space or lower SLIPWAY_STORE_BUDGET_BYTES, then push again',
    });
  }
  if (outcome.diskLimitExceeded) {
    throw new SlipwayError(
      'step_limit',
      `the command wrote more than ${(limits.stepDiskBytes / GiB).toFixed(1)} GiB`,
      {
        hint: 'write less, or have the operator raise SLIPWAY_LIMIT_STEP_DISK_BYTES',
      },
    );
  }
  if (outcome.oomKilled) {
    throw new SlipwayError(
      'step_limit',
      `the command ran out of memory: it may use ${(limits.stepMemoryBytes / GiB).toFixed(1)} GiB`,
      {
        hint: 'use less, or have the operator raise SLIPWAY_LIMIT_STEP_MEMORY_BYTES',
      },
    );
  }
  if (outcome.exitCode === 0) return;
  if (outcome.processLimitHit) {
    throw new SlipwayError(
      'step_limit',
      `the command wanted more than ${limits.stepProcesses} processes and ended with exit code ${outcome.exitCode}`,
      {
        hint: 'start fewer, or have the operator raise SLIPWAY_LIMIT_STEP_PROCESSES',
      },
    );
  }
  throw new SlipwayError(
    'step_failed',
    outcome.startError ?? `the command ended with exit code ${outcome.exitCode}`,
    { hint: 'its output is above' },
  );
}
