/** The images of a destroyed app: removed when its ledger leaves the trash, and nobody can want it back any more. */
import { SlipwayError } from '../../errors.js';
import type { AppState } from '../../ledger/app-documents.js';
import type { ReleaseWithOutcome } from '../../model/release.js';
import type { RetentionParts, SweepOptions } from './parts.js';
import { sweepRegistry } from './registry.js';
import { statesOf } from './sweep.js';

/** An app that has the name now keeps what it needs. Throws `unavailable` while that one pushes, or what the registry says. */
export async function sweepDestroyed(
  parts: RetentionParts,
  { settings: { name }, releases }: Pick<AppState, 'settings' | 'releases'>,
  signal: SweepOptions['signal'],
): Promise<void> {
  const gone = releases.map(
    (release): ReleaseWithOutcome => ({
      ...release,
      gone: true,
      outcome: release.outcome ?? { state: 'cancelled', at: release.createdAt },
    }),
  );
  const { state } = await sweepRegistry(
    parts,
    {
      app: name,
      state: { releases: gone },
      going: gone.map(({ number }) => number),
      deployments: await parts.store.list(name),
      otherApps: () => statesOf(parts),
    },
    { dryRun: false, signal },
  );
  if (state === 'busy')
    throw new SlipwayError('unavailable', `an image of another ${name} is being pushed`, { temporary: true });
}
