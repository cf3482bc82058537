/** The last lines of a rollout that succeeded. Pure. */
import { seconds } from '../src/logs/seconds.js';
import type { Deployment } from '../src/model/deployment.js';
import type { Release } from '../src/model/release.js';

export interface Success {
  readonly app: string;
  readonly release: Release;
  readonly url: string;
  /** The release that served before. */
  readonly previous: number | undefined;
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
    { style: 'final', text: `v${release.number} of ${app} is live at ${url}` },
    { style: 'body', text: `image  ${release.image.repository}@${release.image.digest}` },
    ...(steps === undefined ? [] : [body(`steps  ${steps.cached}/${steps.total} cached`)]),
    body(`time   ${[...times, `${seconds(now - acceptedAt)} in all`].join(', ')}`),
    ...(previous === undefined ? [] : [final(`To undo: slipway rollback v${previous} -a ${app}`)]),
  ];
}

function final(text: string): ReportLine {
  return { style: 'final', text };
}

function body(text: string): ReportLine {
  return { style: 'body', text };
}
