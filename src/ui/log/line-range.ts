/** Lines of a log in an address: `#L120`, `#L120-L140`. People count from 1. Pure. */

/** From 0, both included. */
export interface LineRange {
  readonly from: number;
  readonly to: number;
}

export function parseRange(hash: string): LineRange | undefined {
  const [, first, last] = /^#L(\d{1,9})(?:-L(\d{1,9}))?$/.exec(hash) ?? [];
  if (first === undefined) return undefined;
  const ends = [Number(first), Number(last ?? first)].map((line) => Math.max(0, line - 1));
  return { from: Math.min(...ends), to: Math.max(...ends) };
}

export function formatRange({ from, to }: LineRange): string {
  return from === to ? `#L${from + 1}` : `#L${from + 1}-L${to + 1}`;
}
