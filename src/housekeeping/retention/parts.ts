/** What a sweep works with, and what it says. */
import type { AppRepositories } from '../../git/app-repository.js';
import type { Ledger } from '../../ledger/ledger.js';
import type { KeptAs } from '../../model/retention.js';
import type { DeploymentStore } from '../../records/deployments.js';
import type { RegistryClient } from '../../registry/client.js';
import type { ImageGate } from './image-gate.js';

export interface RetentionPolicy {
  /** Good releases of an app that stay, where the app has no number of its own. */
  readonly keepReleases: number;
  /** How long the records of what no kept release came from stay, and images that were built only. */
  readonly keepRecordsMs: number;
  /** After how long the log of what has ended is compressed. */
  readonly compressLogsMs: number;
}

export interface RetentionParts {
  readonly ledger: Pick<Ledger, 'listApps' | 'read' | 'letGo'>;
  readonly store: Pick<DeploymentStore, 'list' | 'open' | 'remove' | 'sizeBytes' | 'compressLog'>;
  readonly repositories: Pick<AppRepositories, 'pins' | 'unpin'>;
  readonly registry: Pick<RegistryClient, 'listTags' | 'headManifest' | 'deleteManifest' | 'blobsOf'>;
  readonly registryHost: string;
  readonly gate: ImageGate;
  /** How long a gap between two pushes is waited for; by default not at all. */
  readonly patienceMs?: number;
  /** The registry has something to free now. */
  readonly onRemoved?: () => Promise<void>;
  readonly policy: RetentionPolicy;
}

export interface SweepOptions {
  /** Nothing is removed, nor let go. */
  readonly dryRun: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface KeptRelease {
  readonly number: number;
  readonly as: KeptAs;
}

export interface RegistrySweep {
  readonly images: number;
  /** Of blobs that no other image of the app names. The registry frees them at its own clean-up. */
  readonly bytes: number;
  /** `refused`: this registry removes nothing. `busy`: an image of the app was being pushed; the next sweep goes on. */
  readonly state: 'done' | 'refused' | 'busy';
}

export interface RecordsSweep {
  readonly deployments: number;
  readonly bytes: number;
}

/** Logs that were compressed. What that would free is not known before. */
export interface LogsSweep {
  readonly logs: number;
  readonly bytes: number;
}

export interface AppSweep {
  readonly app: string;
  readonly keep: number;
  readonly kept: readonly KeptRelease[];
  /** Releases that are let go by this sweep. */
  readonly going: readonly number[];
  readonly registry: RegistrySweep;
  readonly records: RecordsSweep;
  readonly compressed: LogsSweep;
}
