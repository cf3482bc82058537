/** Which domains of an app need a certificate now. Pure. */
import { createHash } from 'node:crypto';
import type { AppCertificate, AppCertificates, FailedAttempt } from '../../src/model/certificate.js';
import { isCovered } from '../../src/model/domain.js';

/** CAs count failures per hour. */
const FIRST_RETRY_MS = 15 * 60_000;
const LONGEST_RETRY_MS = 24 * 60 * 60_000;
/** A certificate is renewed after this part of its life, so that weeks remain for what may go wrong. */
const RENEWED_AFTER = 2 / 3;
/** And up to this part earlier, each at its own time: what came at once is not renewed at once. */
const SPREAD = 1 / 10;

/** Wildcards are left out: a CA does not check them over HTTP (RFC 8555, 8.3). */
export function dueDomains(
  domains: readonly string[],
  { automatic, certificates, attempts = {} }: AppCertificates,
  now: number,
): string[] {
  if (!automatic) return [];
  return domains.filter((domain) => {
    if (domain.startsWith('*.')) return false;
    if (certificates.some((one) => isCovered(domain, one.names) && isFresh(one, now))) return false;
    const attempt = Object.hasOwn(attempts, domain) ? attempts[domain] : undefined;
    return attempt === undefined || now >= nextAttempt(domain, attempt);
  });
}

/** One that a person brought is theirs to renew, until it has expired. */
function isFresh({ id, addedAt, expiresAt, source }: AppCertificate, now: number): boolean {
  const [from, to] = [Date.parse(addedAt), Date.parse(expiresAt)];
  if (source === 'own') return now < to;
  return now < from + (to - from) * (RENEWED_AFTER - SPREAD * fraction(id));
}

export function nextAttempt(domain: string, { failures, at }: FailedAttempt): number {
  const pauseMs = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS);
  return Date.parse(at) + pauseMs * (0.8 + 0.4 * fraction(`${domain} ${failures}`));
}

/** From 0 to 1, always the same for the same text: several deployers and later starts agree. */
function fraction(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32;
}
