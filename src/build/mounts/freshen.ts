/**
 * Files of the context never look older than what a cache mount was last used with. make and cargo compare times: after
 * A, B and A again, the lay-out of A is older than what the cache holds of B, and would be taken for built already.
 */
import { readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { scanTree } from '../../../native/index.js';
import type { HeldCache } from './cache-mounts.js';

const BATCH = 256;

/**
 * To be called while the caches are held. `layouts`: the roots of lay-outs whose files have the time at which they were
 * made (see Layer.freshTimes). `inputs` names all that the step sees of the context; a cache that was last
 * used with the same keeps its times, and what was built is not built again.
 */
export async function freshenFor(
  caches: readonly HeldCache[],
  inputs: string,
  layouts: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  let youngest = 0;
  for (const cache of caches) {
    const seen = await exchangeInputs(cache.directory, inputs);
    if (seen !== inputs && cache.lastUsedAt !== undefined) youngest = Math.max(youngest, cache.lastUsedAt);
  }
  for (const root of layouts) {
    const made = join(dirname(root), 'made');
    if ((await stat(made)).mtimeMs > youngest) continue;
    await touchFiles(root, signal);
    const now = new Date();
    await utimes(made, now, now);
  }
}

/** Writes down what the cache is used with now, beside it, and returns what that was before. */
async function exchangeInputs(cache: string, inputs: string): Promise<string | undefined> {
  const path = join(dirname(cache), 'inputs');
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (before !== inputs) {
    const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
    await writeFile(temporary, inputs);
    await rename(temporary, path);
  }
  return before;
}

async function touchFiles(root: string, signal: AbortSignal): Promise<void> {
  const files = (await scanTree({ root, path: '', hash: false, signal })).filter(
    ({ type }) => type === 'file',
  );
  for (let next = 0; next < files.length; next += BATCH) {
    signal.throwIfAborted();
    const now = new Date();
    await Promise.all(files.slice(next, next + BATCH).map(({ path }) => utimes(join(root, path), now, now)));
  }
}
