/** What `slipway build` was asked for: its options, checked and resolved against the directory and the environment. */
import { resolve } from 'node:path';
import { UsageError } from '../cli/usage.js';
import type { Platform } from '../dockerfile/build-plan.js';
import { parsePlatform } from '../dockerfile/platform.js';
import type { NetworkMode } from '../dockerfile/syntax.js';
import { hostPlatform } from '../registry/pull.js';
import { isRegistryHost, parseReference } from '../registry/reference.js';
import { cacheReference, ignoresErrors } from './cache.js';
import { isGitUrl } from './context-names.js';
import { readFields } from './fields.js';

export interface LocalBuild {
  /** Where relative paths begin. */
  readonly directory: string;
  readonly context: ContextPlace;
  /** `-f` as given: `-` is stdin. */
  readonly dockerfile?: string;
  /** Full references. */
  readonly tags: readonly string[];
  readonly target?: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly secrets: ReadonlyMap<string, SecretSource>;
  /** Sockets of agents by id. */
  readonly ssh: ReadonlyMap<string, string>;
  /** By lower-case name. */
  readonly contexts: ReadonlyMap<string, NamedPlace>;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: readonly string[];
  /** Empty: that of this machine. */
  readonly platforms: readonly Platform[];
  readonly noCache: boolean;
  readonly noCacheStages: readonly string[];
  readonly network: NetworkMode;
  readonly allow: { readonly hostNetwork: boolean; readonly insecure: boolean };
  readonly outputs: readonly string[];
  readonly push: boolean;
  readonly squash: boolean;
  readonly metadataFile?: string;
  readonly iidFile?: string;
  readonly progress: ProgressMode;
  readonly check: boolean;
  readonly insecureRegistries: readonly string[];
  readonly mirrors: readonly { readonly from: string; readonly to: string }[];
  readonly store?: string;
  readonly cacheFrom: readonly string[];
  readonly cacheTo?: string;
  /** With `ignore-error=true`. */
  readonly cacheToMayFail: boolean;
  readonly cacheMountsFrom: readonly string[];
  readonly cacheMountsTo?: string;
  readonly cacheMountsToMayFail: boolean;
}

export type ContextPlace =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'git'; readonly url: string }
  | { readonly kind: 'stdin' };

export type NamedPlace =
  | Exclude<ContextPlace, { kind: 'stdin' }>
  | { readonly kind: 'image'; readonly reference: string };

export type SecretSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'env'; readonly value: string };

const PROGRESS_MODES = ['auto', 'plain', 'tty', 'rawjson', 'quiet'] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

export interface GivenOptions {
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
  readonly lists: Readonly<Record<string, readonly string[]>>;
  readonly env: NodeJS.ProcessEnv;
  readonly directory: string;
}

/** Throws a UsageError that names the option and what it takes. */
export function readLocalBuild({ args, options, lists, env, directory }: GivenOptions): LocalBuild {
  const text = (name: string): string | undefined => {
    const value = options[name];
    if (value === '') throw new UsageError(`--${name} is empty`);
    return typeof value === 'string' ? value : undefined;
  };
  const optional = <K extends string>(key: K, value: string | undefined): { [key in K]?: string } =>
    value === undefined ? {} : ({ [key]: value } as { [key in K]?: string });
  const path = (name: string): string | undefined => {
    const value = text(name);
    return value === undefined ? undefined : resolve(directory, value);
  };
  const list = (name: string): readonly string[] => lists[name] ?? [];
  const context = contextPlace(args[0] ?? '.', directory);
  const dockerfile = text('file');
  if (context.kind === 'stdin' && dockerfile === '-')
    throw new UsageError('the context and the Dockerfile cannot both come from stdin');
  return {
    directory,
    context,
    tags: list('tag').map(reference),
    buildArgs: buildArgs(list('build-arg'), env),
    secrets: new Map(list('secret').map((given) => secret(given, env, directory))),
    ssh: new Map(list('ssh').map((given) => sshAgent(given, env, directory))),
    contexts: new Map(list('build-context').map((given) => namedContext(given, directory))),
    labels: pairs('label', list('label')),
    annotations: list('annotation'),
    platforms: list('platform').flatMap((given) => given.split(',').map(platform)),
    noCache: options['no-cache'] === true,
    noCacheStages: list('no-cache-filter').flatMap((given) => given.split(',').filter(Boolean)),
    network: network(text('network')),
    allow: allowed(list('allow')),
    outputs: list('output'),
    push: options.push === true,
    squash: options.squash === true,
    progress: progress(text('progress'), options.quiet === true),
    check: options.check === true,
    insecureRegistries: list('insecure-registry').map(registryHost),
    mirrors: list('mirror').map(mirror),
    cacheFrom: list('cache-from').map((given) => cacheReference('cache-from', given)),
    cacheMountsFrom: list('cache-mounts-from').map((given) => cacheReference('cache-mounts-from', given)),
    cacheToMayFail: list('cache-to').some((given) => ignoresErrors('cache-to', given)),
    cacheMountsToMayFail: list('cache-mounts-to').some((given) => ignoresErrors('cache-mounts-to', given)),
    ...optional('cacheTo', cacheTo('cache-to', list('cache-to'))),
    ...optional('cacheMountsTo', cacheTo('cache-mounts-to', list('cache-mounts-to'))),
    ...optional('dockerfile', dockerfile),
    ...optional('target', text('target')),
    ...optional('metadataFile', path('metadata-file')),
    ...optional('iidFile', path('iidfile')),
    ...optional('store', path('store')),
  };
}

function contextPlace(given: string, directory: string): ContextPlace {
  if (given === '-') return { kind: 'stdin' };
  if (given === '')
    throw new UsageError('the context is empty', 'name a directory, for example: slipway build .');
  if (isGitUrl(given, directory)) return { kind: 'git', url: given };
  if (/^https?:\/\//.test(given))
    throw new UsageError(
      `${given} is not the URL of a git repository`,
      'a URL must end with .git (with #COMMIT behind it if need be); archives are not taken',
    );
  return { kind: 'directory', path: resolve(directory, given) };
}

function namedContext(given: string, directory: string): [string, NamedPlace] {
  const [name, place] = keyValue('build-context', given, 'NAME=DIR');
  const key = name.toLowerCase();
  if (/^docker-image:\/\//.test(place)) {
    return [key, { kind: 'image', reference: place.slice('docker-image://'.length) }];
  }
  if (/^(oci-layout|target|docker-container):/.test(place))
    throw new UsageError(
      `--build-context ${JSON.stringify(given)}: ${place.split(':')[0]} is not supported`,
      'give a directory, docker-image://REF or the URL of a git repository',
    );
  const found = contextPlace(place, directory);
  if (found.kind === 'stdin') throw new UsageError('a named context cannot come from stdin');
  return [key, found];
}

function reference(given: string): string {
  try {
    const parsed = parseReference(given);
    if (parsed.digest !== undefined) throw new UsageError(`--tag ${given}: a tag cannot have a digest`);
    return `${parsed.registry}/${parsed.repository}:${parsed.tag ?? 'latest'}`;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`--tag: ${(error as Error).message}`, 'write it as [registry/]name[:tag]');
  }
}

/** As in FROM --platform; what is not said is as this machine. */
function platform(given: string): Platform {
  try {
    return parsePlatform(given.trim(), hostPlatform(), '--platform');
  } catch (error) {
    throw new UsageError(
      `--platform: ${(error as Error).message}`,
      'for example: linux/amd64 or linux/amd64,linux/arm64',
    );
  }
}

/** `K=V`; `K` alone takes the environment's value, and is nothing where that has none. */
function buildArgs(given: readonly string[], env: NodeJS.ProcessEnv): Record<string, string> {
  const found: Record<string, string> = {};
  for (const each of given) {
    const equals = each.indexOf('=');
    const key = equals < 0 ? each : each.slice(0, equals);
    if (key === '')
      throw new UsageError(`--build-arg ${JSON.stringify(each)} has no name`, 'write it as K=V');
    const value = equals < 0 ? env[key] : each.slice(equals + 1);
    if (value !== undefined) found[key] = value;
  }
  // As buildx does, so that one setting makes every tool's output reproducible.
  const epoch = env.SOURCE_DATE_EPOCH;
  return epoch === undefined || epoch === '' ? found : { SOURCE_DATE_EPOCH: epoch, ...found };
}

function pairs(option: string, given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((each) => {
      // A label without a value has an empty one, as in docker.
      return each.includes('=') ? keyValue(option, each, 'K=V') : [each, ''];
    }),
  );
}

function keyValue(option: string, given: string, form: string): [string, string] {
  const equals = given.indexOf('=');
  if (equals < 1) throw new UsageError(`--${option} ${JSON.stringify(given)} is not ${form}`);
  return [given.slice(0, equals), given.slice(equals + 1)];
}

/** `id=X` alone: the variable X if there is one, else the file X; `env=`, `src=` and `type=` decide. */
function secret(given: string, env: NodeJS.ProcessEnv, directory: string): [string, SecretSource] {
  const values = readFields('secret', given, ['id', 'src', 'source', 'env', 'type']);
  const say = (problem: string): UsageError =>
    new UsageError(
      `--secret ${JSON.stringify(given)}: ${problem}`,
      'write it as id=NAME,src=FILE or id=NAME,env=VARIABLE',
    );
  const type = values.get('type');
  if (type !== undefined && type !== 'file' && type !== 'env')
    throw say(`the type is file or env, not "${type}"`);
  const src = values.get('src') ?? values.get('source');
  const id = values.get('id');
  if (id === undefined || id === '') throw say('the id is missing');
  const variable = values.get('env') ?? (type === 'env' ? (src ?? id) : undefined);
  if (variable !== undefined || (src === undefined && type !== 'file' && env[id] !== undefined)) {
    const value = env[variable ?? id];
    if (value === undefined) throw say(`the variable ${variable} is not set`);
    return [id, { kind: 'env', value }];
  }
  return [id, { kind: 'file', path: resolve(directory, src ?? id) }];
}

/** `default`, `id` and `id=SOCKET`; without a path, the agent of the environment. */
function sshAgent(given: string, env: NodeJS.ProcessEnv, directory: string): [string, string] {
  const equals = given.indexOf('=');
  const id = (equals < 0 ? given : given.slice(0, equals)) || 'default';
  const path = equals < 0 ? env.SSH_AUTH_SOCK : given.slice(equals + 1);
  if (path === undefined || path === '')
    throw new UsageError(
      `--ssh ${given}: there is no SSH agent: SSH_AUTH_SOCK is not set`,
      'start one (ssh-agent) and keep the variable under sudo (sudo --preserve-env=SSH_AUTH_SOCK), or name its socket: --ssh default=PATH',
    );
  return [id, resolve(directory, path)];
}

function network(given: string | undefined): NetworkMode {
  if (given === undefined || given === 'default' || given === 'bridge') return 'default';
  if (given === 'none' || given === 'host') return given;
  throw new UsageError(`--network is default, none or host, not ${JSON.stringify(given)}`);
}

function allowed(given: readonly string[]): LocalBuild['allow'] {
  for (const each of given) {
    if (each !== 'network.host' && each !== 'security.insecure')
      throw new UsageError(`--allow is network.host or security.insecure, not ${JSON.stringify(each)}`);
  }
  return { hostNetwork: given.includes('network.host'), insecure: given.includes('security.insecure') };
}

function progress(given: string | undefined, quiet: boolean): ProgressMode {
  const mode = PROGRESS_MODES.find((each) => each === (given ?? 'auto'));
  if (mode === undefined)
    throw new UsageError(`--progress is ${PROGRESS_MODES.join(', ')}, not ${JSON.stringify(given)}`);
  if (quiet && given !== undefined && mode !== 'quiet')
    throw new UsageError('--quiet and --progress contradict each other');
  return quiet ? 'quiet' : mode;
}

function cacheTo(option: 'cache-to' | 'cache-mounts-to', given: readonly string[]): string | undefined {
  if (given.length > 1)
    throw new UsageError(`--${option} is given twice`, 'a build leaves what others can use in one place');
  return given[0] === undefined ? undefined : cacheReference(option, given[0]);
}

function registryHost(given: string): string {
  if (isRegistryHost(given)) return given;
  throw new UsageError(`--insecure-registry ${JSON.stringify(given)} is not HOST or HOST:PORT`);
}

function mirror(given: string): { from: string; to: string } {
  const [from, to, ...more] = given.split('=');
  if (from && to && more.length === 0 && isRegistryHost(to.split('/')[0] ?? '')) return { from, to };
  throw new UsageError(
    `--mirror ${JSON.stringify(given)} is not FROM=TO`,
    'for example: docker.io=127.0.0.1:5000',
  );
}
