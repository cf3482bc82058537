/** What a build is asked for, what it works with, and what comes of it. */
import type { Limits } from '../config.js';
import type { NamedContext, Platform } from '../dockerfile/build-plan.js';
import type { GitSource } from '../dockerfile/step.js';
import type { Layer } from '../layers/layer.js';
import type { RegistryClient } from '../registry/client.js';
import type { BaseImages } from './base-images.js';
import type { BuilderStore } from './builder-store.js';
import type { RemoteCache } from './cache/remote-cache.js';
import type { BuildContext } from './context/context.js';
import type { CopySource } from './copy/copy-source.js';
import type { BuiltImage } from './image.js';
import type { ImagePolicy } from './image-policy.js';
import type { BuildListener } from './progress.js';
import type { RunSettings } from './run-settings.js';
import type { Cidr } from './sandbox/cidr.js';
import type { StepRunner } from './sandbox/runtime.js';

export interface BuildRequest {
  readonly context: BuildContext;
  /** By lower-case name; see `--build-context`. */
  readonly contexts?: ReadonlyMap<string, ContextOrImage>;
  /** Path of the Dockerfile in the context. */
  readonly dockerfile: string;
  /** Its text, where it is not in the context; `dockerfile` is then only its name. */
  readonly dockerfileText?: Uint8Array;
  /** What goes for the context's ignore file. */
  readonly ignoreText?: Uint8Array;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly platform: Platform;
  readonly noCache: boolean;
  /** Names of stages whose steps are not taken from the cache. */
  readonly noCacheStages?: readonly string[];
  readonly policy: ImagePolicy;
  readonly run: RunSettings;
  /** A COPY may become a layer of what changed over one of an earlier build, which hosts have: see thin/. Default: no. */
  readonly thin?: boolean;
  /** Whose earlier builds explain a miss, and are built upon: the app. */
  readonly scope: string;
}

/** A directory's context is opened when something needs it. */
export type ContextOrImage =
  | Extract<NamedContext, { kind: 'image' }>
  | { readonly kind: 'directory'; open(): Promise<BuildContext> };

export interface BuildTools {
  readonly store: BuilderStore;
  readonly sandbox: StepRunner;
  readonly registry: RegistryClient;
  readonly limits: Limits;
  /** Networks that ADD may fetch from although they are not public. Default: none. */
  readonly downloadAllow?: readonly Cidr[];
  /** The files of a repository's commit, for ADD. Default: ADD of a repository is refused. */
  readonly openGit?: (git: GitSource) => Promise<CopySource>;
  /** Steps of independent stages that run side by side; 1: all stages one after the other. Default: what the machine can do. */
  readonly stepsAtOnce?: number;
  readonly listen: BuildListener;
  /** What other builders have built; the caller exports what this build adds. */
  readonly remote?: RemoteCache;
  /** What an earlier build gave of the same files (`inputName`, build-input.ts); undefined when it has to be built. */
  readonly recall?: (files: string | undefined) => Promise<BuildResult | undefined>;
  /** Told of each layer as soon as it is known that the image will have it; must not throw. */
  readonly onLayer?: (layer: Layer, bases: BaseImages) => void;
  readonly signal: AbortSignal;
}

export interface BuildResult {
  readonly image: BuiltImage;
  /** Where the layers come from that the build did not need itself. */
  readonly bases: BaseImages;
  readonly steps: { readonly cached: number; readonly total: number };
  readonly stepKeys: readonly string[];
  /** A key of its steps holds what only the outside says, such as a URL's content: the same request can give another image. */
  readonly asksOutside: boolean;
}
