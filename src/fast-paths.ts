/**
 * The short ways that a build or a rollout can take. Each gives what the long way gives and can be switched off, to find out
 * which of them is at fault: SLIPWAY_FAST_MEMO=0, or SLIPWAY_FAST=0 for all of them. Tests run with all on and with all off.
 */

const NAMES = [
  /** The same build again is one look-up (build/memo). */
  'memo',
  /** A commit is listed by what differs from one that was listed before (build/context/tree-listings.ts). */
  'listings',
  /** A file of a directory whose stamp is the one of an earlier build is not hashed again (build/context/known-hashes.ts). */
  'hashes',
  /** A COPY of which little changed becomes a layer of the changes (build/thin). */
  'thin',
  /** Layers are hashed and compressed by as many threads as there are processors. */
  'threads',
  /** The files of a commit go from git to a layer in one stream, not one by one (git/object-stream.ts). */
  'stream',
  /** A push's layers are uploaded while the build goes on (build/early-uploads.ts). */
  'upload',
  /** Stages that take nothing from each other run side by side (build/build.ts). */
  'stages',
  /** A COPY that a RUN follows is laid out while its layer is written (layers/layout-besides.ts). */
  'besides',
  /** The layers of a base are laid out side by side, while they arrive (layers/layer-store.ts). */
  'pull',
  /** A release that is what runs already goes live without new containers (deploy/adopt.ts). */
  'adopt',
  /** The ledger is read and written as files instead of by git (ledger/document-files.ts). */
  'ledger',
  /** Where cgroups are not v2's alone, RUN steps run in crun, in cgroups of ours (build/sandbox/confined-crun.ts). */
  'crun',
  /** A network that no packet went through is the next step's too (build/sandbox/network.ts). */
  'networks',
] as const;

export type FastPaths = Readonly<Record<(typeof NAMES)[number], boolean>>;

export const ALL_FAST: FastPaths = each(() => true);
export const NONE_FAST: FastPaths = each(() => false);

/** From `SLIPWAY_FAST_<NAME>`, else `SLIPWAY_FAST`. */
export function fastPaths(env: Readonly<Record<string, string | undefined>> = process.env): FastPaths {
  return each((name) => (env[`SLIPWAY_FAST_${name.toUpperCase()}`] ?? env.SLIPWAY_FAST) !== '0');
}

/** As the layer writers take it. */
export function threadsOf({ threads }: FastPaths): { readonly threads?: number } {
  return threads ? {} : { threads: 1 };
}

function each(isOn: (name: string) => boolean): FastPaths {
  return Object.fromEntries(NAMES.map((name) => [name, isOn(name)])) as unknown as FastPaths;
}
