/**
 * The short ways that a build or a rollout can take. Each gives what the long way gives and can be switched off, to find out which of
 * them is at fault: SLIPWAY_FAST_MEMO=0. Tests run with all of them on and with all of them off.
 */

export interface FastPaths {
  /** The same build again is one look-up (build/memo). */
  readonly memo: boolean;
  /** A commit is listed by what differs from one that was listed before (build/context/tree-listings.ts). */
  readonly listings: boolean;
  /** A file of a directory whose stamp is the one of an earlier build is not hashed again (build/context/known-hashes.ts). */
  readonly hashes: boolean;
  /** A COPY of which little changed becomes a layer of the changes (build/thin). */
  readonly thin: boolean;
  /** A release that is what runs already goes live without new containers (deploy/adopt.ts). */
  readonly adopt: boolean;
  /** The ledger is read and written as files instead of by git (ledger/document-files.ts). */
  readonly ledger: boolean;
}

export const ALL_FAST: FastPaths = {
  memo: true,
  listings: true,
  hashes: true,
  thin: true,
  adopt: true,
  ledger: true,
};
export const NONE_FAST: FastPaths = {
  memo: false,
  listings: false,
  hashes: false,
  thin: false,
  adopt: false,
  ledger: false,
};

/** From `SLIPWAY_FAST_<NAME>`; `SLIPWAY_FAST=0` switches all of them off. */
export function fastPaths(env: Readonly<Record<string, string | undefined>> = process.env): FastPaths {
  const names = Object.keys(ALL_FAST) as (keyof FastPaths)[];
  const isOn = (name: string): boolean =>
    (env[`SLIPWAY_FAST_${name.toUpperCase()}`] ?? env.SLIPWAY_FAST ?? '1') !== '0';
  return Object.fromEntries(names.map((name) => [name, isOn(name)])) as unknown as FastPaths;
}
