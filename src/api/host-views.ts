/** What the deployer says of hosts, and what the web process asks of it. */
import type { HostRecord } from '../model/host.js';

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

export interface RemovedHost {
  readonly name: string;
  /** How many of this platform were removed there; absent when the host did not answer. */
  readonly containers?: number;
  readonly problem?: string;
}

/** What `hosts:prepare` says while it goes on; the last one is `done` or an error. */
export type PreparationEvent =
  | { readonly line: string }
  | { readonly done: true }
  | { readonly error: { readonly code: string; readonly message: string; readonly hint?: string } };
