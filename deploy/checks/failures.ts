/** How a check that did not pass is told: which one, what was seen last, what to do. Pure. */
import { SlipwayError } from '../../src/errors.js';
import { oneLine } from '../../src/one-line.js';

const EXCERPT_CHARS = 300;

/** What an app said, in one line. Secrets are taken out before it is cut: half of one would not be found any more. */
export function excerpt(text: string, redact: (text: string) => string): string {
  return oneLine(redact(text), EXCERPT_CHARS);
}

export function imageCheckFailed(how: string, output: string): SlipwayError {
  return new SlipwayError(
    'unhealthy',
    `the HEALTHCHECK of the image ${how}${output === '' ? '' : `; last: ${output}`}`,
    { hint: 'the old release keeps serving; correct the app or its HEALTHCHECK and push again' },
  );
}

export function definedCheckFailed(what: string, last: string, hint?: string): SlipwayError {
  return new SlipwayError('unhealthy', `the check ${what} did not pass: ${last}`, {
    hint:
      hint ??
      'the old release keeps serving; correct the app, or healthchecks in its app.json, and push again',
  });
}
