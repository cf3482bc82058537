/** How many steps of independent stages run side by side. */
import { availableParallelism, totalmem } from 'node:os';

/**
 * Steps that one build may run at once. More than there are processors, as many wait for the network; but half of the
 * machine's memory must be enough for all of them at their limit.
 */
export function stepsAtOnce({ stepMemoryBytes }: { readonly stepMemoryBytes: number }): number {
  const byMemory = Math.floor(totalmem() / 2 / stepMemoryBytes);
  return Math.max(1, Math.min(2 * availableParallelism(), byMemory));
}
