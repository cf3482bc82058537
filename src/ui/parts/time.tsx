/** How long ago something was; all of them move on together, twice a minute. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ago, duration } from '../format.js';

export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function Ago({ at }: { readonly at: string }): JSX.Element {
  const now = useNow(30_000);
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {ago(at, now)}
    </time>
  );
}

/** Of something that is under way. */
export function Running({ since }: { readonly since: string }): JSX.Element {
  const now = useNow(1000);
  return <span class="figure">{duration(Math.max(0, now - Date.parse(since)))}</span>;
}
