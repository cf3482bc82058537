/** The answer to who wants back what retention has let go. Pure. */
import { SlipwayError } from '../errors.js';

export function imageGone(app: string, number: number): SlipwayError {
  return new SlipwayError(
    'release_unusable',
    `v${number} of ${app} is older than the releases that are kept: its image was let go`,
    {
      hint: `push its commit again to build it anew (slipway releases:info v${number} -a ${app}); see: slipway retention -a ${app}`,
    },
  );
}
