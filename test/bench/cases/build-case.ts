/** The cases a to e and g: one build, asked of everybody in turn. */
import type { Mark } from '../report/results.js';
import { LARGE, PLAIN } from '../workloads/bases.js';
import {
  appDockerfile,
  runsDockerfile,
  stagesDockerfile,
  writingDockerfile,
} from '../workloads/dockerfiles.js';
import type { Project, ProjectPlan } from '../workloads/project.js';

export interface BuildCase {
  readonly id: string;
  readonly title: string;
  readonly mark: Mark;
  readonly base: typeof PLAIN | typeof LARGE;
  readonly push: boolean;
  readonly noCache?: boolean;
  /** Each round has a project that nobody has seen; otherwise all rounds go on with the first. */
  readonly isFresh?: boolean;
  /** Before each build everything is forgotten. */
  readonly emptiesStores?: boolean;
  /** `base` is the full name of its image. */
  plan(base: string, seed: number): ProjectPlan;
  /** What a round changes before it commits. */
  change?(project: Project, round: number): Promise<void>;
}

const MB = 1_000_000;
const small = (base: string, seed: number): ProjectPlan => ({
  dockerfile: appDockerfile(base),
  files: 3300,
  bytes: 40 * MB,
  seed,
});
const large = (base: string, seed: number): ProjectPlan => ({
  dockerfile: appDockerfile(base),
  files: 30_000,
  bytes: 50 * MB,
  seed,
});
const tiny = (dockerfile: string, seed: number): ProjectPlan => ({ dockerfile, files: 3, bytes: 3000, seed });
const ratio = (most: number): Mark => ({ kind: 'ratio', most });
const changeSource = (project: Project, round: number): Promise<void> => project.changeSource(round);

/** Of mixed data, in a RUN. */
export const WRITTEN_MEGABYTES = 1000;

export const BUILD_CASES: readonly BuildCase[] = [
  {
    id: 'a1',
    title: 'no change, build, 3,300 files',
    mark: ratio(0.1),
    base: PLAIN,
    push: false,
    plan: small,
  },
  {
    id: 'a2',
    title: 'no change, build, 30,000 files',
    mark: ratio(0.05),
    base: PLAIN,
    push: false,
    plan: large,
  },
  {
    id: 'b1',
    title: 'one file of 3,300 changed, build + push',
    mark: ratio(0.2),
    base: PLAIN,
    push: true,
    plan: small,
    change: changeSource,
  },
  {
    id: 'b2',
    title: 'one file of 30,000 changed, build + push',
    mark: ratio(0.08),
    base: PLAIN,
    push: true,
    plan: large,
    change: changeSource,
  },
  {
    id: 'c1',
    title: 'first build, 3,300 files, + push',
    mark: ratio(0.3),
    base: PLAIN,
    push: true,
    isFresh: true,
    plan: small,
  },
  {
    id: 'c2',
    title: 'first build, 30,000 files, + push',
    mark: ratio(0.25),
    base: PLAIN,
    push: true,
    isFresh: true,
    plan: large,
  },
  {
    id: 'c3',
    title: 'first build, empty store, base of 240 MB, four stages',
    mark: ratio(0.5),
    base: LARGE,
    push: false,
    isFresh: true,
    emptiesStores: true,
    plan: (base, seed) => tiny(stagesDockerfile(base, seed), seed),
  },
  {
    id: 'd',
    title: 'ten RUN steps of `true`, no cache',
    mark: ratio(0.3),
    base: PLAIN,
    push: false,
    noCache: true,
    plan: (base, seed) => tiny(runsDockerfile(base, 10), seed),
  },
  {
    id: 'e',
    title: 'one RUN that writes 1 GB of mixed data, + push',
    mark: ratio(0.35),
    base: PLAIN,
    push: true,
    isFresh: true,
    plan: (base, seed) => tiny(writingDockerfile(base, seed, WRITTEN_MEGABYTES), seed),
  },
  {
    id: 'g',
    title: 'only an ignored file changed, build, 3,300 files',
    mark: ratio(0.1),
    base: PLAIN,
    push: false,
    plan: small,
    change: (project, round) => project.changeDocs(round),
  },
];
