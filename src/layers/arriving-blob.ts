/** Lays a layer out while its blob arrives: what is there of it is read, and the rest waited for. */
import { mkdir } from 'node:fs/promises';
import { type ApplyOptions, applyLayer, removeTree } from '../../native/index.js';

/** A blob on its way into the blob store. */
export interface ArrivingBlob {
  /** How large it will be. */
  readonly sizeBytes: number;
  /** The file of the bytes so far, once there is one. Not there any more when all have arrived. */
  readonly growing: Promise<string>;
  /** Resolves when the store has the blob, whole and verified; rejects when it cannot be had or the signal aborts. */
  readonly stored: Promise<void>;
}

/**
 * False, and `target` is not there, when it has to be done again from the whole blob: bytes that came from one place may be
 * replaced by those of another, so only of the whole can be said that it is damaged. Throws what fetching it throws. In
 * either case nothing goes on.
 */
export async function applyArriving(
  { sizeBytes, growing, stored }: ArrivingBlob,
  options: Omit<ApplyOptions, 'blob' | 'blobBytes' | 'digest'> & { readonly signal: AbortSignal },
): Promise<boolean> {
  const failed = new AbortController();
  const arrived = stored.catch((error: unknown) => failed.abort(error));
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const isDone = await apply({ ...options, sizeBytes, growing, signal }).catch(() => false);
  await arrived;
  failed.signal.throwIfAborted();
  if (!isDone) await removeTree(options.target);
  options.signal.throwIfAborted();
  return isDone;
}

async function apply({
  sizeBytes,
  growing,
  ...options
}: Omit<ApplyOptions, 'blob'> & Pick<ArrivingBlob, 'sizeBytes' | 'growing'>): Promise<boolean> {
  if (sizeBytes === 0) return false;
  const blob = await growing;
  await mkdir(options.target, { mode: 0o755 });
  await applyLayer({ ...options, blob, blobBytes: sizeBytes });
  return true;
}
