/**
 * Every setting, read once from the environment and checked at start. A process reads no other environment variable.
 * `npm start` fills in what is not set (see platform/) and passes it on to the processes of the Procfile.
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { SlipwayError } from './errors.js';

export interface Limits {
  /** Compressed bytes of one pushed pack. */
  readonly packBytes: number;
  readonly refsPerPush: number;
  readonly contextFiles: number;
  readonly contextBytes: number;
  readonly contextFileBytes: number;
  readonly contextDepth: number;
  readonly dockerfileBytes: number;
  readonly instructions: number;
  readonly stages: number;
  readonly layers: number;
  readonly stepTimeoutMs: number;
  readonly buildTimeoutMs: number;
  readonly stepMemoryBytes: number;
  readonly stepProcesses: number;
  readonly stepDiskBytes: number;
  readonly logBytes: number;
  readonly logLineBytes: number;
  readonly releasePhaseTimeoutMs: number;
  /** Of a cron entry that has no time limit of its own. */
  readonly cronTimeoutMs: number;
  readonly healthTimeoutMs: number;
  readonly stopGraceMs: number;
  readonly drainTimeoutMs: number;
  readonly apiBodyBytes: number;
  /** Containers of one app, over all hosts and process types. */
  readonly appContainers: number;
  /** One-off commands of one app that run at once, those of cron among them. */
  readonly oneOffs: number;
  /** In a minute, of one person. */
  readonly requestsPerMinute: number;
  /** In a minute, from one address, without a token that is valid. */
  readonly strangersPerMinute: number;
}

export interface RegistryConfig {
  /** `host:port` of the registry that images are pushed to. */
  readonly host: string;
  readonly username?: string;
  readonly password?: string;
}

export interface Config {
  /** All durable data of this platform. */
  readonly home: string;
  /** Where the web process listens. Port 0 is any free port. */
  readonly listen: { readonly host: string; readonly port: number };
  /** What users reach the web process by, without a trailing slash. */
  readonly publicUrl: string;
  /** Where sshd listens, and what users push to by it. Without it nobody comes by SSH. */
  readonly ssh?: {
    readonly listen: { readonly host: string; readonly port: number };
    /** `ssh://git@host:port`, without a trailing slash. */
    readonly url: string;
  };
  readonly redisUrl: string;
  readonly registry: RegistryConfig;
  /** Registry hosts that may be written to. The configured one by default. */
  readonly pushRegistries: readonly string[];
  /** Asked before a registry: `docker.io` → `127.0.0.1:5000`. In order. */
  readonly mirrors: readonly { readonly from: string; readonly to: string }[];
  /** Registry hosts spoken to without TLS; loopback addresses always are. */
  readonly insecureRegistries: readonly string[];
  /** As Docker writes it: `unix:///run/docker.sock` or `tcp://host:port`. */
  readonly dockerHost: string;
  readonly edge: {
    /** HAProxy's master CLI socket. */
    readonly masterSocket: string;
    /** The configuration file that the deployer writes and HAProxy reads. */
    readonly configFile: string;
    /** What HAProxy binds for the apps' traffic, `host:port`. */
    readonly bind: string;
    /** The same for HTTPS. Without it there is none. */
    readonly tlsBind?: string;
  };
  /** Where certificates are fetched (RFC 8555), and what the CA writes to. */
  readonly acme: { readonly directory: string; readonly email?: string };
  /** An app answers at `<app>.<appDomain>`. */
  readonly appDomain: string;
  readonly deployBranch: string;
  /** Builds that run at once in one builder process. */
  readonly builderConcurrency: number;
  /** Bytes that the builder's store is cleaned down to. */
  readonly storeBudgetBytes: number;
  /** Bytes of layers that an app's builders share through the registry; 0 for none. */
  readonly remoteCacheBytes: number;
  /** An app's builders share its cache mounts through the registry. */
  readonly shareCacheMounts: boolean;
  /** CIDRs that a RUN may reach although they are the host's own. */
  readonly buildNetworkAllow: readonly string[];
  /** CIDRs that repositories and webhooks may be in although they are not public. */
  readonly outboundAllow: readonly string[];
  /** Review apps that an app may have at once; 0 for none. */
  readonly reviewApps: number;
  /** How long after its last deployment a review app goes, in ms. */
  readonly reviewAgeMs: number;
  /** Good releases of an app that stay, where the app has no number of its own. */
  readonly keepReleases: number;
  /** How long journals and logs stay that no kept release came from, and images that were built only, in ms. */
  readonly keepRecordsMs: number;
  /** After how long the log of what has ended is compressed, in ms. */
  readonly compressLogsMs: number;
  /** Bytes that must be free below the home for a build to begin. */
  readonly buildFreeBytes: number;
  /** Bytes that must be free where an engine on this machine keeps its images for a pull to begin. */
  readonly pullFreeBytes: number;
  /** How often the reconciler compares what was accepted with what ended, in ms. */
  readonly reconcileIntervalMs: number;
  /** How long a job's lease lasts without renewal, in ms. */
  readonly leaseMs: number;
  /** With it, /metrics may be read without being an administrator. */
  readonly metricsToken?: string;
  readonly logLevel: string;
  readonly limits: Limits;
}

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
const DAY_MS = 24 * 60 * 60_000;

/** Docs: docs/settings.md. Each can be overridden by `SLIPWAY_LIMIT_<NAME>`, for example SLIPWAY_LIMIT_STEP_TIMEOUT_MS. */
export const DEFAULT_LIMITS: Limits = {
  packBytes: 512 * MiB,
  refsPerPush: 100,
  contextFiles: 50_000,
  contextBytes: GiB,
  contextFileBytes: 100 * MiB,
  contextDepth: 50,
  dockerfileBytes: MiB,
  instructions: 500,
  stages: 50,
  layers: 120,
  stepTimeoutMs: 15 * 60_000,
  buildTimeoutMs: 60 * 60_000,
  stepMemoryBytes: 2 * GiB,
  stepProcesses: 1024,
  stepDiskBytes: 10 * GiB,
  logBytes: 50 * MiB,
  logLineBytes: 10_000,
  releasePhaseTimeoutMs: 15 * 60_000,
  cronTimeoutMs: 60 * 60_000,
  healthTimeoutMs: 30_000,
  stopGraceMs: 10_000,
  drainTimeoutMs: 30_000,
  apiBodyBytes: MiB,
  appContainers: 200,
  oneOffs: 20,
  requestsPerMinute: 60_000,
  strangersPerMinute: 300,
};

/** The variable that overrides a limit: `stepTimeoutMs` → `SLIPWAY_LIMIT_STEP_TIMEOUT_MS`. */
export function limitVariable(name: keyof Limits): string {
  return `SLIPWAY_LIMIT_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

const hostPort = z
  .string()
  .regex(/^[a-zA-Z0-9.-]+:\d{1,5}$/, 'must be host:port, for example 127.0.0.1:5000')
  .refine((value) => Number(value.split(':')[1]) <= 65_535, 'the port must be at most 65535');
const list = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  );
const positive = z.coerce.number().int().positive();

const environment = z.object({
  SLIPWAY_HOME: z.string().default(join(homedir(), '.slipway')),
  SLIPWAY_LISTEN: hostPort.default('127.0.0.1:7070'),
  SLIPWAY_URL: z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' }).optional(),
  SLIPWAY_SSH_LISTEN: z.union([z.literal('none'), hostPort]).optional(),
  SLIPWAY_SSH_URL: z
    .url({ protocol: /^ssh$/, error: 'must be an ssh:// URL, for example ssh://git@deploy.example.com' })
    .optional(),
  SLIPWAY_REDIS_URL: z
    .string()
    .regex(/^(rediss?|unix):\/\/.+/, 'must start with redis://, rediss:// or unix://')
    .default('redis://127.0.0.1:6379'),
  SLIPWAY_REGISTRY: hostPort.default('127.0.0.1:5000'),
  SLIPWAY_REGISTRY_USERNAME: z.string().optional(),
  SLIPWAY_REGISTRY_PASSWORD: z.string().optional(),
  SLIPWAY_PUSH_REGISTRIES: list,
  SLIPWAY_MIRRORS: list,
  SLIPWAY_INSECURE_REGISTRIES: list,
  DOCKER_HOST: z
    .string()
    .regex(/^(unix:\/\/\/|tcp:\/\/).+/, 'must start with unix:/// or tcp://')
    .default('unix:///var/run/docker.sock'),
  SLIPWAY_EDGE_SOCKET: z.string().optional(),
  SLIPWAY_EDGE_CONFIG: z.string().optional(),
  SLIPWAY_EDGE_BIND: hostPort.default('127.0.0.1:8080'),
  SLIPWAY_EDGE_TLS_BIND: hostPort.optional(),
  SLIPWAY_ACME_DIRECTORY: z
    .url({ protocol: /^https$/, error: 'must be an https:// URL' })
    .default('https://acme-v02.api.letsencrypt.org/directory'),
  SLIPWAY_ACME_EMAIL: z.email().optional(),
  SLIPWAY_APP_DOMAIN: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'must be a domain in lower case')
    .default('localhost'),
  SLIPWAY_DEPLOY_BRANCH: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_./-]*$/, 'must be a branch name')
    .default('main'),
  SLIPWAY_BUILDER_CONCURRENCY: positive.default(2),
  SLIPWAY_STORE_BUDGET_BYTES: positive.default(20 * GiB),
  SLIPWAY_REMOTE_CACHE_BYTES: z.coerce
    .number()
    .int()
    .nonnegative()
    .default(5 * GiB),
  SLIPWAY_SHARE_CACHE_MOUNTS: z.enum(['0', '1']).default('0'),
  SLIPWAY_BUILD_NETWORK_ALLOW: list,
  SLIPWAY_OUTBOUND_ALLOW: list,
  SLIPWAY_REVIEW_APPS: z.coerce.number().int().nonnegative().default(10),
  SLIPWAY_REVIEW_DAYS: positive.default(7),
  SLIPWAY_KEEP_RELEASES: positive.default(10),
  SLIPWAY_KEEP_RECORDS_DAYS: positive.default(30),
  SLIPWAY_COMPRESS_LOGS_DAYS: positive.default(7),
  SLIPWAY_BUILD_FREE_BYTES: z.coerce.number().int().nonnegative().default(GiB),
  SLIPWAY_PULL_FREE_BYTES: z.coerce.number().int().nonnegative().default(GiB),
  SLIPWAY_RECONCILE_INTERVAL_MS: positive.default(60_000),
  SLIPWAY_LEASE_MS: positive.min(1000).default(10_000),
  SLIPWAY_METRICS_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  SLIPWAY_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

/** sockaddr_un holds 107 bytes and a NUL (unix(7)), and HAProxy binds a temporary name that is 10 bytes longer first. */
const UNIX_SOCKET_PATH_BYTES = 97;

/** Reads and checks the settings. Throws `invalid_config` naming every variable that is wrong, and how. */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const present = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = environment.safeParse(present);
  const problems: string[] = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);

  const limits: Record<string, number> = { ...DEFAULT_LIMITS };
  for (const name of Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]) {
    const variable = limitVariable(name);
    const text = present[variable];
    if (text === undefined) continue;
    const value = Number(text);
    if (Number.isInteger(value) && value > 0) limits[name] = value;
    else problems.push(`${variable}: must be a whole number above 0, not "${text}"`);
  }

  const mirrors: { from: string; to: string }[] = [];
  for (const entry of parsed.success ? parsed.data.SLIPWAY_MIRRORS : []) {
    const [from, to, ...rest] = entry.split('=');
    if (from && to && rest.length === 0) mirrors.push({ from, to });
    else problems.push(`SLIPWAY_MIRRORS: "${entry}" must be FROM=TO, for example docker.io=127.0.0.1:5000`);
  }

  if (!parsed.success || problems.length > 0) throw invalidConfig(problems);
  const values = parsed.data;
  const home = resolve(values.SLIPWAY_HOME);
  const run = join(home, 'run');
  const longest = join(run, 'haproxy-master.sock');
  if (Buffer.byteLength(longest) > UNIX_SOCKET_PATH_BYTES) {
    throw invalidConfig([
      `SLIPWAY_HOME: "${home}" is too long for the unix sockets below it; use a path of at most ` +
        `${UNIX_SOCKET_PATH_BYTES - Buffer.byteLength(longest) + Buffer.byteLength(home)} bytes`,
    ]);
  }
  const listen = parseHostPort(values.SLIPWAY_LISTEN);
  const publicUrl = (values.SLIPWAY_URL ?? `http://${values.SLIPWAY_LISTEN}`).replace(/\/+$/, '');
  const { SLIPWAY_REGISTRY_USERNAME: username, SLIPWAY_REGISTRY_PASSWORD: password } = values;
  return {
    home,
    listen,
    publicUrl,
    ...sshOf(values, publicUrl),
    redisUrl: values.SLIPWAY_REDIS_URL,
    registry: {
      host: values.SLIPWAY_REGISTRY,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    },
    pushRegistries:
      values.SLIPWAY_PUSH_REGISTRIES.length > 0 ? values.SLIPWAY_PUSH_REGISTRIES : [values.SLIPWAY_REGISTRY],
    mirrors,
    insecureRegistries: values.SLIPWAY_INSECURE_REGISTRIES,
    dockerHost: values.DOCKER_HOST,
    edge: {
      masterSocket: values.SLIPWAY_EDGE_SOCKET ?? join(run, 'haproxy-master.sock'),
      configFile: values.SLIPWAY_EDGE_CONFIG ?? join(home, 'edge', 'haproxy.cfg'),
      bind: values.SLIPWAY_EDGE_BIND,
      ...(values.SLIPWAY_EDGE_TLS_BIND === undefined ? {} : { tlsBind: values.SLIPWAY_EDGE_TLS_BIND }),
    },
    acme: {
      directory: values.SLIPWAY_ACME_DIRECTORY,
      ...(values.SLIPWAY_ACME_EMAIL === undefined ? {} : { email: values.SLIPWAY_ACME_EMAIL }),
    },
    appDomain: values.SLIPWAY_APP_DOMAIN,
    deployBranch: values.SLIPWAY_DEPLOY_BRANCH,
    builderConcurrency: values.SLIPWAY_BUILDER_CONCURRENCY,
    storeBudgetBytes: values.SLIPWAY_STORE_BUDGET_BYTES,
    remoteCacheBytes: values.SLIPWAY_REMOTE_CACHE_BYTES,
    shareCacheMounts: values.SLIPWAY_SHARE_CACHE_MOUNTS === '1',
    buildNetworkAllow: values.SLIPWAY_BUILD_NETWORK_ALLOW,
    outboundAllow: values.SLIPWAY_OUTBOUND_ALLOW,
    reviewApps: values.SLIPWAY_REVIEW_APPS,
    reviewAgeMs: values.SLIPWAY_REVIEW_DAYS * DAY_MS,
    keepReleases: values.SLIPWAY_KEEP_RELEASES,
    keepRecordsMs: values.SLIPWAY_KEEP_RECORDS_DAYS * DAY_MS,
    compressLogsMs: values.SLIPWAY_COMPRESS_LOGS_DAYS * DAY_MS,
    buildFreeBytes: values.SLIPWAY_BUILD_FREE_BYTES,
    pullFreeBytes: values.SLIPWAY_PULL_FREE_BYTES,
    reconcileIntervalMs: values.SLIPWAY_RECONCILE_INTERVAL_MS,
    leaseMs: values.SLIPWAY_LEASE_MS,
    ...(values.SLIPWAY_METRICS_TOKEN === undefined ? {} : { metricsToken: values.SLIPWAY_METRICS_TOKEN }),
    logLevel: values.SLIPWAY_LOG_LEVEL,
    limits: limits as unknown as Limits,
  };
}

function parseHostPort(text: string): { host: string; port: number } {
  const [host = '', port = ''] = text.split(':');
  return { host, port: Number(port) };
}

/** Users reach sshd at the host that they reach the web process by, unless it is said otherwise. */
function sshOf(
  { SLIPWAY_SSH_LISTEN: text, SLIPWAY_SSH_URL: url }: z.infer<typeof environment>,
  publicUrl: string,
): Pick<Config, 'ssh'> {
  if (text === undefined || text === 'none') return {};
  const listen = parseHostPort(text);
  const { hostname } = new URL(publicUrl);
  return { ssh: { listen, url: (url ?? `ssh://git@${hostname}:${listen.port}`).replace(/\/+$/, '') } };
}

function invalidConfig(problems: readonly string[]): SlipwayError {
  return new SlipwayError('invalid_config', `the settings are not valid:\n  ${problems.join('\n  ')}`, {
    hint: 'correct these environment variables and start again',
  });
}

/** Where each kind of durable data lives below the home. One place, so that a newcomer finds every file. */
export interface HomePaths {
  readonly run: string;
  readonly hookSocket: string;
  /** Where the deployer answers the web process about running containers. */
  readonly deployerSocket: string;
  /** Where the web process answers sshd; its directory is all of the home that the room of sshd has. */
  readonly sshSocket: string;
  /** The key that the platform is known by to who comes by SSH. */
  readonly ssh: string;
  readonly appRepositories: string;
  readonly platformRepository: string;
  readonly deployments: string;
  readonly openDeployments: string;
  readonly endedDeployments: string;
  readonly secretKey: string;
  /** When tokens were last used. */
  readonly tokenUses: string;
  /** What opens the hosts: the deployer's alone. */
  readonly hostCredentials: string;
  readonly store: string;
  /** Answers to requests with an Idempotency-Key, for a day. */
  readonly answers: string;
  readonly tmp: string;
}

export function homePaths(home: string): HomePaths {
  return {
    run: join(home, 'run'),
    hookSocket: join(home, 'run', 'hook.sock'),
    deployerSocket: join(home, 'run', 'deployer.sock'),
    sshSocket: join(home, 'run', 'ssh', 'ssh.sock'),
    ssh: join(home, 'ssh'),
    appRepositories: join(home, 'git', 'apps'),
    platformRepository: join(home, 'git', 'platform.git'),
    deployments: join(home, 'deployments'),
    openDeployments: join(home, 'deployments', '.open'),
    endedDeployments: join(home, 'deployments', '.ended'),
    secretKey: join(home, 'secret.key'),
    tokenUses: join(home, 'token-uses.json'),
    hostCredentials: join(home, 'hosts'),
    store: join(home, 'store'),
    answers: join(home, 'answers'),
    tmp: join(home, 'tmp'),
  };
}
