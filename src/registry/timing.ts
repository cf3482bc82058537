/** How long the client waits for a registry, in ms. Tests pass shorter ones. */
export interface RegistryTiming {
  /** Without a byte in either direction. */
  readonly idleMs: number;
  /** For the answer after the last byte of an upload: registries verify, and copy within their storage, before it. */
  readonly uploadAnswerMs: number;
  /** One small request: manifests, configs, tokens, upload sessions. */
  readonly requestMs: number;
  /** One try at one blob. */
  readonly blobMs: number;
  /** Tries of one request, the first included. */
  readonly tries: number;
  /** Tries at a mirror: there is another place to ask. */
  readonly mirrorTries: number;
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  readonly longestRetryAfterMs: number;
  /** Retries of one operation over all its requests, and the sum of its waits. */
  readonly budgetRetries: number;
  readonly budgetWaitMs: number;
}

export const DEFAULT_TIMING: RegistryTiming = {
  idleMs: 30_000,
  uploadAnswerMs: 3 * 60_000,
  requestMs: 60_000,
  blobMs: 30 * 60_000,
  tries: 6,
  mirrorTries: 2,
  firstWaitMs: 300,
  longestWaitMs: 8_000,
  longestRetryAfterMs: 60_000,
  budgetRetries: 30,
  budgetWaitMs: 3 * 60_000,
};
