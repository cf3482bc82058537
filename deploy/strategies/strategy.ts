/** Which strategy a release is rolled out by, and where it cannot be. */
import { SlipwayError } from '../../src/errors.js';
import type { AppState } from '../../src/ledger/app-documents.js';
import type { Release } from '../../src/model/release.js';
import { BLUE_GREEN } from '../../src/model/strategy.js';
import type { DeployerParts } from '../parts.js';
import { hostsOf } from '../placement.js';
import { isSwarm } from '../swarm/target.js';
import { blueGreen } from './blue-green.js';
import { canary } from './canary.js';
import { recreate } from './recreate.js';
import { rolling } from './rolling.js';
import type { Course, Steps } from './steps.js';

/** Resolves when the new containers serve and nothing else does. */
export function carryOut(course: Course, steps: Steps): Promise<void> {
  const strategy = course.release.strategy ?? BLUE_GREEN;
  switch (strategy.name) {
    case 'blue-green':
      return blueGreen(course, steps);
    case 'rolling':
      return rolling(course, steps, strategy.batch);
    case 'recreate':
      return recreate(course, steps);
    case 'canary':
      return canary(course, steps, strategy);
  }
}

/**
 * A Swarm starts and stops tasks in its own order: what a strategy says of single containers has no meaning there. Throws `conflict`.
 */
export async function refuseOnSwarms(
  { hosts }: Pick<DeployerParts, 'hosts'>,
  release: Release,
  { releases, live }: Pick<AppState, 'releases' | 'live'>,
): Promise<void> {
  const { name } = release.strategy ?? BLUE_GREEN;
  if (name !== 'rolling' && name !== 'recreate') return;
  const serving = releases.find(({ number }) => number === live);
  const touched = new Set([...hostsOf(release), ...(serving === undefined ? [] : hostsOf(serving))]);
  for (const host of await hosts.list())
    if (touched.has(host.name) && isSwarm(host.target))
      throw new SlipwayError('conflict', `${host.name} is a Swarm, where no ${name} rollout is possible`, {
        hint: 'a Swarm takes blue-green and canary: slipway strategy:set blue-green',
      });
}
