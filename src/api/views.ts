/** What the API shows of a deployment, a release and an app. Ciphertext and claims never leave. Pure. */
import { z } from 'zod';
import type { Config } from '../config.js';
import type { AppState } from '../ledger/app-documents.js';
import { check } from '../ledger/check-documents.js';
import type { CronEntry } from '../model/cron.js';
import type { CommitSource, Deployment } from '../model/deployment.js';
import { LOCAL_HOST } from '../model/host.js';
import type { ProcessResources, ReleaseProcess, ReleaseWithOutcome } from '../model/release.js';
import { BLUE_GREEN, describeStrategy } from '../model/strategy.js';
import type { VolumeMount } from '../model/volume.js';
import { count, described, list, maybe, number, part, text, texts, time, yes } from './described.js';

export interface BuildView {
  readonly id: string;
  readonly app: string;
  readonly kind: Deployment['kind'];
  readonly state: Deployment['state'];
  readonly who: string;
  readonly commit?: string;
  readonly ref?: string;
  /** Where the commit was fetched, when it was not pushed here. */
  readonly from?: CommitSource;
  readonly release?: number;
  readonly digest?: string;
  readonly steps?: Deployment['steps'];
  readonly phases: Deployment['phases'];
  readonly acceptedAt: string;
  readonly endedAt?: string;
  readonly durationMs?: number;
  readonly reason?: string;
  readonly code?: string;
  /** Who asked for its end; while it is open the worker is cleaning up. */
  readonly cancelledBy?: string;
}

const KINDS = [
  'rollback',
  'config',
  'scale',
  'resources',
  'placement',
  'domains',
  'restart',
  'stop',
  'start',
] as const;

export const BuildKind: z.ZodType<BuildView['kind']> = z.enum(['push', ...KINDS]);
export const BuildState: z.ZodType<BuildView['state']> = z.enum([
  'accepted',
  'building',
  'ready',
  'releasing',
  'live',
  'built',
  'failed',
  'cancelled',
  'superseded',
]);

export const Build: z.ZodType<BuildView> = described<BuildView>('Build', {
  id: text,
  app: text,
  kind: BuildKind,
  state: BuildState,
  who: text,
  commit: maybe(text),
  ref: maybe(text),
  from: maybe(part<CommitSource>({ remote: text, ref: text, webhook: maybe(text) })),
  release: maybe(count),
  digest: maybe(text),
  steps: maybe(part<NonNullable<BuildView['steps']>>({ cached: count, total: count })),
  phases: list(part<BuildView['phases'][number]>({ name: text, ms: number })),
  acceptedAt: time,
  endedAt: maybe(time),
  durationMs: maybe(number),
  reason: maybe(text),
  code: maybe(text),
  cancelledBy: maybe(text),
});

export function buildView(deployment: Deployment): BuildView {
  const {
    id,
    app,
    kind,
    state,
    who,
    push,
    release,
    digest,
    steps,
    phases,
    acceptedAt,
    endedAt,
    reason,
    code,
    cancelledBy,
  } = deployment;
  return {
    id,
    app,
    kind,
    state,
    who,
    ...(push === undefined ? {} : { commit: push.newOid, ref: push.ref }),
    ...(push?.from === undefined ? {} : { from: push.from }),
    ...(release === undefined ? {} : { release }),
    ...(digest === undefined ? {} : { digest }),
    ...(steps === undefined ? {} : { steps }),
    phases,
    acceptedAt: new Date(acceptedAt).toISOString(),
    ...(endedAt === undefined
      ? {}
      : { endedAt: new Date(endedAt).toISOString(), durationMs: endedAt - acceptedAt }),
    ...(reason === undefined ? {} : { reason }),
    ...(code === undefined ? {} : { code }),
    ...(cancelledBy === undefined ? {} : { cancelledBy }),
  };
}

export interface ReleaseView {
  readonly version: string;
  readonly number: number;
  readonly kind: ReleaseWithOutcome['kind'];
  readonly state: 'pending' | 'live' | 'was live' | 'failed' | 'cancelled' | 'superseded';
  readonly description: string;
  readonly image: ReleaseWithOutcome['image'];
  readonly commit: string;
  /** The commit's subject, and who wrote it. */
  readonly message?: string;
  readonly author?: string;
  readonly config: readonly string[];
  readonly processes: ReleaseWithOutcome['processes'];
  readonly releasePhase?: readonly string[];
  readonly cron?: ReleaseWithOutcome['cron'];
  readonly hosts: readonly string[];
  readonly domains?: readonly string[];
  /** How it was rolled out. */
  readonly strategy: string;
  readonly build: string;
  readonly rollbackOf?: number;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly endedAt?: string;
  readonly reason?: string;
  /** Why somebody called it bad. */
  readonly bad?: ReleaseWithOutcome['bad'];
  /** By whom: it stays, however old it gets. */
  readonly pinnedBy?: string;
  /** Retention has let it go: no rollback to it. */
  readonly gone?: boolean;
}

export const Resources: z.ZodType<ProcessResources> = described<ProcessResources>('Resources', {
  memoryBytes: maybe(count),
  cpus: maybe(number),
  processes: maybe(count),
});

export const Process: z.ZodType<ReleaseProcess> = described<ReleaseProcess>('ReleaseProcess', {
  type: text,
  command: maybe(texts),
  scale: count,
  whenStarted: maybe(count),
  resources: maybe(Resources),
  checks: maybe(list(check.meta({ id: 'Check' }))),
  mounts: maybe(list(part<VolumeMount>({ volume: text, path: text, readOnly: maybe(z.literal(true)) }))),
});

export const CronDefinition: z.ZodType<CronEntry> = described<CronEntry>('CronDefinition', {
  name: text,
  schedule: text,
  command: texts,
  timeZone: maybe(text),
  timeoutMs: maybe(count),
  overlaps: maybe(yes),
});

export const Release: z.ZodType<ReleaseView> = described<ReleaseView>('Release', {
  version: text,
  number: count,
  kind: z.enum(['deploy', ...KINDS]),
  state: z.enum(['pending', 'live', 'was live', 'failed', 'cancelled', 'superseded']),
  description: text,
  image: part<ReleaseView['image']>({ repository: text, digest: text }),
  commit: text,
  message: maybe(text),
  author: maybe(text),
  config: texts,
  processes: list(Process),
  releasePhase: maybe(texts),
  cron: maybe(list(CronDefinition)),
  strategy: text,
  hosts: texts,
  domains: maybe(texts),
  build: text,
  rollbackOf: maybe(count),
  createdAt: time,
  createdBy: text,
  endedAt: maybe(time),
  reason: maybe(text),
  bad: maybe(part<NonNullable<ReleaseView['bad']>>({ reason: text, at: time, by: text })),
  pinnedBy: maybe(text),
  gone: maybe(yes),
});

/** `live` is the number of the release that is live now; a release that was and is no more says so. */
export function releaseView(release: ReleaseWithOutcome, live: number | undefined): ReleaseView {
  const { outcome } = release;
  const state =
    outcome === undefined
      ? 'pending'
      : outcome.state === 'live' && release.number !== live
        ? 'was live'
        : outcome.state;
  return {
    version: `v${release.number}`,
    number: release.number,
    kind: release.kind,
    state,
    description: release.description,
    image: release.image,
    commit: release.source,
    ...(release.message === undefined ? {} : { message: release.message }),
    ...(release.author === undefined ? {} : { author: release.author }),
    config: Object.keys(release.config).sort(),
    processes: release.processes,
    ...(release.releasePhase === undefined ? {} : { releasePhase: release.releasePhase }),
    ...(release.cron === undefined ? {} : { cron: release.cron }),
    hosts: release.hosts ?? [LOCAL_HOST],
    ...(release.domains === undefined ? {} : { domains: release.domains }),
    strategy: describeStrategy(release.strategy ?? BLUE_GREEN),
    build: release.deploymentId,
    ...(release.rollbackOf === undefined ? {} : { rollbackOf: release.rollbackOf }),
    createdAt: release.createdAt,
    createdBy: release.createdBy,
    ...(outcome === undefined ? {} : { endedAt: outcome.at }),
    ...(outcome?.reason === undefined ? {} : { reason: outcome.reason }),
    ...(release.bad === undefined ? {} : { bad: release.bad }),
    ...(release.pinned === undefined ? {} : { pinnedBy: release.pinned.by }),
    ...(release.gone ? { gone: true } : {}),
  };
}

export interface AppView {
  readonly name: string;
  readonly url: string;
  readonly gitUrl: string;
  /** Where people push to with a key, when they can. */
  readonly sshUrl?: string;
  readonly deployBranch: string;
  readonly createdAt: string;
  readonly createdBy: string;
  /** Of a review app: the app and the branch that it is of. */
  readonly review?: AppState['settings']['review'];
  /** Why nothing of it may change. */
  readonly lock?: AppState['lock'];
  /** Times of the week in which nobody deploys it. */
  readonly freezes?: AppState['freezes'];
  /** The one that serves. */
  readonly release?: ReleaseView;
}

const Freeze = part<NonNullable<AppView['freezes']>[number]>({
  week: text,
  timeZone: text,
  reason: text,
  at: time,
  by: text,
});

export const App: z.ZodType<AppView> = described<AppView>('App', {
  name: text,
  url: text,
  gitUrl: text,
  sshUrl: maybe(text),
  deployBranch: text,
  createdAt: time,
  createdBy: text,
  freezes: maybe(list(Freeze)),
  review: maybe(part<NonNullable<AppView['review']>>({ of: text, branch: text })),
  lock: maybe(part<NonNullable<AppView['lock']>>({ reason: text, at: time, by: text })),
  release: maybe(Release),
});

export function appView(
  config: Pick<Config, 'appDomain' | 'edge' | 'publicUrl' | 'ssh'>,
  { settings, lock, freezes, releases, live }: AppState,
): AppView {
  const { name, deployBranch, createdAt, createdBy, review } = settings;
  const current = releases.find((release) => release.number === live);
  return {
    name,
    url: appUrl(config, name),
    gitUrl: `${config.publicUrl}/git/${name}.git`,
    ...(config.ssh === undefined ? {} : { sshUrl: `${config.ssh.url}/${name}` }),
    deployBranch,
    createdAt,
    createdBy,
    ...(review === undefined ? {} : { review }),
    ...(lock === undefined ? {} : { lock }),
    ...(freezes.length === 0 ? {} : { freezes }),
    ...(current === undefined ? {} : { release: releaseView(current, live) }),
  };
}

/** The name that every app has without asking for one. */
export function appHost({ appDomain }: Pick<Config, 'appDomain'>, app: string): string {
  return `${app}.${appDomain}`;
}

/** Where an app answers. */
export function appUrl(config: Pick<Config, 'appDomain' | 'edge'>, app: string): string {
  const port = config.edge.bind.split(':')[1] ?? '80';
  return `http://${appHost(config, app)}${port === '80' ? '' : `:${port}`}`;
}
