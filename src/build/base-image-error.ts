/** Why a base image cannot be had, in the words of who wrote the Dockerfile. */
import { SlipwayError, toSlipwayError } from '../errors.js';

/** `where` is the FROM that names it; without one an instruction inside a stage does, and may have meant a stage. */
export function baseImageError(
  thrown: unknown,
  stageNames: readonly (string | undefined)[],
  reference: string,
  where?: string,
): unknown {
  const error = toSlipwayError(thrown);
  if (error.code === 'internal') return thrown;
  const stages = stageNames.filter((name) => name !== undefined);
  const mistyped = where === undefined && /^[a-z][a-z0-9_.-]*$/i.test(reference);
  const hint = mistyped
    ? `there is no stage "${reference}" either; the stages with a name are: ${stages.join(', ') || 'none'}`
    : (error.hint ??
      'check its name and tag, or push it to the registry that this platform reads from (SLIPWAY_MIRRORS)');
  return new SlipwayError(
    error.code === 'image_not_found' ? 'base_image_missing' : error.code,
    error.message,
    {
      ...(where === undefined ? {} : { where }),
      hint,
      temporary: error.temporary,
      cause: error,
    },
  );
}
