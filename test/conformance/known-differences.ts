/** Where a peer gives something else than we do, and why we think that we are right. */
import type { Peer } from './case.js';

export interface KnownDifference {
  readonly peer: Peer;
  /** `topic: name` of the cases. */
  readonly cases: RegExp;
  /** The difference's line, see `differences` in record.ts: the peer's side comes first. */
  readonly line: RegExp;
  readonly reason: string;
}

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [];

export function explanation(peer: Peer, name: string, line: string): KnownDifference | undefined {
  return KNOWN_DIFFERENCES.find(
    (known) => known.peer === peer && known.cases.test(name) && known.line.test(line),
  );
}
