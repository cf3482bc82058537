/** The parts of a sweep, with the platform's policy. */
import { type Config, homePaths } from '../../config.js';
import { markGarbage } from './garbage.js';
import { ImageGate } from './image-gate.js';
import type { RetentionParts } from './parts.js';

/** For an app that is built all the time. */
const PATIENCE_MS = 10_000;

export function retentionParts(
  config: Pick<Config, 'home' | 'registry' | 'keepReleases' | 'keepRecordsMs' | 'compressLogsMs'>,
  parts: Pick<RetentionParts, 'ledger' | 'store' | 'repositories' | 'registry'>,
): RetentionParts {
  return {
    ...parts,
    registryHost: config.registry.host,
    gate: new ImageGate(homePaths(config.home).run),
    patienceMs: PATIENCE_MS,
    onRemoved: () => markGarbage(homePaths(config.home).run),
    policy: {
      keepReleases: config.keepReleases,
      keepRecordsMs: config.keepRecordsMs,
      compressLogsMs: config.compressLogsMs,
    },
  };
}
