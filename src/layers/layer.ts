/** A layer as images name it, and the ids that follow from it. Pure but for the hash. */
import { createHash } from 'node:crypto';
import { SlipwayError } from '../errors.js';

export interface Layer {
  /** `sha256:<hex>` of the uncompressed tar. */
  readonly diffId: string;
  /** `sha256:<hex>` of the blob. */
  readonly digest: string;
  /** Of the blob. */
  readonly sizeBytes: number;
  readonly mediaType: string;
  /**
   * Lay it out with the present time on its files. Layers made from a git tree carry a constant time, and make and
   * cargo would take a changed file for an old one.
   */
  readonly freshTimes?: boolean;
  /** What the base image says of it besides, kept as it is. */
  readonly descriptor?: {
    readonly urls?: readonly string[];
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

const DIGEST = /^sha256:([0-9a-f]{64})$/;

/** The digest's hex, which is safe as a file name. Throws `layer_invalid` for anything else. */
export function digestHex(digest: string): string {
  const hex = DIGEST.exec(digest)?.[1];
  if (hex !== undefined) return hex;
  throw new SlipwayError('layer_invalid', `${JSON.stringify(digest.slice(0, 100))} is not a sha256 digest`, {
    hint: 'only sha256 digests are supported',
  });
}

/**
 * The name of what a stack of layers adds up to (OCI image spec, config.md "Layer ChainID"): the first diff id, then
 * the digest of the chain so far and the next diff id. `diffIds` bottom first; `below` is the chain that they stand on.
 */
export function chainId(diffIds: readonly string[], below?: string): string {
  return chainIds(diffIds, below).at(-1) ?? below ?? '';
}

/** The chain ids of every prefix, the longest last. */
export function chainIds(diffIds: readonly string[], below?: string): readonly string[] {
  let chain = below;
  return diffIds.map((diffId) => {
    digestHex(diffId);
    chain =
      chain === undefined
        ? diffId
        : `sha256:${createHash('sha256').update(`${chain} ${diffId}`).digest('hex')}`;
    return chain;
  });
}
