/** The Dockerfile of a build, as errors quote it. */
export interface Linted {
  readonly name: string;
  readonly text: Uint8Array;
  readonly ignoreText?: Uint8Array | undefined;
}
