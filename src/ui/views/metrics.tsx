/** How an app does: what it is asked, how it answers, and what its processes take. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { bytes, number } from '../format.js';
import { Stale } from '../parts/notice.js';
import { Plot, type PlotProps, type Series } from '../parts/plot.js';
import { Ago, useNow } from '../parts/time.js';
import { ratesOf, type Sample, SPAN_MS, useSamples } from '../samples.js';

const MIB = 1024 * 1024;

export function Metrics({ app }: { readonly app: string }): JSX.Element {
  const { samples, fault } = useSamples(app);
  const now = useNow(1000);
  const rates = useMemo(() => ratesOf(samples), [samples]);
  const common: Pick<PlotProps, 'spanMs' | 'now'> = { spanMs: spanOf(samples, now), now };
  const latest = samples.at(-1)?.traffic;
  const seconds = (ms: number): string => `${number(ms)} ms`;
  return (
    <section aria-label="Metrics">
      <Stale fault={fault} />
      <div class="plots">
        <Plot
          {...common}
          title="Requests per second"
          least={1}
          format={number}
          series={[{ name: 'requests', points: rates.map(({ at, requests }) => [at, requests]) }]}
        />
        <Plot
          {...common}
          title="Errors per second"
          least={1}
          format={number}
          series={[{ name: 'answers 5xx, no answer', points: rates.map(({ at, errors }) => [at, errors]) }]}
        />
        <Plot
          {...common}
          title="Latency"
          least={10}
          format={seconds}
          series={[
            { name: 'first byte', points: ofTraffic(samples, ({ averageMs }) => averageMs.response) },
            { name: 'whole answer', points: ofTraffic(samples, ({ averageMs }) => averageMs.total) },
          ]}
        />
        <Plot
          {...common}
          title="Requests under way"
          least={1}
          format={number}
          series={[{ name: 'now', points: ofTraffic(samples, ({ underWay }) => underWay) }]}
        />
        <Plot
          {...common}
          title="Memory"
          least={16 * MIB}
          unit={MIB}
          format={(value) => bytes(Math.round(value))}
          series={byProcess(samples, ({ memoryBytes }) => memoryBytes)}
        />
        <Plot
          {...common}
          title="Processors"
          least={0.1}
          format={number}
          series={byProcess(samples, ({ cpus }) => cpus)}
        />
      </div>
      {latest !== undefined && (
        <p class="dim">
          Since <Ago at={latest.since} /> the edge has counted{' '}
          <span class="figure">{latest.requests.toLocaleString('en')}</span> requests, of which{' '}
          <span class="figure">{latest.responses['5xx'].toLocaleString('en')}</span> ended with a status of
          5xx. Latency is the average of the last 1,024.
        </p>
      )}
      <p class="dim">The plots begin when you open them.</p>
    </section>
  );
}

/** Whole minutes, from one on: two points at the edge of an empty plot would say nothing. */
function spanOf([first]: readonly Sample[], now: number): number {
  const minutes = Math.ceil((now - (first?.at ?? now)) / 60_000);
  return Math.min(SPAN_MS, Math.max(1, minutes) * 60_000);
}

type Traffic = NonNullable<Sample['traffic']>;
type Usage = Sample['usage'][number];

function ofTraffic(samples: readonly Sample[], value: (traffic: Traffic) => number): Series['points'] {
  return samples.flatMap(({ at, traffic }) => (traffic === undefined ? [] : [[at, value(traffic)] as const]));
}

function byProcess(samples: readonly Sample[], value: (usage: Usage) => number): Series[] {
  const name = ({ process, host }: Usage): string => `${process} on ${host}`;
  const names = [...new Set(samples.flatMap(({ usage }) => usage.map(name)))].sort();
  return names.map((each) => ({
    name: each,
    points: samples.flatMap(({ at, usage }) =>
      usage.filter((one) => name(one) === each).map((one) => [at, value(one)] as const),
    ),
  }));
}
