/** Several parts started at the same time, as one step that succeeds or leaves nothing. */

/**
 * When one fails, the others are given up or stopped, and its error is thrown. The result keeps the order; a starter that
 * has nothing to start resolves with undefined and is left out.
 */
export async function startAll<T extends { stop(): Promise<void> }>(
  starters: readonly ((signal: AbortSignal) => Promise<T | undefined>)[],
  signal?: AbortSignal,
): Promise<T[]> {
  const giveUp = new AbortController();
  const both = signal === undefined ? giveUp.signal : AbortSignal.any([signal, giveUp.signal]);
  let failure: { readonly reason: unknown } | undefined;
  const parts = await Promise.all(
    starters.map(async (start) => {
      try {
        return await start(both);
      } catch (reason) {
        failure ??= { reason };
        giveUp.abort(reason);
        return undefined;
      }
    }),
  );
  const started = parts.filter((part) => part !== undefined);
  if (failure === undefined) return started;
  for (const part of started.reverse()) await part.stop();
  throw failure.reason;
}
