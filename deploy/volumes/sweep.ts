/**
 * Removes what volumes held that were removed, and the volumes of apps that were destroyed with them: only what a ledger names as removed
 * (src/ledger/volume-settings.ts), and not while a container has it. Whatever nobody has written down so stays, whosever it was.
 */
import { whileItAnswers } from '../answering.js';
import { isEngine } from '../hosts.js';
import type { DeployerParts } from '../parts.js';
import { removeVolume } from '../targets/volumes.js';

type SweepParts = Pick<DeployerParts, 'hosts' | 'ledger' | 'log'>;

/** Of one app, or of all. */
export async function sweepVolumes(
  parts: SweepParts,
  signal: AbortSignal,
  { app, silent = new Map() }: { readonly app?: string; readonly silent?: ReadonlyMap<string, unknown> } = {},
): Promise<void> {
  const removed = new Map<string, Promise<ReadonlySet<string>>>();
  for (const { name: host, target } of (await parts.hosts.list()).filter(isEngine)) {
    if (silent.has(host)) continue;
    await whileItAnswers(target, signal, async (until) => {
      for (const { name, app: of, content } of await target.volumes(app, { signal: until })) {
        const known = removed.get(of) ?? removedOf(parts, of);
        removed.set(of, known);
        if (!(await known).has(content)) continue;
        const isGone = await removeVolume(target.engine, name, { signal: until });
        if (isGone) parts.log.info({ app: of, host, volume: name }, 'removed what a volume held');
      }
    });
  }
}

/** By the app's ledger, and by those of apps of its name that were destroyed. */
async function removedOf({ ledger }: SweepParts, app: string): Promise<ReadonlySet<string>> {
  const states = await ledger.listDestroyed(app);
  if (await ledger.appExists(app)) states.push(await ledger.read(app));
  return new Set(states.flatMap(({ volumes }) => volumes.removed));
}
