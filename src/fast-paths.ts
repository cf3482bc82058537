/**
 * The short ways that a build can take. Each gives what the long way gives and can be switched off, to find out which of
 * them is at fault: SLIPWAY_FAST_MEMO=0. Tests run with all of them on and with all of them off.
 */

export interface FastPaths {
  /** The same build again is one look-up (build/memo). */
  readonly memo: boolean;
  /** A commit is listed by what differs from one that was listed before (build/context/tree-listings.ts). */
  readonly listings: boolean;
  /** A COPY of which little changed becomes a layer of the changes (build/thin). */
  readonly thin: boolean;
  /** Stages that take nothing from each other run side by side (build/build.ts). */
  readonly stages: boolean;
  /** The layers of a base are laid out side by side, while they arrive (layers/layer-store.ts). */
  readonly pull: boolean;
}

export const ALL_FAST: FastPaths = { memo: true, listings: true, thin: true, stages: true, pull: true };
export const NONE_FAST: FastPaths = { memo: false, listings: false, thin: false, stages: false, pull: false };

/** From `SLIPWAY_FAST_<NAME>`; `SLIPWAY_FAST=0` switches all of them off. */
export function fastPaths(env: Readonly<Record<string, string | undefined>> = process.env): FastPaths {
  const names = Object.keys(ALL_FAST) as (keyof FastPaths)[];
  const isOn = (name: string): boolean =>
    (env[`SLIPWAY_FAST_${name.toUpperCase()}`] ?? env.SLIPWAY_FAST ?? '1') !== '0';
  return Object.fromEntries(names.map((name) => [name, isOn(name)])) as unknown as FastPaths;
}
