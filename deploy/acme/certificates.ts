/**
 * Fetches and renews the certificates of apps that ask for it. They go into the ledger like those that people bring; what fails is
 * written there too, so that `certs` shows it and no restart of a deployer makes a CA be asked more often.
 */
import { type SlipwayError, toSlipwayError } from '../../src/errors.js';
import { addCertificate, recordAttempt, removeCertificate } from '../../src/ledger/edge-settings.js';
import { checkPair } from '../../src/model/certificate.js';
import { withChallenge } from '../edge/state.js';
import { hostOf } from '../names.js';
import { Bell } from '../reconciler.js';
import { type RouteParts, routeApp } from '../routes.js';
import type { AcmeClient } from './client.js';
import { dueDomains } from './renewal.js';

export interface CertificateParts extends RouteParts {
  readonly acme: Pick<AcmeClient, 'certificate'>;
}

export interface CertificateTask {
  /** Something may have been asked for: look soon. */
  ring(): void;
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>;
}

const INTERVAL_MS = 10 * 60_000;

export function startCertificates(
  parts: CertificateParts,
  intervalMs: number = INTERVAL_MS,
): CertificateTask {
  const stop = new AbortController();
  const bell = new Bell();
  const passes = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await fetchAll(parts, stop.signal).catch((error: unknown) => {
        if (stop.signal.aborted) return;
        const { code, message } = toSlipwayError(error);
        parts.log.warn({ code, err: message }, 'looking for certificates to fetch failed; it is tried again');
      });
      await bell.wait(intervalMs, stop.signal);
    }
  };
  const running = parts.edge.speaksTls ? passes() : Promise.resolve();
  return {
    ring: () => bell.ring(),
    close: async () => {
      stop.abort();
      await running;
    },
  };
}

async function fetchAll(parts: CertificateParts, signal: AbortSignal): Promise<void> {
  for (const app of await parts.ledger.listApps()) {
    signal.throwIfAborted();
    await fetchCertificates(parts, app, signal, Date.now());
  }
}

/** One after the other: a CA has limits, and nobody waits. */
export async function fetchCertificates(
  parts: CertificateParts,
  app: string,
  signal: AbortSignal,
  now: number,
): Promise<void> {
  const { ledger, config, log } = parts;
  const { domains, certificates } = await ledger.read(app);
  for (const { id, source, expiresAt } of certificates.certificates)
    if (source === 'acme' && Date.parse(expiresAt) < now) await removeCertificate(ledger, app, id, 'slipway');
  // No CA knows this domain (RFC 6761, 6.3).
  const own = config.appDomain.split('.').at(-1) === 'localhost' ? [] : [hostOf(app, config.appDomain)];
  for (const domain of dueDomains([...own, ...domains], certificates, now)) {
    signal.throwIfAborted();
    try {
      await fetchOne(parts, app, domain, signal);
      log.info({ app, domain }, 'a certificate was fetched');
    } catch (thrown) {
      signal.throwIfAborted();
      const { message }: SlipwayError = toSlipwayError(thrown);
      log.warn({ app, domain, err: message }, 'a certificate could not be fetched');
      const failures = (certificates.attempts?.[domain]?.failures ?? 0) + 1;
      const at = new Date(now).toISOString();
      await recordAttempt(ledger, app, domain, { failures, at, reason: message.slice(0, 500) });
    }
  }
}

async function fetchOne(
  parts: CertificateParts,
  app: string,
  domain: string,
  signal: AbortSignal,
): Promise<void> {
  const { acme, edge, ledger } = parts;
  const answering = (token: string, answer: string | undefined): Promise<void> =>
    edge.change(
      (now) => withChallenge(now, token, answer),
      async () => undefined,
    );
  const { chain, key } = await acme.certificate(domain, answering, signal);
  await addCertificate(ledger, app, checkPair(chain, key, Date.now()), 'acme', 'slipway');
  await routeApp(parts, app);
}
