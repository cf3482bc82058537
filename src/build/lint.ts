/** What `docker build --check` would say of a build's Dockerfile, with what the build knows of its context and images. */

import { givenArg } from '../dockerfile/build-args.js';
import { type LintResult, type LintWarning, lintDockerfile } from '../dockerfile/lint/lint.js';
import type { ParseLimits } from '../dockerfile/syntax.js';
import { SlipwayError } from '../errors.js';
import type { BaseImage } from './base-images.js';
import type { BuildInput } from './build-input.js';

/** `bases` by the index of the stage that starts from them; of stages without one the variables are not checked. */
export function lintInput(
  { text, plan, ignore }: BuildInput,
  bases: ReadonlyMap<number, BaseImage>,
  limits: ParseLimits,
): LintResult {
  const check = givenArg(plan.buildArgs, 'BUILDKIT_DOCKERFILE_CHECK');
  return lintDockerfile(text, plan.dockerfile, {
    limits,
    ...(check === undefined ? {} : { check }),
    // Of an ignored directory an exception may bring something back.
    isIgnored: (path) => ignore.ignores(path) && !ignore.canMatchBelow(path),
    baseVariables: (stage) =>
      bases.get(stage)?.document.config?.Env?.map((pair) => pair.split('=', 1)[0] ?? ''),
  });
}

/** What the build fails with where the Dockerfile says `# check=error=true`. */
export function lintFailure(warnings: readonly LintWarning[], dockerfile: string): SlipwayError {
  const [first] = warnings;
  const count = warnings.length === 1 ? '1 warning fails' : `${warnings.length} warnings fail`;
  return new SlipwayError(
    'dockerfile_invalid',
    `${count} the build, the first: ${first?.rule}: ${first?.text}`,
    {
      where: `${dockerfile}:${first?.line}`,
      hint: 'that is asked for by # check=error=true in the Dockerfile, or by BUILDKIT_DOCKERFILE_CHECK',
    },
  );
}
