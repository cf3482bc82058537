/** What `slipway build` opens before it builds, and closes again: store, places, registry, sandbox, the context and its Dockerfile. */

import type { Readable } from 'node:stream';
import type { BuildContext } from '../build/context/context.js';
import { Cleanup } from '../build/sandbox/cleanup.js';
import { type Config, loadConfig } from '../config.js';
import { SlipwayError } from '../errors.js';
import { fastPaths } from '../fast-paths.js';
import type { RegistryClient } from '../registry/client.js';
import { findDockerfile } from './dockerfile-source.js';
import { LazySandbox } from './lazy-sandbox.js';
import { localConfig } from './limits.js';
import type { LocalDockerfile } from './local-dockerfile.js';
import type { LocalBuild } from './options.js';
import type { OutputPlan } from './outputs.js';
import { Places } from './places.js';
import type { Printer } from './printers/printer.js';
import { registryClient } from './registry.js';
import { checkSecrets, keepsGitDir, runSettings } from './run-values.js';
import { defaultStore, type LocalStore, openLocalStore } from './store.js';

const EMPTY = new Uint8Array();

export interface LocalSurroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable;
  /** For outputs that go to stdout. */
  readonly stdout: NodeJS.WritableStream;
  readonly printer: Printer;
  readonly signal: AbortSignal;
  /** Told as soon as it is known, for what is said about a failure. */
  readonly onDockerfile: (source: LocalDockerfile) => void;
}

export interface Opened {
  readonly config: Config;
  readonly local: LocalStore;
  readonly places: Places;
  readonly context: BuildContext;
  readonly dockerfile: LocalDockerfile;
  readonly registry: RegistryClient;
  readonly sandbox: LazySandbox;
}

/** Everything is closed again, whatever happens; what fails to close is only told when nothing else failed. */
export async function withOpened<T>(
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
    const local = await openLocalStore(build.store ?? defaultStore(env), config, fastPaths(env));
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
    const sandbox = new LazySandbox({
      stateDir,
      networkAllow: config.buildNetworkAllow,
      fast: fastPaths(env),
    });
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
async function dockerfileOf(
  build: LocalBuild,
  places: Places,
  context: BuildContext,
): Promise<LocalDockerfile> {
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
