/** Case f: a second builder with an empty disk gets the image of a commit that another has built, from what they share. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { flushDisks } from '../measure/disks.js';
import { measure } from '../measure/measure.js';
import { type OurBuilder, startOurBuilder } from '../ours/builder.js';
import type { Request } from '../ours/messages.js';
import type { Work } from '../peers/contender.js';
import { type CaseResult, judged, OURS, type Sample, sideOf } from '../report/results.js';
import { median } from '../report/statistics.js';
import { PLAIN } from '../workloads/bases.js';
import { appDockerfile } from '../workloads/dockerfiles.js';
import { makeProject } from '../workloads/project.js';
import type { Stage } from './play-build.js';

const APP = 'bench-f';
const WARM_ROUNDS = 5;
const OTHER_APP = 'bench-f-other';
/** What a builder that knows nothing must at least ask for: the base image's manifest and config, and the shared index. */
const DOCUMENTS = 4;

/** `noChangeMs` is our time in case a1; measured here where that did not run. */
export async function playSecondBuilder(
  stage: Stage,
  version: string,
  noChangeMs: number | undefined,
): Promise<CaseResult> {
  const { directory, registry, rounds, say, signal } = stage;
  const project = await makeProject(join(directory, 'f'), {
    dockerfile: appDockerfile(`${registry}/${PLAIN}`),
    files: 3300,
    bytes: 40_000_000,
    seed: 1,
  });
  const commit = await project.commit();
  const work: Work = { app: APP, project, commit, push: true, noCache: false };
  const other: Work = { ...work, app: OTHER_APP };
  const start = (name: string): Promise<OurBuilder> =>
    startOurBuilder({ home: join(directory, name), registry, version });
  const first = await start('f-first');
  const samples: Sample[] = [];
  const again: number[] = [];
  const notes = new Set<string>();
  try {
    await first.prepare(other);
    await first.ask(request(other, true));
    await first.prepare(work);
    const wanted = await first.ask(request(work, true));
    await first.ask({ kind: 'settle' });
    for (let round = 0; round <= rounds; round++) {
      signal.throwIfAborted();
      const second = await start('f-second');
      try {
        // A warm process, as in the other cases: it has had the image of another app from the others, some times.
        await second.prepare(other);
        for (let warm = 0; warm < WARM_ROUNDS; warm++) await second.ask(request(other, false));
        await second.prepare(work);
        await flushDisks();
        const ask = request(work, false);
        const { cost, result } = await measure(second.daemons(), () => second.ask(ask));
        say(`f round ${round} slipway: ${Math.round(cost.wallMs)} ms`);
        if (result.digest !== wanted.digest) notes.add('the second builder made another image');
        if (result.executedSteps !== 0) notes.add(`${result.executedSteps} steps were executed`);
        const { storedBytes } = await second.ask({ kind: 'stored' });
        if (storedBytes !== 0) notes.add(`layers of ${storedBytes} bytes were downloaded`);
        if (round > 0) samples.push({ ...cost, ...(result.phases ? { phases: result.phases } : {}) });
        const repeated = await measure(first.daemons(), () => first.ask(ask));
        if (round > 0) again.push(repeated.cost.wallMs);
      } finally {
        await second.stop();
      }
    }
  } finally {
    await first.stop();
    await rm(project.directory, { recursive: true, force: true });
  }
  const asked = await documentsMs(registry);
  const most = (noChangeMs ?? median(again)) + asked;
  const why = `a1 and ${DOCUMENTS} small documents of the registry (${asked.toFixed(1)} ms)`;
  const title = 'second builder, empty disk, same commit';
  const one = { id: 'f', title, mark: { kind: 'ms', most, why } } as const;
  return judged(one, [sideOf(OURS, samples)], { differences: [], notes: [`at most ${why}`, ...notes] });
}

function request({ app, commit, noCache }: Work, push: boolean): Extract<Request, { kind: 'build' }> {
  return { kind: 'build', app, commit, push, noCache };
}

/** One after the other, each on a connection of its own. */
async function documentsMs(registry: string): Promise<number> {
  const headers = { accept: 'application/vnd.oci.image.manifest.v1+json', connection: 'close' };
  const times: number[] = [];
  for (let round = 0; round < 9; round++) {
    const started = performance.now();
    for (let document = 0; document < DOCUMENTS; document++) {
      const response = await fetch(`http://${registry}/v2/${PLAIN}/manifests/latest`, { headers });
      await response.arrayBuffer();
    }
    times.push(performance.now() - started);
  }
  return median(times);
}
