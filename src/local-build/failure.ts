/** Whose fault a failed build is, and what a denied system call means to whoever is not root. */
import { type ErrorCode, isErrno, SlipwayError } from '../errors.js';

/** What the caller wrote is wrong, rather than that the build went wrong: exit code 2. */
const WRITTEN_WRONG: ReadonlySet<ErrorCode> = new Set([
  'bad_request',
  'invalid_name',
  'invalid_config',
  'dockerfile_missing',
  'dockerfile_invalid',
  'dockerfile_unsupported',
  'context_invalid',
  'context_too_large',
  'source_missing',
  'secret_missing',
  'not_allowed',
  'registry_push_not_allowed',
]);

export function isWrittenWrong(error: SlipwayError): boolean {
  return WRITTEN_WRONG.has(error.code);
}

/** Laying out a layer sets owners and mounts: without root the system says no, and does not say why. */
export function explained(error: SlipwayError, isRoot: boolean = process.getuid?.() === 0): SlipwayError {
  const denied =
    isErrno(error.cause, 'EPERM') ||
    isErrno(error.cause, 'EACCES') ||
    /not permitted|EPERM/.test(error.message);
  if (isRoot || !denied || error.hint !== undefined) return error;
  return new SlipwayError('unavailable', `only root can build this: ${error.message}`, {
    ...(error.where === undefined ? {} : { where: error.where }),
    hint: 'run it as root: sudo slipway build …',
    cause: error,
  });
}
