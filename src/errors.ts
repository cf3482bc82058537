/**
 * The one error class and the one table of codes. An error names what, where, and what to do next (invariant 12).
 * Borders (HTTP, CLI, the push) translate errors; nobody else catches one to rephrase it.
 */

/** Every code, with the HTTP status the API answers with. `internal` is a bug and is never used for bad input. */
export const ERROR_CODES = {
  // what the user sent
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  too_many_requests: 429,
  /** An Idempotency-Key came again with another request. */
  key_reused: 422,
  invalid_name: 400,
  invalid_config: 400,
  // the push
  not_fast_forward: 409,
  push_rejected: 409,
  /** Somebody has frozen the app. */
  locked: 423,
  procfile_invalid: 422,
  app_json_invalid: 422,
  // the build
  dockerfile_missing: 422,
  dockerfile_invalid: 422,
  dockerfile_unsupported: 422,
  source_missing: 422,
  context_invalid: 422,
  context_too_large: 422,
  base_image_missing: 422,
  layer_invalid: 422,
  step_failed: 422,
  step_timeout: 422,
  step_limit: 422,
  build_timeout: 422,
  /** A RUN needs a secret or an SSH agent that nobody gave to the build. */
  secret_missing: 422,
  /** A RUN asks for more than this build may have: the host's network, all privileges. */
  not_allowed: 403,
  // the registry
  registry_unavailable: 503,
  registry_denied: 502,
  registry_push_not_allowed: 403,
  image_not_found: 404,
  /** What a registry sent is not the image it should be: wrong digest, malformed, a kind that is refused. */
  image_invalid: 422,
  /** A layer to be pushed is neither in the registry nor on this machine. */
  layer_missing: 422,
  // the rollout
  engine_unavailable: 503,
  edge_unavailable: 503,
  unhealthy: 422,
  release_phase_failed: 422,
  no_release: 404,
  no_host: 409,
  release_unusable: 409,
  // what ended it
  cancelled: 409,
  superseded: 409,
  lease_lost: 409,
  // the platform
  disk_full: 507,
  unavailable: 503,
  internal: 500,
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetails {
  /** Where: a file with a line (`Dockerfile:7`), a setting, a host. */
  readonly where?: string;
  /** What to do next, as a sentence or a command. */
  readonly hint?: string;
  /** The same action may succeed when tried again later. */
  readonly temporary?: boolean;
  readonly cause?: unknown;
}

export class SlipwayError extends Error {
  readonly code: ErrorCode;
  readonly where: string | undefined;
  readonly hint: string | undefined;
  readonly temporary: boolean;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'SlipwayError';
    this.code = code;
    this.where = details.where;
    this.hint = details.hint;
    this.temporary = details.temporary ?? false;
  }

  get httpStatus(): number {
    return ERROR_CODES[this.code];
  }
}

/** Any thrown value as a SlipwayError. An unknown one becomes `internal`; ENOSPC becomes `disk_full`. */
export function toSlipwayError(thrown: unknown): SlipwayError {
  if (thrown instanceof SlipwayError) return thrown;
  if (isErrno(thrown, 'ENOSPC')) {
    return new SlipwayError('disk_full', 'the disk is full', {
      hint: 'free some space or give SLIPWAY_HOME a larger disk, then try again',
      ...(thrown.path === undefined ? {} : { where: thrown.path }),
      cause: thrown,
    });
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new SlipwayError('internal', message, { cause: thrown });
}

export function isErrno(thrown: unknown, code: string): thrown is NodeJS.ErrnoException {
  return thrown instanceof Error && (thrown as NodeJS.ErrnoException).code === code;
}

/** The lines a person reads: the message with its place first, then the hint. No stack trace. */
export function describeError(error: SlipwayError): string[] {
  const first = error.where === undefined ? error.message : `${error.where}: ${error.message}`;
  return error.hint === undefined ? [first] : [first, error.hint];
}
