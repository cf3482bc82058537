/** `slipway build`: the builder as a command. Opens what a build needs, builds, writes the results, closes everything. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { buildImage } from '../build/build.js';
import type { BuildRequest, BuildResult } from '../build/build-request.js';
import type { RemoteCache } from '../build/cache/remote-cache.js';
import { checkBuild } from '../build/check.js';
import type { BuildContext } from '../build/context/context.js';
import type { RunSettings } from '../build/run-settings.js';
import type { Cidr } from '../build/sandbox/cidr.js';
import { Cleanup } from '../build/sandbox/cleanup.js';
import { type Config, loadConfig } from '../config.js';
import { formatPlatform } from '../dockerfile/build-args.js';
import type { LintResult } from '../dockerfile/lint/lint.js';
import type { Platform } from '../dockerfile/types.js';
import { SlipwayError } from '../errors.js';
import type { ExportableImage } from '../images/exportable.js';
import { squash } from '../images/squash.js';
import type { RegistryClient } from '../registry/client.js';
import { hostPlatform } from '../registry/pull.js';
import { remoteCache } from './cache.js';
import { exportMounts, importing } from './cache-mounts.js';
import { findDockerfile } from './dockerfile-source.js';
import { withLabels } from './labels.js';
import { LazySandbox } from './lazy-sandbox.js';
import { localConfig } from './limits.js';
import type { Linted } from './linted.js';
import type { LocalBuild } from './options.js';
import { type OutputPlan, type Written, writeOutputs } from './outputs.js';
import { Places } from './places.js';
import { inPhase, type Printer } from './printers/printer.js';
import { registryClient } from './registry.js';
import { checkSecrets, keepsGitDir, runSettings } from './run-values.js';
import { defaultStore, type LocalStore, openLocalStore } from './store.js';

const EMPTY = new Uint8Array();
/** Whoever builds here may reach the network of this machine anyway. */
const EVERYWHERE: readonly Cidr[] = [{ start: 0, bits: 0 }];

export interface LocalSurroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable;
  /** For outputs that go to stdout. */
  readonly stdout: NodeJS.WritableStream;
  readonly printer: Printer;
  readonly signal: AbortSignal;
  /** Told as soon as it is known, for what is said about a failure. */
  readonly onDockerfile: (source: Linted) => void;
}

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
    const remote = remoteCache({
      from: build.cacheFrom,
      to: build.cacheTo,
      registry: opened.registry,
      note: (text) => surroundings.printer.event({ type: 'note', text }),
      signal: surroundings.signal,
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
      images.push(await finished(exportable(result, platform), build, opened, surroundings.signal));
    }
    const written = await writeOutputs(outputs, images, {
      build,
      registry: opened.registry,
      store: opened.local.store,
      printer: surroundings.printer,
      stdout: surroundings.stdout,
      signal: surroundings.signal,
    });
    if (remote !== undefined && build.cacheTo !== undefined) {
      const { printer, signal } = surroundings;
      await inPhase(printer, `exporting the cache to ${build.cacheTo}`, () =>
        remote.export(opened.local.store.blobs, signal),
      );
    }
    await exportMounts(build, mountTools, surroundings.signal);
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

interface Opened {
  readonly config: Config;
  readonly local: LocalStore;
  readonly places: Places;
  readonly context: BuildContext;
  readonly dockerfile: Linted;
  readonly registry: RegistryClient;
  readonly sandbox: LazySandbox;
}

/** Everything is closed again, whatever happens; what fails to close is only told when nothing else failed. */
async function withOpened<T>(
  build: LocalBuild,
  outputs: OutputPlan,
  surroundings: LocalSurroundings,
  action: (opened: Opened) => Promise<T>,
): Promise<T> {
  const { env, stdin, signal, onDockerfile } = surroundings;
  const cleanup = new Cleanup();
  let result: T;
  try {
    const config = localConfig(loadConfig(env), env);
    await checkSecrets(build);
    const local = await openLocalStore(build.store ?? defaultStore(env), config);
    cleanup.defer(() => local.close());
    const places = new Places({
      store: local.store,
      limits: config.limits,
      stdin,
      env,
      secret: runSettings(build).secret,
      sshAgent: build.ssh.get('default'),
      directory: build.directory,
      signal,
    });
    cleanup.defer(() => places.close());
    const registry = registryClient(
      build,
      [...outputs.pushes, build.cacheTo, build.cacheMountsTo].filter((each) => each !== undefined),
      config,
      env,
    );
    cleanup.defer(() => registry.close());
    const { sandboxDirectory: stateDir } = local.store;
    const sandbox = new LazySandbox({ stateDir, networkAllow: config.buildNetworkAllow });
    cleanup.defer(() => sandbox.close());
    const context = await places.open(build.context, { keepGitDir: keepsGitDir(build), isMain: true });
    const dockerfile = await dockerfileOf(build, places, context);
    onDockerfile(dockerfile);
    result = await action({ config, local, places, context, dockerfile, registry, sandbox });
  } catch (error) {
    await cleanup.run();
    throw error;
  }
  const [failure] = await cleanup.run();
  if (failure !== undefined) throw failure;
  return result;
}

/** Throws `dockerfile_missing`. */
async function dockerfileOf(build: LocalBuild, places: Places, context: BuildContext): Promise<Linted> {
  const { context: place, dockerfile: given, directory } = build;
  const found = await findDockerfile({ context: place, given, directory, stdin: () => places.stdin() });
  const own = found.text ?? (await places.dockerfileOnStdin(place));
  const text = own ?? (await context.read(found.name));
  // The ignore file beside a Dockerfile that is elsewhere was looked for there: in the context only the common one counts.
  const ignoreText =
    own === undefined ? undefined : (found.ignoreText ?? (await context.read('.dockerignore')) ?? EMPTY);
  if (text !== undefined) return { name: found.name, text, ignoreText };
  const where =
    place.kind === 'directory' ? place.path : place.kind === 'git' ? place.url : 'the tar on stdin';
  throw new SlipwayError('dockerfile_missing', `there is no ${found.name} in ${where}`, {
    hint: 'write one, or name another with -f FILE',
  });
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
    scope: scopeOf(build),
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

/** Builds of the same Dockerfile of the same place explain each other's misses. */
function scopeOf({ context, dockerfile, directory, target }: LocalBuild): string {
  const place =
    context.kind === 'directory' ? context.path : context.kind === 'git' ? context.url.split('#')[0] : '-';
  const file = dockerfile === undefined || dockerfile === '-' ? dockerfile : resolve(directory, dockerfile);
  return `local-${createHash('sha256')
    .update(JSON.stringify([place, file, target]))
    .digest('hex')
    .slice(0, 16)}`;
}
