/**
 * Step keys: everything that can change a step's result, and nothing else (invariant 7). Pure.
 * A key uses its parent's *result* (the chain id of the layers below), not the parent's key: a stage that was rebuilt
 * with identical output rejoins the cache (early cut-off).
 */
import { createHash } from 'node:crypto';

/** Raised when the meaning of a key or of a cached result changes; old entries are then never found again. */
const SCHEMA = 'slipway-step-4';

export interface RunKeyParts {
  readonly parent: string;
  readonly platform: string;
  readonly argv: readonly string[];
  /** `K=V`, each name once. A step sees them sorted (see runStep), so their order is not in the key. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly network: string;
  readonly security: string;
  readonly hostname: string;
  /** SOURCE_DATE_EPOCH, seconds: no time in the layer is later. */
  readonly epoch?: number;
  /** What of each mount can change the result, in the order in which they are mounted: see mounts/mount-keys.ts. */
  readonly mounts: readonly MountKey[];
  /** Whose step it is, where it is given what others must neither see nor choose: a cache, a secret, an agent. */
  readonly scope?: string;
  /** Files made for the step by heredocs, mounted at their path. */
  readonly files: readonly { readonly path: string; readonly mode: number; readonly content: string }[];
}

/** JSON, its names always in the same order. */
export type MountKey = Readonly<Record<string, string | number | boolean | null>>;

export interface CopyKeyParts {
  /** Absent with --link: the layer is made as onto nothing. */
  readonly parent: string | undefined;
  readonly destination: string;
  /** What each selected source is: its base name, the identity of its whole content, and whether an archive is unpacked. */
  readonly selections: readonly {
    readonly name: string;
    readonly content: string;
    readonly unpack?: boolean;
  }[];
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly instruction: 'ADD' | 'COPY';
  /** SOURCE_DATE_EPOCH, seconds, of files from a stage: their times follow it, and the content does not hold times. */
  readonly epoch?: number;
}

export interface WorkdirKeyParts {
  readonly parent: string;
  readonly path: string;
  readonly user: string;
}

export function runKey(parts: RunKeyParts): string {
  return key('run', { ...parts, env: [...parts.env].sort() });
}

export function copyKey(parts: CopyKeyParts): string {
  const { parent = null, chown = null, chmod = null, selections } = parts;
  const named = selections.map(({ name, content, unpack = false }) => ({ name, content, unpack }));
  return key('copy', { ...parts, parent, chown, chmod, selections: named });
}

export function workdirKey(parts: WorkdirKeyParts): string {
  return key('workdir', parts);
}

/** What a selector finds in a tree of files is a function of the two alone; `tree` is its chain id. */
export function selectionKey(tree: string, selector: object): string {
  return key('selection', { ...selector, tree });
}

/** A short, stable name for a list of contents: each part is length-delimited by JSON, so parts cannot run together. */
export function hashOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

function key(kind: string, parts: object): string {
  const canonical = Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : 1));
  return hashOf([SCHEMA, kind, canonical]);
}
