/** Work that nobody waits for: done at start and every so often, one piece after the other, and never urgent. */
import { sleep } from '../clock.js';
import type { Logger } from '../log.js';

export interface Chore {
  readonly name: string;
  readonly everyMs: number;
  /** How long the first time waits; by default it is at once. */
  readonly firstMs?: number;
  run(signal: AbortSignal): Promise<void>;
}

export interface Chores {
  /** Resolves when what is under way has ended. */
  close(): Promise<void>;
}

/** Trouble with one is logged and does not keep the others waiting; it is tried again when its turn comes. */
export function startChores(chores: readonly Chore[], log: Logger): Chores {
  const stop = new AbortController();
  const due = new Map(chores.map((chore) => [chore, Date.now() + (chore.firstMs ?? 0)]));
  const work = async (): Promise<void> => {
    while (!stop.signal.aborted && due.size > 0) {
      const [chore, at] = [...due].reduce((first, next) => (next[1] < first[1] ? next : first));
      await sleep(Math.max(0, at - Date.now()), stop.signal);
      await chore.run(stop.signal).catch((thrown: unknown) => {
        if (!stop.signal.aborted) log.error({ err: thrown, chore: chore.name }, 'a chore failed');
      });
      due.set(chore, Date.now() + chore.everyMs);
    }
  };
  const working = work().catch(() => undefined);
  return {
    close: async () => {
      stop.abort();
      await working;
    },
  };
}
