/** `slipway build`: the builder as a command. Builds for each platform and writes the results; opened.ts opens and closes. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { buildImage } from '../build/build.js';
import { withContextTime } from '../build/build-input.js';
import type { BuildRequest, BuildResult } from '../build/build-request.js';
import type { RemoteCache } from '../build/cache/remote-cache.js';
import { checkBuild } from '../build/check.js';
import type { RunSettings } from '../build/run-settings.js';
import type { Cidr } from '../build/sandbox/cidr.js';
import { formatPlatform } from '../dockerfile/build-args.js';
import type { Platform } from '../dockerfile/build-plan.js';
import type { LintResult } from '../dockerfile/lint/lint.js';
import type { ExportableImage } from '../images/exportable.js';
import { squash } from '../images/squash.js';
import { hostPlatform } from '../registry/pull.js';
import { exporting, remoteCache } from './cache.js';
import { exportMounts, importing } from './cache-mounts.js';
import { withLabels } from './labels.js';
import { type LocalSurroundings, type Opened, withOpened } from './opened.js';
import type { LocalBuild } from './options.js';
import { type OutputPlan, type Written, writeOutputs } from './outputs.js';
import { inPhase } from './printers/printer.js';
import { runSettings } from './run-values.js';

/** Whoever builds here may reach the network of this machine anyway. */
const EVERYWHERE: readonly Cidr[] = [{ start: 0, bits: 0 }];

export interface LocalResult extends Written {
  readonly images: readonly ExportableImage[];
  readonly steps: { readonly cached: number; readonly total: number };
}

/** Builds for each platform, then writes what was asked for. Throws a SlipwayError, a UsageError or the signal's reason. */
export async function runLocalBuild(
  build: LocalBuild,
  outputs: OutputPlan,
  surroundings: LocalSurroundings,
): Promise<LocalResult> {
  return withOpened(build, outputs, surroundings, async (opened) => {
    const platforms = build.platforms.length === 0 ? [hostPlatform()] : build.platforms;
    const { signal } = surroundings;
    const note = (text: string): void => surroundings.printer.event({ type: 'note', text });
    const remote = remoteCache({
      from: build.cacheFrom,
      to: build.cacheTo,
      registry: opened.registry,
      note,
      signal,
    });
    const mountTools = {
      registry: opened.registry,
      store: opened.local.store,
      printer: surroundings.printer,
    };
    const settings = { ...runSettings(build), ...importing(build, mountTools) };
    const images: ExportableImage[] = [];
    const steps = { cached: 0, total: 0 };
    for (const [index, platform] of platforms.entries()) {
      const shown = platforms.length > 1 ? formatPlatform(platform) : undefined;
      const which = { platform, shown, isFirst: index === 0 };
      const result = await buildOne(build, { ...opened, remote, settings }, which, surroundings);
      steps.cached += result.steps.cached;
      steps.total += result.steps.total;
      images.push(await finished(exportable(result, platform), build, opened, signal));
    }
    const buildArgs = await withContextTime(build.buildArgs, opened.context);
    const written = await writeOutputs(outputs, images, {
      build: { ...build, buildArgs },
      registry: opened.registry,
      store: opened.local.store,
      printer: surroundings.printer,
      stdout: surroundings.stdout,
      signal,
    });
    if (remote !== undefined && build.cacheTo !== undefined) {
      const title = `exporting the cache to ${build.cacheTo}`;
      await exporting(
        () => inPhase(surroundings.printer, title, () => remote.export(opened.local.store.blobs, signal)),
        { mayFail: build.cacheToMayFail, note, signal },
      );
    }
    await exporting(() => exportMounts(build, mountTools, signal), {
      mayFail: build.cacheMountsToMayFail,
      note,
      signal,
    });
    return { ...written, images, steps };
  });
}

/** Only lints and plans; nothing is built. Throws what a build would say about the Dockerfile. */
export async function checkLocalBuild(
  build: LocalBuild,
  surroundings: LocalSurroundings,
): Promise<LintResult> {
  const nothing = { specs: [], annotations: [], pushes: [] };
  const [platform = hostPlatform()] = build.platforms;
  return withOpened(build, nothing, surroundings, (opened) =>
    checkBuild(requestOf(build, opened, platform, runSettings(build)), {
      registry: opened.registry,
      store: opened.local.store,
      limits: opened.config.limits,
      signal: surroundings.signal,
    }),
  );
}

async function buildOne(
  build: LocalBuild,
  opened: Opened & { readonly remote: RemoteCache | undefined; readonly settings: RunSettings },
  { platform, shown, isFirst }: { platform: Platform; shown: string | undefined; isFirst: boolean },
  { printer, signal }: LocalSurroundings,
): Promise<BuildResult> {
  const { config, local, places, registry, sandbox } = opened;
  return buildImage(requestOf(build, opened, platform, opened.settings), {
    store: local.store,
    sandbox,
    registry,
    limits: config.limits,
    downloadAllow: EVERYWHERE,
    openGit: (git) => places.gitSource(git),
    listen: (event) => {
      // The Dockerfile is the same for every platform.
      const isTold = event.type === 'warning' && !isFirst;
      return isTold ? undefined : printer.event(event, shown);
    },
    ...(opened.remote === undefined ? {} : { remote: opened.remote }),
    signal,
  });
}

function requestOf(
  build: LocalBuild,
  { context, dockerfile, places }: Opened,
  platform: Platform,
  run: RunSettings,
): BuildRequest {
  return {
    context,
    contexts: places.named(build.contexts),
    dockerfile: dockerfile.name,
    dockerfileText: dockerfile.text,
    ...(dockerfile.ignoreText === undefined ? {} : { ignoreText: dockerfile.ignoreText }),
    buildArgs: build.buildArgs,
    ...(build.target === undefined ? {} : { target: build.target }),
    platform,
    noCache: build.noCache,
    noCacheStages: build.noCacheStages,
    policy: () => {},
    run,
    scope: scopeOf(build, platform),
  };
}

function exportable({ image, bases }: BuildResult, platform: Platform): ExportableImage {
  return {
    platform,
    image,
    blob: (layer) => bases.blob(layer),
    repositoryOf: (layer, registry) => bases.repositoryOf(layer, registry),
  };
}

/** The image with what options ask for beyond the Dockerfile. */
async function finished(
  image: ExportableImage,
  { labels, squash: squashed }: LocalBuild,
  { local }: Opened,
  signal: AbortSignal,
): Promise<ExportableImage> {
  const labelled = { ...image, image: withLabels(image.image, labels) };
  if (!squashed) return labelled;
  const { blobs, layers } = local.store;
  return squash(labelled, { blobs, layers, signal });
}

/** Builds of the same Dockerfile of the same place for the same platform explain each other's misses. */
function scopeOf({ context, dockerfile, directory, target }: LocalBuild, platform: Platform): string {
  const place =
    context.kind === 'directory' ? context.path : context.kind === 'git' ? context.url.split('#')[0] : '-';
  const file = dockerfile === undefined || dockerfile === '-' ? dockerfile : resolve(directory, dockerfile);
  return `local-${createHash('sha256')
    .update(JSON.stringify([place, file, target, formatPlatform(platform)]))
    .digest('hex')
    .slice(0, 16)}`;
}
