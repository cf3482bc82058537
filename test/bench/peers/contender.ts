/** Who takes part: ours as a push uses it, ours as a command, and the peers. */
import type { Project } from '../workloads/project.js';

/** One build that everybody is asked for in turn. */
export interface Work {
  /** Names the images: what is built of it earlier may help. */
  readonly app: string;
  readonly project: Project;
  /** What the project's working copy holds. */
  readonly commit: string;
  readonly push: boolean;
  readonly noCache: boolean;
}

/** Where time went, in ms by what was done. */
export type Phases = Readonly<Record<string, number>>;

export interface PublishedImage {
  readonly repository: string;
  /** A tag or a digest. */
  readonly reference: string;
}

export interface Contender {
  readonly name: string;
  readonly version: string;
  /** Processes that work for it all the time, whose cost counts. */
  daemons(): readonly number[];
  /** Whatever happens before a build is asked for; not measured. */
  prepare(work: Work): Promise<void>;
  /** What is measured: until the image is there, and in the registry if that is asked for. */
  build(work: Work): Promise<Phases | undefined>;
  /** Pushes what was built last for the app, unless it is pushed; not measured. */
  publish(work: Work): Promise<PublishedImage>;
  /** Whether {@link empty} may be asked of it. */
  readonly mayEmpty: boolean;
  /** Forgets everything: no image, no layer, no cache. */
  empty(): Promise<void>;
  stop(): Promise<void>;
}

/** As all but ours name what they push. */
export const TAG = 'bench';
