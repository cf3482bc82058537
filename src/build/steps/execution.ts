/** What every kind of step gives the stage that walks over it (stage.ts), and what it is given. */
import type { Limits } from '../../config.js';
import type { GitSource } from '../../dockerfile/step.js';
import type { BaseImages } from '../base-images.js';
import type { BuilderStore } from '../builder-store.js';
import type { CachedStep } from '../cache/cached.js';
import { type KeyPart, keyPart } from '../cache/explain.js';
import type { BuildContext } from '../context/context.js';
import type { CopySource } from '../copy/copy-source.js';
import type { TreeEntry } from '../copy/destination.js';
import type { Origins } from '../origins.js';
import type { StepProgress } from '../progress.js';
import type { RunSettings } from '../run-settings.js';
import type { Cidr } from '../sandbox/cidr.js';
import type { StepRunner } from '../sandbox/runtime.js';
import type { StageTree } from '../stage-tree.js';

/** What the steps of all stages of a build share. */
export interface StepTools {
  readonly store: BuilderStore;
  readonly sandbox: StepRunner;
  readonly limits: Limits;
  readonly bases: BaseImages;
  readonly context: BuildContext;
  readonly origins: Origins;
  readonly settings: RunSettings;
  /** SOURCE_DATE_EPOCH, seconds: what a RUN makes is no younger. */
  readonly epoch?: number;
  /** Networks that ADD may fetch from although they are not public. */
  readonly downloadAllow: readonly Cidr[];
  /** The files of a repository's commit, for ADD. */
  readonly openGit: (git: GitSource) => Promise<CopySource>;
  /** Whose build it is: the app. */
  readonly scope: string;
  /** A COPY may become a thin layer over one of an earlier build: see thin/. */
  readonly thin: boolean;
  /** Nothing of earlier builds is used. What is made is for the next ones. */
  readonly noCache: boolean;
  /** Its path, as errors name it. */
  readonly dockerfile: string;
  readonly signal: AbortSignal;
}

/** Where a step stands. */
export interface StepPlace {
  /** `Dockerfile:7`. */
  readonly where: string;
  readonly tree: StageTree;
  /** The layers below come from the base image alone. */
  readonly isFirst: boolean;
  /** A RUN of the stage comes after it, and sees what it makes. */
  readonly isSeen: boolean;
  /** `linux/amd64`: what its commands run as. */
  readonly platform: string;
  readonly progress: StepProgress;
}

/** A step's key, what it is made of, and how it is run when the key is not known. */
export interface Execution {
  readonly key: string;
  readonly parts: readonly KeyPart[];
  /** The key holds what only the outside says: the content behind a URL, the value of a secret. */
  readonly asksOutside?: boolean;
  /** The path of the context behind a part's name, to name the file in it that changed. */
  readonly pathOf?: ReadonlyMap<string, string>;
  run(): Promise<Executed>;
}

/** What a step made: a layer, which may be a thin one over another. */
export interface Executed extends Pick<CachedStep, 'layer' | 'under'> {
  /** Of both, so that later steps see them without a lay-out; absent when they do not say all. */
  readonly entries?: () => Promise<ReadonlyMap<string, TreeEntry>>;
}

/** The first step of a stage stands on its base; the others on what the steps above made. */
export function below({ tree, isFirst }: StepPlace): KeyPart {
  return keyPart(isFirst ? 'the base image' : 'the result of the steps above', tree.identity);
}
