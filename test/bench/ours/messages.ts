/** What the bench asks of the builder process, and what that answers. */
import type { Phases } from '../peers/contender.js';

export type Request =
  | { readonly kind: 'create'; readonly app: string }
  | {
      readonly kind: 'build';
      readonly app: string;
      readonly commit: string;
      readonly push: boolean;
      readonly noCache: boolean;
    }
  /** The image that was built last for the app. */
  | { readonly kind: 'push'; readonly app: string }
  /** Bytes of all layers that it has. */
  | { readonly kind: 'stored' }
  /** Until the caches that builders share are written. */
  | { readonly kind: 'settle' };

export interface Answer {
  readonly digest?: string;
  readonly repository?: string;
  readonly gitDir?: string;
  readonly phases?: Phases;
  /** A second builder needs none, and has nothing stored. */
  readonly executedSteps?: number;
  readonly storedBytes?: number;
}

export type FromWorker =
  | { readonly id: number; readonly answer: Answer }
  | { readonly id: number; readonly error: string };

export interface ToWorker {
  readonly id: number;
  readonly request: Request;
}
