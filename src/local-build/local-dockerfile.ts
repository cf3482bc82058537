/** What a local build knows of its Dockerfile. Only types. */
import type { DockerfileText } from '../dockerfile/excerpt.js';

/** The Dockerfile of a build as it was read, with the ignore file that goes with it. */
export interface LocalDockerfile extends DockerfileText {
  readonly ignoreText?: Uint8Array | undefined;
}
