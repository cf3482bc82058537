/** A release: what should run. Immutable and numbered; rollback makes a new one. Pure. */
import type { Check } from './check.js';
import type { CronEntry } from './cron.js';
import type { Strategy } from './strategy.js';
import type { VolumeMount } from './volume.js';

/** What a release was made for, when not for a push. */
export type ChangeKind =
  | 'rollback'
  | 'config'
  | 'scale'
  | 'resources'
  | 'placement'
  | 'volumes'
  | 'domains'
  | 'restart'
  | 'stop'
  | 'start';
export type ReleaseKind = 'deploy' | ChangeKind;

export interface ReleaseImage {
  /** Repository in the configured registry, for example `apps/hello`. Never with a host: the registry may move. */
  readonly repository: string;
  /** `sha256:<hex>` of the manifest. From here on only this names the image (invariant 4). */
  readonly digest: string;
}

/** What one container may use; what is absent is unlimited. */
export interface ProcessResources {
  readonly memoryBytes?: number;
  /** 0.5 is half of one processor. */
  readonly cpus?: number;
  /** Processes and threads. */
  readonly processes?: number;
}

export interface ReleaseProcess {
  /** `web`, which answers requests, or any other. */
  readonly type: string;
  /** Instead of the image's own command. */
  readonly command?: readonly string[];
  /** How many containers, over all hosts. */
  readonly scale: number;
  /** Of a stopped app, whose scale is 0: how many containers there are when it is started. */
  readonly whenStarted?: number;
  readonly resources?: ProcessResources;
  /** What a container of it must pass; without any, what deploy/checks.ts tries. */
  readonly checks?: readonly Check[];
  /** By path; absent when there are none. */
  readonly mounts?: readonly VolumeMount[];
}

export interface Release {
  /** 1, 2, 3, … within the app; shown as `v1`. A failed release keeps its number. */
  readonly number: number;
  readonly kind: ReleaseKind;
  readonly image: ReleaseImage;
  /** Commit id of the source. */
  readonly source: string;
  /** The commit's subject, and who wrote it. */
  readonly message?: string;
  readonly author?: string;
  /** Config var names to ciphertext (see src/ledger/vault.ts). */
  readonly config: Readonly<Record<string, string>>;
  readonly processes: readonly ReleaseProcess[];
  /** The command that runs once in the new image before anything of it serves. */
  readonly releasePhase?: readonly string[];
  /** What runs by the clock while it is live. */
  readonly cron?: readonly CronEntry[];
  /** Names of the hosts that its containers are spread over, sorted. A release from before there were any has none: `local`. */
  readonly hosts?: readonly string[];
  /** The app's domains when it was made, for who reads it later; they are the app's, and no rollback brings them back. */
  readonly domains?: readonly string[];
  /** How its containers take the place of those that serve; absent: blue-green. */
  readonly strategy?: Strategy;
  /** What its commit says of that, for the releases after it that have the same code. */
  readonly declaredStrategy?: Strategy;
  /** Of a restart: the process types that get new containers; absent: all. */
  readonly restarts?: readonly string[];
  /** The deployment that made it; at most one release per deployment. */
  readonly deploymentId: string;
  /** For a rollback: the number that was brought back. */
  readonly rollbackOf?: number;
  readonly createdAt: string;
  readonly createdBy: string;
  /** One line for people: `deploy 3fa9c1d`, `rollback to v1`, `set FOO, unset BAR`. */
  readonly description: string;
}

export type OutcomeState = 'live' | 'failed' | 'cancelled' | 'superseded';

/** How a release ended. Absent while its rollout is waiting or under way. */
export interface Outcome {
  readonly state: OutcomeState;
  readonly at: string;
  readonly reason?: string;
  /**
   * Of a live release that was what ran already: the deployments whose containers it adopted. They still carry the
   * names of the release that started them.
   */
  readonly containersOf?: readonly string[];
  /** Which instances those are: `web.1` → the deployment. Absent: all of them, as earlier versions adopted. */
  readonly adopted?: Readonly<Record<string, string>>;
  /** The release that served before, whose containers go on without requests until then (ISO 8601), for a rollback without a start. */
  readonly warm?: { readonly release: number; readonly until: string };
}

/** `web.1` */
export function instanceName({ process, number }: Instance): string {
  return `${process}.${number}`;
}

/** One container that a release wants. */
export interface Instance {
  readonly process: string;
  /** 1, 2, 3, … within its process type. */
  readonly number: number;
}

/**
 * Whether a container is one of the release's. By the deployment that started it: a number alone does not say it, since an app that was
 * destroyed and made anew counts from 1 again. A live release also has those that it adopted.
 */
export function isContainerOf(
  { deployment, instance }: { readonly deployment: string; readonly instance: Instance },
  { deploymentId, outcome }: Pick<ReleaseWithOutcome, 'deploymentId' | 'outcome'>,
): boolean {
  if (deployment === deploymentId) return true;
  const { containersOf = [], adopted } = outcome ?? {};
  if (adopted === undefined || !containersOf.includes(deployment)) return containersOf.includes(deployment);
  // A Swarm shows a service that has no task just now as instance 0.
  if (instance.number === 0)
    return Object.entries(adopted).some(
      ([name, from]) => from === deployment && name.startsWith(`${instance.process}.`),
    );
  return Object.hasOwn(adopted, instanceName(instance)) && adopted[instanceName(instance)] === deployment;
}

/** A person's wish that a release stays, however old it gets. */
export interface Pin {
  readonly at: string;
  readonly by: string;
}

/** A person's word that a release is bad, although it went live. */
export interface Mark {
  readonly reason: string;
  readonly at: string;
  readonly by: string;
}

export interface ReleaseWithOutcome extends Release {
  readonly outcome?: Outcome;
  readonly bad?: Mark;
  readonly pinned?: Pin;
  /** Retention has let it go: its image may be anywhere or nowhere. */
  readonly gone?: boolean;
}

/** `v12` or `12` → 12. Anything else → undefined. */
export function parseReleaseNumber(text: string): number | undefined {
  const match = /^v?([1-9]\d{0,8})$/.exec(text);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** Where `rollback` without a number goes: the newest release before the live one that was live itself and is not marked bad. */
export function lastGoodBefore(
  releases: readonly ReleaseWithOutcome[],
  live: number,
): ReleaseWithOutcome | undefined {
  return releases
    .filter(({ number, outcome, bad }) => number < live && outcome?.state === 'live' && bad === undefined)
    .sort((a, b) => b.number - a.number)[0];
}

/** The release whose containers the live one keeps warm now. */
export function warmRelease(
  live: ReleaseWithOutcome | undefined,
  releases: readonly ReleaseWithOutcome[],
  now: number,
): ReleaseWithOutcome | undefined {
  const { warm } = live?.outcome ?? {};
  if (warm === undefined || Date.parse(warm.until) <= now) return undefined;
  return releases.find(({ number }) => number === warm.release);
}

/**
 * Whether the release phase is due: for each push, since what it does may depend on the commit, and for what is made of a push that
 * has not been live, whose own rollout it may have overtaken. What was live has had its release phase.
 */
export function needsReleasePhase(
  release: Pick<Release, 'number' | 'kind' | 'image' | 'source' | 'releasePhase'>,
  releases: readonly ReleaseWithOutcome[],
): boolean {
  if (release.releasePhase === undefined) return false;
  if (release.kind === 'deploy') return true;
  return !releases.some(
    ({ number, outcome, image, source }) =>
      number < release.number &&
      outcome?.state === 'live' &&
      image.digest === release.image.digest &&
      source === release.source,
  );
}
