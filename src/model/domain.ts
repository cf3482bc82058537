/** Domains: the names besides its own host that an app answers to, and the rules that they keep. Pure. */
import { domainToASCII } from 'node:url';
import { SlipwayError } from '../errors.js';

/** RFC 1123, 2.1, in lower case. Nothing else gets into a file of the edge. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const NAME_CHARS = 253;

/**
 * The domain as it is kept: in lower case, without a dot at its end, other alphabets as IDNA writes them in ASCII. `*.example.com`
 * stands for any one label in front of `example.com`, as in a certificate (RFC 9525, 6.3). Throws `invalid_name` with the rule.
 */
export function checkDomain(text: string): string {
  const refuse = (why: string): SlipwayError =>
    new SlipwayError('invalid_name', `${JSON.stringify(text.slice(0, 80))} is not a domain: ${why}`, {
      hint: 'use a full name such as www.example.com, or *.example.com for all names one label below it',
    });
  if (/[/:@?#]/.test(text)) throw refuse('give the name alone, without scheme, port or path');
  const lower = text.toLowerCase().replace(/\.$/, '');
  const isWildcard = lower.startsWith('*.');
  const written = isWildcard ? lower.slice(2) : lower;
  // Only what is not ASCII: the function would also make something of what is simply wrong.
  const name = /[^\0-\x7f]/.test(written) ? domainToASCII(written) : written;
  const labels = name.split('.');
  const last = labels.at(-1) ?? '';
  if (name.includes('*')) throw refuse('a * stands alone, as the first label');
  if (!labels.every((label) => LABEL.test(label)))
    throw refuse('each label has 1 to 63 letters, digits and inner hyphens');
  if (name.length > NAME_CHARS - (isWildcard ? 2 : 0))
    throw refuse(`it is longer than ${NAME_CHARS} characters`);
  if (/^\d+$/.test(last)) throw refuse('an address is no name');
  if (labels.length < 2)
    throw refuse(isWildcard ? 'that would be all of a top-level domain' : 'it has one label only');
  if (labels.some((label) => label.startsWith('xn--')) && domainToASCII(name) !== name)
    throw refuse('it holds an xn-- label that stands for nothing');
  return isWildcard ? `*.${name}` : name;
}

/** The wildcard that stands for this name, among others. */
export function wildcardOf(name: string): string {
  return name.replace(/^[^.]*/, '*');
}

/** Whether one of the names, of a certificate say, is this domain or stands for it. */
export function isCovered(domain: string, names: readonly string[]): boolean {
  return names.includes(domain) || names.includes(wildcardOf(domain));
}

/** Whether the domain is `parent` or below it. */
export function isWithin(domain: string, parent: string): boolean {
  const name = domain.replace(/^\*\./, '');
  return name === parent || name.endsWith(`.${parent}`);
}
