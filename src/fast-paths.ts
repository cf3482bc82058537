/**
 * Quick ways that can be turned off to find a fault, each by `SLIPWAY_FAST_<NAME>=0`. On or off the results are the same,
 * byte for byte. Read once, where a builder's store is opened, and handed on from there.
 */
export interface FastPaths {
  /** Layers are hashed and compressed by as many threads as there are processors. */
  readonly threads: boolean;
  /** The files of a commit go from git to a layer in one stream, not one by one. */
  readonly stream: boolean;
  /** A push's layers are uploaded while the build goes on. */
  readonly upload: boolean;
}

export function readFastPaths(env: NodeJS.ProcessEnv = process.env): FastPaths {
  const isOn = (name: keyof FastPaths): boolean => env[`SLIPWAY_FAST_${name.toUpperCase()}`] !== '0';
  return { threads: isOn('threads'), stream: isOn('stream'), upload: isOn('upload') };
}

/** As the layer writers take it. */
export function threadsOf({ threads }: FastPaths): { readonly threads?: number } {
  return threads ? {} : { threads: 1 };
}
