/**
 * Changes to what the edge should do for an app: one commit each, with a message that reads well. What may be set is decided by
 * the callers; here is how it is written.
 */
import type { AppCertificate, AppCertificates, FailedAttempt, Pair } from '../model/certificate.js';
import { type AppState, toDocument } from './app-documents.js';
import { CERTIFICATES_PATH, DOMAINS_PATH, MAINTENANCE_PATH, type Maintenance } from './edge-documents.js';
import type { Ledger } from './ledger.js';

/** The domains that were not there before, and those that are not any more. */
export interface DomainChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** `decide` gets the domains as they are and returns what they should be. */
export async function changeDomains(
  ledger: Ledger,
  app: string,
  who: string,
  decide: (domains: readonly string[]) => readonly string[],
): Promise<DomainChange> {
  let change: DomainChange = { added: [], removed: [] };
  await ledger.changeSettings(app, who, ({ domains }) => {
    const next = [...new Set(decide(domains))].sort();
    change = {
      added: next.filter((name) => !domains.includes(name)),
      removed: domains.filter((name) => !next.includes(name)),
    };
    if (change.added.length + change.removed.length === 0) return undefined;
    return {
      files: { [DOMAINS_PATH]: toDocument(next) },
      message: `domains: ${describeDomains(change)} by ${who}`,
    };
  });
  return change;
}

export function describeDomains({ added, removed }: DomainChange): string {
  const some = (names: readonly string[]): string =>
    names.length > 5 ? `${names.slice(0, 4).join(', ')} and ${names.length - 4} more` : names.join(', ');
  return [
    ...(added.length === 0 ? [] : [`add ${some(added)}`]),
    ...(removed.length === 0 ? [] : [`remove ${some(removed)}`]),
  ].join('; ');
}

/** Takes the place of those of the same source whose names it has all. */
export async function addCertificate(
  ledger: Ledger,
  app: string,
  pair: Pair,
  source: AppCertificate['source'],
  who: string,
): Promise<void> {
  const { id, chain, names, expiresAt } = pair;
  const key = ledger.seal(app, keyName(id), pair.key);
  await changeCertificates(ledger, app, who, (now) => {
    const others = now.certificates.filter(
      (one) => one.id !== id && (one.source !== source || !one.names.every((name) => names.includes(name))),
    );
    const addedAt = new Date().toISOString();
    const added = { id, chain, key, names, expiresAt, source, addedAt, addedBy: who };
    const attempts = Object.entries(now.attempts ?? {}).filter(([domain]) => !names.includes(domain));
    return {
      next: { ...now, certificates: [...others, added], attempts: Object.fromEntries(attempts) },
      message: `certificates: add ${id} for ${names.slice(0, 5).join(', ')} until ${expiresAt.slice(0, 10)} by ${who}`,
    };
  });
}

/** False when there is no such certificate. */
export async function removeCertificate(
  ledger: Ledger,
  app: string,
  id: string,
  who: string,
): Promise<boolean> {
  let found = false;
  await changeCertificates(ledger, app, who, (now) => {
    const certificates = now.certificates.filter((one) => one.id !== id);
    found = certificates.length < now.certificates.length;
    return found
      ? { next: { ...now, certificates }, message: `certificates: remove ${id} by ${who}` }
      : undefined;
  });
  return found;
}

export async function setAutomatic(
  ledger: Ledger,
  app: string,
  automatic: boolean,
  who: string,
): Promise<void> {
  await changeCertificates(ledger, app, who, (now) =>
    now.automatic === automatic
      ? undefined
      : {
          // Asked for anew, it is tried at once.
          next: { automatic, certificates: now.certificates },
          message: `certificates: ${automatic ? 'fetched by ACME from now on' : 'not fetched any more'} by ${who}`,
        },
  );
}

export async function recordAttempt(
  ledger: Ledger,
  app: string,
  domain: string,
  attempt: FailedAttempt,
): Promise<void> {
  await changeCertificates(ledger, app, 'slipway', (now) => ({
    next: { ...now, attempts: { ...now.attempts, [domain]: attempt } },
    message: `certificates: none for ${domain} yet: ${attempt.reason.replace(/\s+/g, ' ').slice(0, 150)}`,
  }));
}

/** Undefined ends it. */
export async function setMaintenance(
  ledger: Ledger,
  app: string,
  wanted: Maintenance | undefined,
  who: string,
): Promise<void> {
  await ledger.changeSettings(app, who, ({ maintenance }) =>
    wanted?.text === maintenance?.text
      ? undefined
      : {
          files: { [MAINTENANCE_PATH]: wanted === undefined ? null : toDocument(wanted) },
          message: `maintenance ${wanted === undefined ? 'off' : 'on'} by ${who}`,
        },
  );
}

/** PEM of the private key, in clear: for the edge and nobody else (invariant 10). */
export function revealKey(
  ledger: Pick<Ledger, 'unseal'>,
  app: string,
  { id, key }: Pick<AppCertificate, 'id' | 'key'>,
): string {
  return ledger.unseal(app, keyName(id), key);
}

/** What the key is bound to when it is encrypted; no config var is called so. */
function keyName(id: string): string {
  return `the key of certificate ${id}`;
}

async function changeCertificates(
  ledger: Ledger,
  app: string,
  who: string,
  decide: (now: AppCertificates) => { next: AppCertificates; message: string } | undefined,
): Promise<AppState> {
  return ledger.changeSettings(app, who, ({ certificates }) => {
    const change = decide(certificates);
    if (change === undefined) return undefined;
    const { attempts = {}, ...rest } = change.next;
    const next = { ...rest, ...(Object.keys(attempts).length === 0 ? {} : { attempts }) };
    return { files: { [CERTIFICATES_PATH]: toDocument(next) }, message: change.message };
  });
}
