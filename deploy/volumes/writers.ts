/** Keeps the instances that may write a volume from it, while it is copied. */
import { SlipwayError, toSlipwayError } from '../../src/errors.js';
import type { EngineHost } from '../hosts.js';
import type { DeployerParts } from '../parts.js';
import type { Container } from '../targets/container.js';
import type { Asked } from './copies.js';

type HaltParts = Pick<DeployerParts, 'ledger' | 'turns' | 'config' | 'log'>;

export interface Halted {
  readonly containers: readonly Container[];
  /** Throws `conflict` when one of them runs again. */
  check(): Promise<void>;
  /** May be called again. */
  startAgain(): Promise<void>;
}

/**
 * Stops the instances that may write the content, and keeps everybody of this process from starting them until `startAgain`. When this
 * process is killed meanwhile, the reconciler starts them.
 */
export async function haltWriters(
  { ledger, turns, config, log }: HaltParts,
  { target }: EngineHost,
  { app, volume }: Asked,
  content: string,
): Promise<Halted> {
  const endTurn = await takeTurn(turns, app);
  const halted: Container[] = [];
  const startAgain = async (): Promise<void> => {
    for (const { id, name } of halted.splice(0))
      await target.restart(id).catch((error: unknown) => {
        log.warn({ app, container: name, ...toSlipwayError(error) }, 'was left to the reconciler');
      });
    endTurn();
  };
  try {
    const { releases, live } = await ledger.read(app);
    const { processes = [] } = releases.find(({ number }) => number === live) ?? {};
    const onlyReads = (type: string): boolean =>
      processes
        .find((process) => process.type === type)
        ?.mounts?.every((mount) => mount.volume !== volume || mount.readOnly === true) === true;
    const writers = (await target.list(app)).filter(
      ({ state, contents = [], instance }) =>
        state === 'running' && contents.includes(content) && !onlyReads(instance.process),
    );
    halted.push(...writers);
    await Promise.all(writers.map(({ id }) => target.halt(id, config.limits.stopGraceMs)));
    return {
      containers: writers,
      check: async () => {
        const states = await Promise.all(halted.map(async ({ id }) => (await target.inspect(id)).state));
        if (!states.includes('running')) return;
        throw new SlipwayError('conflict', 'a process was started while the volume was being copied', {
          hint: 'the copy may be of no moment; try again',
        });
      },
      startAgain,
    };
  } catch (error) {
    await startAgain();
    throw error;
  }
}

/** Resolves when it is ours, with what ends it. */
function takeTurn(turns: HaltParts['turns'], app: string): Promise<() => void> {
  return new Promise((resolve) => {
    void turns.take(app, () => new Promise<void>((end) => resolve(end)));
  });
}
