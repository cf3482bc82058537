/**
 * What the API answered to a path, kept from view to view: what was seen once is there at once the next time, and is made fresh behind
 * the reader's back. One that fails later keeps what it has and says so.
 */
import { useCallback, useEffect, useState } from 'preact/hooks';
import { ask, type Fault, toFault } from './api.js';

interface Known {
  data?: unknown;
  fault?: Fault | undefined;
  readonly readers: Set<() => void>;
  asking?: Promise<void> | undefined;
}

const known = new Map<string, Known>();

export interface Resource<T> {
  /** Undefined until the first answer. */
  readonly data: T | undefined;
  /** Of the last try. */
  readonly fault: Fault | undefined;
  readonly refresh: () => Promise<void>;
}

/** Undefined for a path that is not to be asked for yet. `everyMs`: asked again so often while the page can be seen. */
export function useResource<T>(
  path: string | undefined,
  { everyMs }: { readonly everyMs?: number | undefined } = {},
): Resource<T> {
  const [, render] = useState(0);
  useEffect(() => {
    if (path === undefined) return undefined;
    const entry = entryOf(path);
    const reader = (): void => render((count) => count + 1);
    entry.readers.add(reader);
    void load(path);
    const tick = (): void => void (document.hidden ? undefined : load(path));
    const timer = everyMs === undefined ? undefined : setInterval(tick, everyMs);
    if (everyMs !== undefined) document.addEventListener('visibilitychange', tick);
    return () => {
      entry.readers.delete(reader);
      clearInterval(timer);
      document.removeEventListener('visibilitychange', tick);
    };
  }, [path, everyMs]);
  const refresh = useCallback(async () => {
    if (path !== undefined) await load(path);
  }, [path]);
  const entry = path === undefined ? undefined : known.get(path);
  return { data: entry?.data as T | undefined, fault: entry?.fault, refresh };
}

/** After a change: all that was asked for below the path is out of date. */
export function forget(prefix: string): void {
  for (const [path, entry] of known) if (path.startsWith(prefix) && entry.readers.size > 0) void load(path);
}

/** With the session goes all that it has seen. What is shown asks again. */
export function forgetAll(): void {
  for (const entry of known.values())
    Object.assign(entry, { data: undefined, fault: undefined, asking: undefined });
}

function entryOf(path: string): Known {
  const entry = known.get(path) ?? { readers: new Set() };
  known.set(path, entry);
  return entry;
}

function load(path: string): Promise<void> {
  const entry = entryOf(path);
  if (entry.asking !== undefined) return entry.asking;
  // An answer to who was asked before the session ended is nobody's.
  const settle = (found: Pick<Known, 'data' | 'fault'>): void => {
    if (entry.asking !== asking) return;
    Object.assign(entry, { ...found, asking: undefined });
    for (const reader of entry.readers) reader();
  };
  const asking = ask<unknown>(path).then(
    (data) => settle({ data, fault: undefined }),
    (thrown: unknown) => settle({ fault: toFault(thrown) }),
  );
  entry.asking = asking;
  return asking;
}
