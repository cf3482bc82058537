/**
 * What the edge should do for an app, as documents of its ledger:
 *
 *   domains.json         names beside its own host
 *   certificates.json    certificates with their encrypted keys, and whether they are fetched
 *   maintenance.json     there while the app is being maintained
 */
import { z } from 'zod';
import type { AppCertificate, AppCertificates, FailedAttempt } from '../model/certificate.js';

export interface Maintenance {
  /** What people are told. */
  readonly text: string;
  readonly since: string;
  readonly by: string;
}

export interface EdgeDocuments {
  /** Sorted. */
  readonly domains: readonly string[];
  readonly certificates: AppCertificates;
  readonly maintenance?: Maintenance;
}

export const DOMAINS_PATH = 'domains.json';
export const CERTIFICATES_PATH = 'certificates.json';
export const MAINTENANCE_PATH = 'maintenance.json';

const text = z.string();
const domains: z.ZodType<readonly string[]> = z.array(text);
const certificate: z.ZodType<AppCertificate> = z.object({
  id: z.string().regex(/^[0-9a-f]{16}$/),
  chain: text,
  key: text,
  names: z.array(text),
  expiresAt: text,
  source: z.enum(['own', 'acme']),
  addedAt: text,
  addedBy: text,
});
const attempt: z.ZodType<FailedAttempt> = z.object({
  failures: z.int().positive(),
  at: text,
  reason: text,
});
const certificates: z.ZodType<AppCertificates> = z.object({
  automatic: z.boolean(),
  certificates: z.array(certificate),
  attempts: z.record(text, attempt).exactOptional(),
});
const maintenance: z.ZodType<Maintenance> = z.object({ text, since: text, by: text });

/** `read` gives the document at a path, checked, or undefined when there is none. */
export function readEdge(read: <T>(path: string, schema: z.ZodType<T>) => T | undefined): EdgeDocuments {
  const found = read(MAINTENANCE_PATH, maintenance);
  return {
    domains: read(DOMAINS_PATH, domains) ?? [],
    certificates: read(CERTIFICATES_PATH, certificates) ?? { automatic: false, certificates: [] },
    ...(found === undefined ? {} : { maintenance: found }),
  };
}
