/**
 * A share of the requests goes to a few of the new containers for a while, the bake. They must go on doing their work, with no more errors
 * than the old ones and the margin; then the others are started and all requests switched. Nothing of the old release is touched before.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SlipwayError } from '../../src/errors.js';
import { WEB_TYPE } from '../../src/model/process.js';
import { instanceName } from '../../src/model/release.js';
import type { Strategy } from '../../src/model/strategy.js';
import { doesItsWork } from '../adopt.js';
import { hostOf } from '../names.js';
import { serversOfContainers } from '../parts.js';
import type { PlacedInstance } from '../placement.js';
import { isAlive } from '../plan.js';
import type { Container } from '../targets/container.js';
import { Answers, isWorse } from './answers.js';
import { blueGreen } from './blue-green.js';
import type { Course, Steps } from './steps.js';

type Canary = Extract<Strategy, { name: 'canary' }>;

const LOOK_MS = 1000;
/** So often in a row: one look may meet a container that is just busy. */
const MISSES = 3;

export async function canary(course: Course, steps: Steps, strategy: Canary): Promise<void> {
  const { adopted, fresh, serving } = course.change;
  const stable = [...adopted, ...serving.filter(isAlive)];
  const few = canaries(fresh, strategy.percent);
  // With nothing to compare it with, or nothing that answers requests, there is no share to give.
  if (few.length > 0 && serversOfContainers(stable).length > 0) {
    const started = await steps.start(few);
    await steps.check(started);
    await steps.switchTo(stable, { percent: strategy.percent, containers: started });
    await bake(course, started, strategy);
  }
  await blueGreen(course, steps);
}

/** The same share of the instances as of the requests, but one at least. */
export function canaries(fresh: readonly PlacedInstance[], percent: number): readonly PlacedInstance[] {
  const web = fresh.filter(({ process }) => process === WEB_TYPE);
  return web.slice(0, Math.ceil((web.length * percent) / 100));
}

async function bake(course: Course, started: readonly Container[], strategy: Canary): Promise<void> {
  const { parts, app, release, signal, phase, stillOurs, stillNewest } = course;
  const host = hostOf(app, parts.config.appDomain);
  const names = new Set(serversOfContainers(started).map(({ name }) => name));
  const answers = new Answers(names);
  const misses = new Map<string, number>();
  await phase('bake', async () => {
    // Both are counted over the same time.
    answers.add(await parts.edge.answers(host));
    const endsAt = performance.now() + strategy.bakeMs;
    for (let left = strategy.bakeMs; left > 0; left = endsAt - performance.now()) {
      await sleep(Math.min(LOOK_MS, left), undefined, { signal });
      await stillOurs();
      await stillNewest();
      const counted = await parts.edge.answers(host);
      answers.add(counted);
      // An edge that was restarted has the old release's servers only, until it is told.
      if ([...names].some((name) => !counted.has(name))) await parts.edge.converge();
      if (isWorse(answers.canary, answers.stable, strategy.marginPercent))
        throw unhealthy(
          `the canary has ${answers.words}, which is more than ${strategy.marginPercent} % beyond`,
        );
      for (const container of started) {
        const isWell = await doesItsWork(parts, release, container, host, signal).catch(() => false);
        signal.throwIfAborted();
        const missed = isWell ? 0 : (misses.get(container.id) ?? 0) + 1;
        misses.set(container.id, missed);
        if (missed === MISSES)
          throw unhealthy(
            `${instanceName(container.instance)} of the canary does not pass its checks any more`,
          );
      }
    }
    return `the canary is well: ${answers.words}`;
  });
}

function unhealthy(message: string): SlipwayError {
  return new SlipwayError('unhealthy', message, {
    hint: 'all requests go to the old release again; correct the app and push again',
  });
}
