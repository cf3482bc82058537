/**
 * The last minutes of an app's numbers. The platform says how it is at a moment; what it was is collected here while somebody looks, and
 * kept from view to view (decision 58).
 */
import { useEffect, useState } from 'preact/hooks';
import type { TrafficView } from '../api/deployer-client.js';
import type { UsageList } from '../api/one-off-views.js';
import { ask, type Fault, toFault } from './api.js';
import { apiPath } from './routes.js';

export const SPAN_MS: number = 10 * 60_000;
/** An engine measures for a second or two. */
const EVERY_MS = 3000;

export interface Sample {
  readonly at: number;
  /** Absent when nothing of the app is at the edge. */
  readonly traffic?: TrafficView;
  readonly usage: UsageList['usage'];
}

/** What happened between two samples, per second. Undefined when the edge has begun to count anew. */
export interface Rate {
  readonly at: number;
  readonly requests: number;
  readonly errors: number;
}

const collected = new Map<string, readonly Sample[]>();

export function useSamples(app: string): {
  readonly samples: readonly Sample[];
  readonly fault: Fault | undefined;
} {
  const [samples, setSamples] = useState(collected.get(app) ?? []);
  const [fault, setFault] = useState<Fault>();
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    const collect = async (): Promise<void> => {
      while (!signal.aborted) {
        try {
          const next = [...(collected.get(app) ?? []), await take(app, signal)];
          const kept = next.filter(({ at }) => at > Date.now() - SPAN_MS);
          collected.set(app, kept);
          setSamples(kept);
          setFault(undefined);
        } catch (thrown) {
          if (!signal.aborted) setFault(toFault(thrown));
        }
        await new Promise((resolve) => setTimeout(resolve, document.hidden ? EVERY_MS * 5 : EVERY_MS));
      }
    };
    void collect();
    return () => stop.abort();
  }, [app]);
  return { samples, fault };
}

async function take(app: string, signal: AbortSignal): Promise<Sample> {
  const [{ metrics }, { usage }] = await Promise.all([
    ask<{ metrics: TrafficView | null }>(apiPath(app, '/metrics'), { signal }),
    ask<UsageList>(apiPath(app, '/usage'), { signal }),
  ]);
  return { at: Date.now(), usage, ...(metrics === null ? {} : { traffic: metrics }) };
}

export function ratesOf(samples: readonly Sample[]): Rate[] {
  return samples.flatMap(({ at, traffic }, index): Rate[] => {
    const before = samples[index - 1];
    if (before?.traffic === undefined || traffic === undefined || traffic.since !== before.traffic.since)
      return [];
    const seconds = (at - before.at) / 1000;
    const errorsOf = ({ responses, failures }: TrafficView): number =>
      responses['5xx'] + failures.connections;
    const requests = (traffic.requests - before.traffic.requests) / seconds;
    const errors = (errorsOf(traffic) - errorsOf(before.traffic)) / seconds;
    return requests < 0 || errors < 0 ? [] : [{ at, requests, errors }];
  });
}
