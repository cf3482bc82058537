/** Plays a build case: in each round everybody builds the same commit, one after the other (A B A B …). */
import { join } from 'node:path';
import { differences, type ImageContent, pushedContent } from '../content.js';
import { flushDisks } from '../measure/disks.js';
import { measure } from '../measure/measure.js';
import type { Contender, Work } from '../peers/contender.js';
import { type CaseResult, judged, OURS, type Sample, sideOf } from '../report/results.js';
import { makeProject, type Project } from '../workloads/project.js';
import type { BuildCase } from './build-case.js';

export interface Stage {
  /** Where projects are made. */
  readonly directory: string;
  readonly registry: string;
  readonly rounds: number;
  /** Ours first. */
  readonly contenders: readonly Contender[];
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Rounds that are not counted: the first build of a project, and a warm-up. */
const UNCOUNTED = 2;

export async function playBuildCase(one: BuildCase, stage: Stage): Promise<CaseResult> {
  const samples = new Map(stage.contenders.map(({ name }): [string, Sample[]] => [name, []]));
  const first = one.isFresh ? UNCOUNTED - 1 : 0;
  let project: Project | undefined;
  let work: Work | undefined;
  for (let round = first; round < stage.rounds + UNCOUNTED; round++) {
    stage.signal.throwIfAborted();
    if (project === undefined || one.isFresh) project = await newProject(one, round, stage);
    else if (round > 0) await one.change?.(project, round);
    work = await nextWork(one, project);
    for (const contender of stage.contenders) {
      const sample = await playOnce(one, contender, work);
      stage.say(
        `${one.id} round ${round - UNCOUNTED + 1} ${contender.name}: ${Math.round(sample.wallMs)} ms`,
      );
      if (round >= UNCOUNTED) samples.get(contender.name)?.push(sample);
    }
  }
  const sides = [...samples].map(([name, each]) => sideOf(name, each));
  const found = work === undefined ? [] : await compareContents(work, stage);
  return judged(one, sides, { differences: found, notes: [] });
}

/** Stays until all is measured: a file system that has just removed many files makes new ones slowly, for everybody. */
async function newProject(one: BuildCase, seed: number, { directory, registry }: Stage): Promise<Project> {
  return makeProject(join(directory, `${one.id}-${seed}`), one.plan(`${registry}/${one.base}`, seed));
}

async function nextWork(one: BuildCase, project: Project): Promise<Work> {
  const commit = await project.commit();
  return { app: `bench-${one.id}`, project, commit, push: one.push, noCache: one.noCache ?? false };
}

/** What the one before has written must not be this one's to wait for. */
async function playOnce(one: BuildCase, contender: Contender, work: Work): Promise<Sample> {
  if (one.emptiesStores) await contender.empty();
  await contender.prepare(work);
  await flushDisks();
  const { cost, result } = await measure(contender.daemons(), () => contender.build(work));
  return result === undefined ? cost : { ...cost, phases: result };
}

async function compareContents(work: Work, { contenders, registry }: Stage): Promise<string[]> {
  let ours: ImageContent | undefined;
  const lines: string[] = [];
  for (const contender of contenders) {
    const content = await pushedContent(registry, await contender.publish(work));
    if (contender.name === OURS) ours = content;
    else if (ours !== undefined)
      lines.push(...differences(ours, content).map((line) => `${contender.name}: ${line}`));
  }
  return lines;
}
