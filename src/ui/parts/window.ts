/** Of many rows of one height, those that can be seen: only they are in the document. */
import { useEffect, useState } from 'preact/hooks';

export interface Span {
  readonly first: number;
  /** Not part of it. */
  readonly end: number;
}

/** Rows beyond the edges, so that a quick movement does not meet emptiness. */
const BEYOND = 12;

/** `list` scrolls with the page. */
export function usePageWindow(
  list: { readonly current: HTMLElement | null },
  count: number,
  rowPx: number,
): Span {
  const [span, setSpan] = useState<Span>({ first: 0, end: Math.min(count, 60) });
  useEffect(() => {
    const look = (): void => {
      const top = list.current?.getBoundingClientRect().top ?? 0;
      const first = Math.max(0, Math.floor(-top / rowPx) - BEYOND);
      const end = Math.min(count, Math.ceil((innerHeight - top) / rowPx) + BEYOND);
      setSpan((now) => (now.first === first && now.end === end ? now : { first, end }));
    };
    look();
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    return () => {
      removeEventListener('scroll', look);
      removeEventListener('resize', look);
    };
  }, [list, count, rowPx]);
  return span;
}
