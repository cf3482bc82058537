/** Where the reader is: the address bar, and the links that change it without loading the page anew. */
import { useEffect, useState } from 'preact/hooks';

export interface Place {
  readonly path: string;
  /** With its `#`; empty when there is none. */
  readonly hash: string;
}

const listeners = new Set<() => void>();

export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const listener = (): void => setPlace(here());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return place;
}

/** `replace`: as if one had never been where one is. */
export function go(target: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  const isElsewhere = new URL(target, location.href).pathname !== location.pathname;
  if (replace) history.replaceState(null, '', target);
  else history.pushState(null, '', target);
  tell();
  if (!isElsewhere || replace) return;
  scrollTo(0, 0);
  // Who cannot see that the view is another one hears its heading; the next Tab goes on from there.
  requestAnimationFrame(() => document.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true }));
}

export function followLinks(): void {
  addEventListener('popstate', tell);
  addEventListener('hashchange', tell);
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    const isPlain =
      event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (link === null || !isPlain || event.defaultPrevented) return;
    if (link.origin !== location.origin || link.target !== '' || link.getAttribute('href')?.startsWith('#'))
      return;
    event.preventDefault();
    go(link.href);
  });
}

function here(): Place {
  return { path: location.pathname, hash: location.hash };
}

function tell(): void {
  for (const listener of [...listeners]) listener();
}
