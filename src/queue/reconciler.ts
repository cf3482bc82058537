/** When to reconcile: at start, every so often, and as soon as Redis has lost jobs or is back. */

import type { Queues } from './queues.js';
import { type ReconcileParts, reconcile } from './reconcile.js';

export interface Reconciler {
  /** Resolves when the pass under way has ended. */
  close(): Promise<void>;
}

export interface ReconcilerParts extends Omit<ReconcileParts, 'queues'> {
  readonly queues: Pick<Queues, 'enqueueBuild' | 'enqueueRollout' | 'watchDataLoss'>;
  readonly intervalMs: number;
}

export function startReconciler(parts: ReconcilerParts): Reconciler {
  let closed = false;
  let due = false;
  let wake = (): void => {};
  const ask = (): void => {
    due = true;
    wake();
  };
  const watch = parts.queues.watchDataLoss(ask);

  const turns = async (): Promise<void> => {
    while (!closed) {
      // Before the pass: a wipe in the middle of it asks for another.
      due = false;
      await reconcile(parts).catch((thrown: unknown) =>
        parts.log.error({ err: thrown }, 'reconciling failed'),
      );
      if (closed || due) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, parts.intervalMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  const running = turns();
  return {
    close: async () => {
      closed = true;
      watch.stop();
      wake();
      await running;
    },
  };
}
