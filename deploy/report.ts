/** The last lines of a rollout that succeeded. Pure. */
import { seconds } from '../src/logs/seconds.js';
import type { Deployment } from '../src/model/deployment.js';
import { isStopped } from '../src/model/process.js';
import type { Release, ReleaseWithOutcome } from '../src/model/release.js';

export interface Success {
  readonly app: string;
  readonly release: ReleaseWithOutcome;
  readonly url: string;
  /** The release that served before. */
  readonly previous: Release | undefined;
  readonly deployment: Deployment;
  /** ms since the epoch. */
  readonly now: number;
}

export interface ReportLine {
  readonly style: 'final' | 'body';
  readonly text: string;
}

export function reportSuccess({ app, release, url, previous, deployment, now }: Success): ReportLine[] {
  const { phases, steps, acceptedAt } = deployment;
  // A phase that was done again by a deployer that took over counts once.
  const times = [...new Map(phases.map(({ name, ms }) => [name, ms]))].map(
    ([name, ms]) => `${name} ${seconds(ms)}`,
  );
  return [
    final(`v${release.number} of ${app} is live${isStopped(release) ? `; ${app} is stopped` : ` at ${url}`}`),
    body(`image  ${release.image.repository}@${release.image.digest}`),
    ...(steps === undefined ? [] : [body(`steps  ${steps.cached}/${steps.total} cached`)]),
    body(`time   ${[...times, `${seconds(now - acceptedAt)} in all`].join(', ')}`),
    ...newAndIdle(release, previous).map((type) =>
      body(`idle   no ${type} runs; to have one: slipway ps:scale ${type}=1 -a ${app}`),
    ),
    ...(release.outcome?.warm === undefined
      ? []
      : [
          body(
            `warm   v${release.outcome.warm.release} until ${release.outcome.warm.until}: a rollback until then needs no start`,
          ),
        ]),
    ...wayBack(release, previous).map((command) => final(`To undo: slipway ${command} -a ${app}`)),
  ];
}

/** Types that a push brings and nobody has scaled: else they would be missed in silence. */
function newAndIdle(release: Release, previous: Release | undefined): string[] {
  if (release.kind !== 'deploy' || isStopped(release)) return [];
  const known = new Set(previous?.processes.map(({ type }) => type));
  return release.processes
    .filter(({ type, scale }) => scale === 0 && !known.has(type))
    .map(({ type }) => type);
}

/** A rollback leaves as it is today whether an app is stopped and where it runs, so it takes none of that back. */
function wayBack({ kind }: Release, previous: Release | undefined): string[] {
  if (kind === 'stop') return ['ps:start'];
  if (kind === 'start') return ['ps:stop'];
  if (kind === 'restart' || kind === 'placement' || previous === undefined) return [];
  return [`rollback v${previous.number}`];
}

function final(text: string): ReportLine {
  return { style: 'final', text };
}

function body(text: string): ReportLine {
  return { style: 'body', text };
}
