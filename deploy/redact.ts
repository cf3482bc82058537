/** Config values that an app prints itself do not get into logs and reasons (invariant 10). Pure. */
import { SlipwayError } from '../src/errors.js';

/** Shorter values are ordinary words and numbers: hiding every `true` and `8080` would make a log unreadable. */
const SHORTEST = 8;

export function redactor(config: Readonly<Record<string, string>>): (text: string) => string {
  const secrets = Object.values(config)
    .flatMap((value) => [value, ...value.split('\n')])
    .map((value) => value.trim())
    .filter((value) => value.length >= SHORTEST)
    // A value that holds another one goes first.
    .sort((a, b) => b.length - a.length);
  return (text) => secrets.reduce((clean, secret) => clean.replaceAll(secret, '***'), text);
}

/** What a check saw of an app may be anything that the app says. */
export function withoutSecrets(thrown: unknown, redact: (text: string) => string): unknown {
  if (!(thrown instanceof SlipwayError) || thrown.code !== 'unhealthy') return thrown;
  const { message, hint } = thrown;
  return new SlipwayError('unhealthy', redact(message), hint === undefined ? {} : { hint });
}
