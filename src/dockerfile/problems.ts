/** The errors of this room: each names the file and line, and where there is one, the word that was probably meant. */
import { SlipwayError } from '../errors.js';

/** The text cannot be built from. `where` is `Dockerfile:7`. */
export function invalid(where: string, message: string, hint?: string): SlipwayError {
  return new SlipwayError('dockerfile_invalid', message, hint === undefined ? { where } : { where, hint });
}

/** Docker could build it, Slipway cannot yet. */
export function unsupported(where: string, message: string, hint: string): SlipwayError {
  return new SlipwayError('dockerfile_unsupported', message, { where, hint });
}

/** Text of a user in a message: quoted and cut, so that an error stays one readable line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}

/** The candidate that differs by at most two letters (one in a word of up to three), if there is one. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > 40) return undefined;
  let best: string | undefined;
  let bestDistance = word.length <= 3 ? 2 : 3;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** A hint that suggests the nearest candidate, or lists them all. */
export function suggest(word: string, candidates: readonly string[], what: string): string {
  const near = nearest(word, candidates);
  if (near !== undefined) return `did you mean ${near}?`;
  return candidates.length === 0 ? `there are no ${what}` : `${what} known here: ${candidates.join(', ')}`;
}

/** Levenshtein's distance, with two neighbours exchanged counted as one change: RNU is one from RUN. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const exchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const exchange = exchanged ? (before[j - 2] ?? 0) + 1 : substitution;
      next.push(Math.min(substitution, exchange, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
