/** Along what ours is measured, and how a point is made. Each point is a project that nobody has seen. */
import { measure } from '../measure/measure.js';
import type { Growth } from '../options.js';
import type { OurBuilder } from '../ours/builder.js';
import type { Work } from '../peers/contender.js';
import { median } from '../report/statistics.js';
import { PLAIN } from '../workloads/bases.js';
import { appDockerfile, layersDockerfile, writingDockerfile } from '../workloads/dockerfiles.js';
import { makeProject, type Project, type ProjectPlan } from '../workloads/project.js';
import type { Point } from './growth.js';

export interface Surroundings {
  readonly builder: OurBuilder;
  readonly registry: string;
  /** A new place for a project. */
  readonly place: (name: string) => string;
}

export interface Axis {
  readonly unit: string;
  readonly values: readonly number[];
  measure(x: number, surroundings: Surroundings): Promise<Point['costs']>;
}

const SMALL_FILE_BYTES = 1700;
const BASE_LAYERS = 1;
/** Of a change, whose time is short. */
const REPEATS = 3;

export const AXES: Readonly<Record<Growth, Axis>> = {
  files: {
    unit: 'files',
    values: [1000, 3000, 10_000, 30_000, 100_000, 200_000],
    measure: (x, around) =>
      firstAndChanges(`files-${x}`, around, (base) => ({
        dockerfile: appDockerfile(base),
        files: x,
        bytes: x * SMALL_FILE_BYTES,
        seed: x,
      })),
  },
  layers: {
    unit: 'layers',
    values: [5, 15, 30, 60, 120],
    measure: (x, around) =>
      firstAndChanges(`layers-${x}`, around, (base) => ({
        dockerfile: layersDockerfile(base, x - BASE_LAYERS, x),
        files: 3,
        bytes: 3000,
        seed: x,
      })),
  },
  size: {
    unit: 'MB',
    values: [250, 500, 1000, 2000, 4000],
    measure: (x, around) =>
      firstAndChanges(`size-${x}`, around, (base) => ({
        dockerfile: writingDockerfile(base, x, x),
        files: 3,
        bytes: 3000,
        seed: x,
      })),
  },
  builds: {
    unit: 'builds at once',
    values: [1, 2, 4, 8, 16],
    measure: async (x, around) => {
      const works: Work[] = [];
      for (let build = 0; build < x; build++) {
        const name = `builds-${x}-${build}`;
        const plan = { files: 1000, bytes: 12_000_000, seed: 1000 * x + build };
        works.push(await workOf(name, around, (base) => ({ dockerfile: appDockerfile(base), ...plan })));
      }
      const { builder } = around;
      const all = (): Promise<unknown> => Promise.all(works.map((work) => builder.build(work)));
      return { 'first build': (await measure(builder.daemons(), all)).cost };
    },
  },
  history: {
    unit: 'commits',
    values: [10, 100, 1000, 10_000],
    measure: (x, around) =>
      firstAndChanges(
        `history-${x}`,
        around,
        (base) => ({ dockerfile: appDockerfile(base), files: 1000, bytes: 12_000_000, seed: 1 }),
        (project) => project.addHistory(x),
      ),
  },
};

/** A first build with its push, and builds that each change one file. */
async function firstAndChanges(
  name: string,
  around: Surroundings,
  plan: (base: string) => ProjectPlan,
  before: (project: Project) => Promise<void> = async () => {},
): Promise<Point['costs']> {
  const { builder } = around;
  let work = await workOf(name, around, plan, before);
  const build = async (): Promise<Awaited<ReturnType<typeof measure>>['cost']> =>
    (await measure(builder.daemons(), () => builder.build(work))).cost;
  const first = await build();
  const changes = [];
  for (let round = 1; round <= REPEATS; round++) {
    await work.project.changeSource(round);
    work = { ...work, commit: await work.project.commit() };
    await builder.prepare(work);
    changes.push(await build());
  }
  const changed = {
    wallMs: median(changes.map(({ wallMs }) => wallMs)),
    cpuMs: median(changes.map(({ cpuMs }) => cpuMs)),
    peakBytes: Math.max(...changes.map(({ peakBytes }) => peakBytes)),
  };
  return { 'first build': first, 'one file changed': changed };
}

async function workOf(
  name: string,
  { builder, registry, place }: Surroundings,
  plan: (base: string) => ProjectPlan,
  before: (project: Project) => Promise<void> = async () => {},
): Promise<Work> {
  const project = await makeProject(place(name), plan(`${registry}/${PLAIN}`));
  await before(project);
  const commit = await project.commit();
  const work: Work = { app: name, project, commit, push: true, noCache: false };
  await builder.prepare(work);
  return work;
}
