/** Keys that work everywhere on the page, and what the list of them says. A view that is shown may add its own. */
import { useEffect, useRef } from 'preact/hooks';
import { go } from './router.js';

export interface Shortcut {
  /** `/`, `?`, or two letters one after the other: `g a`. */
  readonly keys: string;
  readonly says: string;
  readonly run: () => void;
}

const PAGE: readonly Shortcut[] = [
  { keys: 'g a', says: 'Go to the apps', run: () => go('/') },
  { keys: 'g q', says: 'Go to the queue', run: () => go('/queue') },
  { keys: 'g h', says: 'Go to the hosts', run: () => go('/hosts') },
  { keys: 'g e', says: 'Go to the events', run: () => go('/events') },
  { keys: '?', says: 'Show all keys', run: () => go('/keys') },
];
/** For the list: what views add while they are shown. */
export const OF_VIEWS: readonly Pick<Shortcut, 'keys' | 'says'>[] = [
  { keys: '/', says: 'Filter the apps, or search the log' },
  { keys: '↑ ↓', says: 'Move in the list of apps' },
  { keys: 'f', says: 'Fold or unfold all steps of a log' },
  { keys: 'b', says: 'To the end of a log, and stay there' },
  { keys: 'Enter', says: 'In the search of a log: the next hit; with Shift the one before' },
  { keys: 'Esc', says: 'Close what is open' },
];
export const OF_PAGE: readonly Pick<Shortcut, 'keys' | 'says'>[] = PAGE;

/** How long after its first letter a sequence may be finished, in ms. */
const SEQUENCE_MS = 1500;

const active = new Set<readonly Shortcut[]>([PAGE]);

export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  useEffect(() => {
    const own = latest.current.map((shortcut, index) => ({
      ...shortcut,
      run: () => latest.current[index]?.run(),
    }));
    active.add(own);
    return () => void active.delete(own);
  }, []);
}

export function listenToKeys(): void {
  let first = '';
  let firstAt = 0;
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || isModal()) return;
    const sequence = event.timeStamp - firstAt < SEQUENCE_MS ? `${first} ${event.key}` : event.key;
    const all = [...active].flat();
    const found = all.find(({ keys }) => keys === sequence) ?? all.find(({ keys }) => keys === event.key);
    first = found === undefined ? event.key : '';
    firstAt = event.timeStamp;
    if (found === undefined) return;
    event.preventDefault();
    found.run();
  });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, select') !== null;
}

function isModal(): boolean {
  return document.querySelector('dialog[open]') !== null;
}
