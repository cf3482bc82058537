/** What of a Dockerfile a build needs, and where its stages take their bytes from. */
import type { Dockerfile, EscapeCharacter, FromInstruction, StageInstruction } from './syntax.js';

export interface Platform {
  /** `linux`. */
  readonly os: string;
  /** `amd64`, `arm64`, `arm`. */
  readonly architecture: string;
  /** `v7`. */
  readonly variant?: string;
}

export interface PlanOptions {
  /** A stage's name, or its index from 0. The last stage when absent. */
  readonly target?: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** What the image is for. */
  readonly platform: Platform;
  /** What this machine is; `platform` when absent. */
  readonly buildPlatform?: Platform;
  /** By lower-case name. They go before stages and images of that name. */
  readonly contexts?: ReadonlyMap<string, NamedContext>;
}

/** Where bytes come from, when not from the build context: an image reference is not normalised here. */
export type Origin =
  | { readonly kind: 'stage'; readonly index: number }
  | { readonly kind: 'image'; readonly reference: string }
  /** A directory that `--build-context NAME=DIR` named. */
  | { readonly kind: 'context'; readonly name: string };

export type StageBase = Origin | { readonly kind: 'scratch' };

/** What `--build-context` gave a name: another image under it, or a directory, which the builder holds. */
export type NamedContext =
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'directory' };

export interface PlannedStage {
  /** Its place in the Dockerfile, from 0. */
  readonly index: number;
  readonly name?: string;
  readonly base: StageBase;
  /** `FROM --platform`, else the build's: what its image is for and its commands run as. */
  readonly platform: Platform;
  readonly from: FromInstruction;
  readonly instructions: readonly StageInstruction[];
  /** Stages that must be there first (FROM, COPY --from and --mount from), ascending. */
  readonly dependsOn: readonly number[];
  /** Image references of FROM, COPY --from and --mount from, each once. */
  readonly images: readonly string[];
}

export interface BuildPlan {
  /** Its name in errors. */
  readonly dockerfile: string;
  /** All of it: a trigger may need a stage that the target does not. */
  readonly file: Dockerfile;
  readonly escape: EscapeCharacter;
  readonly platform: Platform;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** By lower-case name. */
  readonly contexts: ReadonlyMap<string, NamedContext>;
  /** SOURCE_DATE_EPOCH in seconds, if it is a number. */
  readonly epoch?: number;
  /** Values of the ARGs before the first FROM and of the automatic platform args. */
  readonly globalArgs: ReadonlyMap<string, string>;
  /** Only what the target needs, in the order of the file; the target is the last. */
  readonly stages: readonly PlannedStage[];
  readonly target: PlannedStage;
  /** Names of all stages by index, needed or not. */
  readonly stageNames: readonly (string | undefined)[];
  /** Build args that no ARG of the needed stages declares. */
  readonly unusedBuildArgs: readonly string[];
}
