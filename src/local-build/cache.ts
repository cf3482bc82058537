/** `--cache-from` and `--cache-to`: the cache that builds share through a registry. */
import type { CachePlace } from '../build/cache/cache-place.js';
import { RemoteCache } from '../build/cache/remote-cache.js';
import { UsageError } from '../cli/usage.js';
import { describeError, toSlipwayError } from '../errors.js';
import type { RegistryClient } from '../registry/client.js';
import { parseReference } from '../registry/reference.js';
import { readFields } from './fields.js';

const FIELDS = ['type', 'ref', 'mode', 'image-manifest', 'oci-mediatypes', 'ignore-error'];

export type CacheOption = 'cache-from' | 'cache-to' | 'cache-mounts-from' | 'cache-mounts-to';

/** A reference, or as docker writes it: `type=registry,ref=REF`. Throws a UsageError. */
export function cacheReference(option: CacheOption, given: string): string {
  if (!given.includes('=')) return checked(option, given);
  const fields = readFields(option, given, FIELDS);
  const type = fields.get('type') ?? 'registry';
  if (type !== 'registry')
    throw new UsageError(
      `--${option} ${JSON.stringify(given)}: there is no cache of type ${type}`,
      'use type=registry,ref=REF',
    );
  const reference = fields.get('ref') ?? '';
  if (reference === '')
    throw new UsageError(
      `--${option} ${JSON.stringify(given)}: the ref is missing`,
      'add ref=REGISTRY/NAME:TAG',
    );
  return checked(option, reference);
}

/** `ignore-error=true`: the image is the result, whatever becomes of the cache. Throws a UsageError. */
export function ignoresErrors(option: CacheOption, given: string): boolean {
  const value = given.includes('=') ? readFields(option, given, FIELDS).get('ignore-error') : undefined;
  if (value === undefined || /^(0|f|false)$/i.test(value)) return false;
  if (/^(1|t|true)$/i.test(value)) return true;
  throw new UsageError(`--${option}: ignore-error is true or false, not ${JSON.stringify(value)}`);
}

/** Writes a cache. Throws what the registry says, or only tells it where the cache `mayFail`. */
export async function exporting(
  action: () => Promise<unknown>,
  { mayFail, note, signal }: { mayFail: boolean; note: (text: string) => void; signal: AbortSignal },
): Promise<void> {
  try {
    await action();
  } catch (error) {
    signal.throwIfAborted();
    if (!mayFail) throw error;
    note(`the cache was not written: ${describeError(toSlipwayError(error))[0]}`);
  }
}

function checked(option: CacheOption, reference: string): string {
  try {
    if (parseReference(reference).digest === undefined) return reference;
  } catch (error) {
    throw new UsageError(
      `--${option}: ${(error as Error).message}`,
      'for example: registry.example.com/shop:cache',
    );
  }
  throw new UsageError(`--${option}: a cache is named by a tag, not by a digest`);
}

export interface CacheWish {
  readonly from: readonly string[];
  readonly to: string | undefined;
  readonly registry: RegistryClient;
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Undefined when no cache is asked for. */
export function remoteCache({ from, to, registry, note, signal }: CacheWish): RemoteCache | undefined {
  if (from.length === 0 && to === undefined) return undefined;
  return new RemoteCache({
    registry,
    from: from.map(placeOf),
    ...(to === undefined ? {} : { to: placeOf(to) }),
    note,
    signal,
  });
}

/** Of a reference that `cacheReference` gave. */
export function placeOf(reference: string): CachePlace {
  const { registry, repository, tag = 'latest' } = parseReference(reference);
  return { registry, repository, tag };
}
