/** Plays a push case: in each round the same commit is pushed to the platform and to the script, on one engine and registry. */
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { differences, pushedContent } from '../content.js';
import { flushDisks } from '../measure/disks.js';
import { measure } from '../measure/measure.js';
import type { OurPlatform } from '../ours/platform.js';
import { type Phases, TAG } from '../peers/contender.js';
import type { DockerPeer } from '../peers/docker.js';
import { installReceiveScript } from '../peers/receive-script.js';
import { type CaseResult, judged, OURS, type Sample, sideOf } from '../report/results.js';
import { PLAIN } from '../workloads/bases.js';
import { makeProject } from '../workloads/project.js';
import type { Stage } from './play-build.js';
import { PAGE, type PushCase, pageText, pushPlan } from './push-case.js';

const PEER = 'script';
const UNCOUNTED = 2;

export interface PushStage extends Stage {
  readonly platform: OurPlatform;
  readonly docker: DockerPeer;
}

/** One who is pushed to. */
interface Receiver {
  readonly name: string;
  readonly daemons: () => readonly number[];
  readonly arguments: readonly string[];
  /** What is live. */
  page(): Promise<string>;
  phases?(): Promise<Phases>;
}

export async function playPushCase(one: PushCase, stage: PushStage): Promise<CaseResult> {
  const { directory, registry, platform, docker, rounds, say, signal } = stage;
  const app = `bench-${one.id}`;
  const project = await makeProject(join(directory, one.id), pushPlan(one, `${registry}/${PLAIN}`));
  const repository = `${PEER}/${app}`;
  const script = await installReceiveScript(
    join(directory, `${one.id}.git`),
    `${registry}/${repository}:${TAG}`,
    docker,
  );
  await platform.createApp(app);
  const { address, settings } = platform.remote(app);
  const receivers: readonly Receiver[] = [
    {
      name: OURS,
      daemons: () => [...platform.daemons(), ...docker.daemons()],
      arguments: [...settings, 'push', '--quiet', address, 'HEAD:main'],
      page: async () => (await platform.page(app)).body,
      phases: () => platform.phases(app),
    },
    {
      name: PEER,
      daemons: docker.daemons,
      arguments: ['push', '--quiet', script.gitDir, 'HEAD:main'],
      page: async () => (await fetch(await script.url())).text(),
    },
  ];
  const samples = new Map(receivers.map(({ name }): [string, Sample[]] => [name, []]));
  const notes = new Set<string>();
  try {
    for (let round = 0; round < rounds + UNCOUNTED; round++) {
      signal.throwIfAborted();
      if (one.isChange) await writeFile(join(project.directory, PAGE), pageText(round));
      await project.commit();
      for (const { name, daemons, arguments: args, page, phases } of receivers) {
        await flushDisks();
        const { cost } = await measure(daemons(), () =>
          promisify(execFile)('git', args, pushOptions(project.directory)),
        );
        say(`${one.id} round ${round - UNCOUNTED + 1} ${name}: ${Math.round(cost.wallMs)} ms`);
        const sample = phases === undefined ? cost : { ...cost, phases: await phases() };
        if (round >= UNCOUNTED) samples.get(name)?.push(sample);
        if ((await page()) !== pageText(one.isChange ? round : 0)) notes.add(`${name} showed another page`);
      }
    }
    const ours = await pushedContent(registry, {
      repository: `apps/${app}`,
      reference: await newest(registry, app),
    });
    const theirs = await pushedContent(registry, { repository, reference: TAG });
    const sides = [...samples].map(([name, each]) => sideOf(name, each));
    return judged(one, sides, {
      differences: differences(ours, theirs).map((line) => `${PEER}: ${line}`),
      notes: [...notes],
    });
  } finally {
    await script.stop();
    await rm(project.directory, { recursive: true, force: true });
  }
}

/** The tag of the last release. */
async function newest(registry: string, app: string): Promise<string> {
  const response = await fetch(`http://${registry}/v2/apps/${app}/tags/list`);
  const { tags } = (await response.json()) as { tags: string[] };
  const releases = tags.filter((tag) => /^v\d+$/.test(tag)).map((tag) => Number(tag.slice(1)));
  return `v${Math.max(...releases)}`;
}

function pushOptions(cwd: string): { cwd: string; env: NodeJS.ProcessEnv } {
  return { cwd, env: { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' } };
}
