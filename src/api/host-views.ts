/** What the deployer says of hosts, and what the web process asks of it. */
import { z } from 'zod';
import type { HostRecord } from '../model/host.js';
import { count, described, list, maybe, part, text, texts, time, yes } from './described.js';

/** How a host is at this moment. */
export interface HostStatus {
  readonly name: string;
  /** Of `local` what DOCKER_HOST is for the deployer. */
  readonly address: string;
  /** The engine's; absent when it does not answer. */
  readonly version?: string;
  /** Of this platform. */
  readonly containers?: number;
  /** Of a Swarm: how many there are, and how many of them can take tasks. */
  readonly nodes?: { readonly total: number; readonly ready: number; readonly managers: number };
  /** Why it does not answer. */
  readonly problem?: string;
}

export type HostView = HostRecord & HostStatus;

const record = {
  name: text,
  address: text,
  pullPort: maybe(count),
  tls: maybe(z.literal(true)),
  labels: z.record(z.string(), z.string()),
  unchecked: maybe(z.literal(true)),
  cordoned: maybe(part<NonNullable<HostRecord['cordoned']>>({ at: time, by: text, reason: maybe(text) })),
  addedAt: time,
  addedBy: text,
};
const status = {
  version: maybe(text),
  containers: maybe(count),
  nodes: maybe(part<NonNullable<HostStatus['nodes']>>({ total: count, ready: count, managers: count })),
  problem: maybe(text),
};
export const Host: z.ZodType<HostRecord> = described<HostRecord>('Host', record);
export const HostNow: z.ZodType<HostView> = described<HostView>('HostNow', { ...record, ...status });
export const HostWithApps: z.ZodType<HostView & { readonly apps: readonly string[] }> = part<
  HostView & { readonly apps: readonly string[] }
>({ ...record, ...status, apps: texts });

export interface HostFinding {
  readonly what: 'connection' | 'engine' | 'disk' | 'clock' | 'registry' | 'swarm';
  /** `unknown`: it cannot be found out from here. */
  readonly result: 'good' | 'bad' | 'unknown';
  readonly says: string;
  /** What to do next. */
  readonly hint?: string;
}

export interface HostReport {
  readonly name: string;
  /** Nothing of it is bad. */
  readonly good: boolean;
  readonly findings: readonly HostFinding[];
}

export const Report: z.ZodType<HostReport> = described<HostReport>('HostReport', {
  name: text,
  good: yes,
  findings: list(
    part<HostFinding>({
      what: z.enum(['connection', 'engine', 'disk', 'clock', 'registry', 'swarm']),
      result: z.enum(['good', 'bad', 'unknown']),
      says: text,
      hint: maybe(text),
    }),
  ),
});

/** PEM. */
export interface TlsView {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface HostWish {
  readonly name: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the SSH host key, as the operator has confirmed it. */
  readonly fingerprint?: string;
  readonly tls?: TlsView;
  /** False writes it down without a look at it. */
  readonly check: boolean;
}

export interface AddedHost {
  readonly host: HostRecord;
  /** What is not as it should be, and yet does not stop it. */
  readonly warnings: readonly string[];
}

export const Added: z.ZodType<AddedHost> = part<AddedHost>({ host: Host, warnings: texts });

export interface RemovedHost {
  readonly name: string;
  /** How many of this platform were removed there; absent when the host did not answer. */
  readonly containers?: number;
  readonly problem?: string;
}

export const Removed: z.ZodType<RemovedHost> = part<RemovedHost>({
  name: text,
  containers: maybe(count),
  problem: maybe(text),
});

/** What `hosts:prepare` says while it goes on; the last one is `done` or an error. */
export type PreparationEvent =
  | { readonly line: string }
  | { readonly done: true }
  | { readonly error: { readonly code: string; readonly message: string; readonly hint?: string } };
