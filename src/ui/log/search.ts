/** Searching a log while it grows: the lines with a hit, in order, and the one that is visited. Upper and lower case are the same. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { plain } from './sgr.js';

export interface Search {
  readonly query: string;
  readonly setQuery: (query: string) => void;
  /** Lines with a hit. */
  readonly count: number;
  /** Which of them, from 0. */
  readonly index: number | undefined;
  /** Its line. */
  readonly at: number | undefined;
  /** To the next one, or the one before, round the end. */
  readonly move: (step: 1 | -1) => number | undefined;
}

/** Lines that are looked at in one go: a few milliseconds. */
const AT_ONCE = 20_000;

export function useSearch(lines: readonly string[]): Search {
  const [query, setQuery] = useState('');
  const [index, setIndex] = useState<number>();
  const [, redraw] = useState(0);
  const state = useRef({ query: '', looked: 0, hits: [] as number[], lines });
  if (state.current.query !== query || state.current.lines !== lines)
    state.current = { query, looked: 0, hits: [], lines };
  useEffect(() => setIndex(undefined), [query, lines]);
  useEffect(() => {
    if (query === '') return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = (): void => {
      const now = state.current;
      const end = Math.min(lines.length, now.looked + AT_ONCE);
      const wanted = query.toLowerCase();
      for (let line = now.looked; line < end; line++)
        if (
          plain(lines[line] ?? '')
            .toLowerCase()
            .includes(wanted)
        )
          now.hits.push(line);
      now.looked = end;
      redraw((count) => count + 1);
      if (end < lines.length) timer = setTimeout(look);
    };
    look();
    return () => clearTimeout(timer);
  }, [query, lines, lines.length]);
  const { hits } = state.current;
  const move = (step: 1 | -1): number | undefined => {
    if (hits.length === 0) return undefined;
    const next =
      index === undefined ? (step === 1 ? 0 : hits.length - 1) : (index + step + hits.length) % hits.length;
    setIndex(next);
    return hits[next];
  };
  return {
    query,
    setQuery,
    count: query === '' ? 0 : hits.length,
    index,
    at: index === undefined ? undefined : hits[index],
    move,
  };
}

/** Where in the text the query is, as [from, to). */
export function hitsIn(text: string, query: string): (readonly [number, number])[] {
  if (query === '') return [];
  const [where, wanted] = [text.toLowerCase(), query.toLowerCase()];
  const found: (readonly [number, number])[] = [];
  for (let at = where.indexOf(wanted); at !== -1; at = where.indexOf(wanted, at + wanted.length))
    found.push([at, at + wanted.length]);
  return found;
}
