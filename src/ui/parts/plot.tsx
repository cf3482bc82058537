/** Lines over time, drawn as SVG: the latest value in words, and the one under the pointer. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { many } from '../format.js';

export interface Series {
  readonly name: string;
  /** Time in ms, value; the oldest first. */
  readonly points: readonly (readonly [number, number])[];
}

export interface PlotProps {
  readonly title: string;
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  /** What is a round number: 1, or 1 MiB. */
  readonly unit?: number;
  /** The time that is shown, in ms, up to now. */
  readonly spanMs: number;
  readonly now: number;
  /** The top is never below this. */
  readonly least: number;
}

const HEIGHT = 120;
const EDGE = { top: 6, bottom: 18 };

export function Plot({ title, series, format, unit = 1, spanMs, now, least }: PlotProps): JSX.Element {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const [pointerX, setPointerX] = useState<number>();
  const most = Math.max(least, ...series.flatMap(({ points }) => points.map(([, value]) => value)));
  const top = ceiling(most / unit) * unit;
  const x = (time: number): number => width - ((now - time) / spanMs) * width;
  const y = (value: number): number =>
    HEIGHT - EDGE.bottom - (value / top) * (HEIGHT - EDGE.top - EDGE.bottom);
  const atTime = pointerX === undefined ? undefined : now - ((width - pointerX) / width) * spanMs;
  const values = series.map(({ name, points }) => ({ name, point: nearestPoint(points, atTime) }));
  const said = values.map(({ name, point }) => `${name} ${point === undefined ? '—' : format(point[1])}`);
  return (
    <figure class="plot">
      <figcaption>
        <span class="plot-title">{title}</span>
        <ul class="legend">
          {values.map(({ name, point }, index) => (
            <li key={name} class={`line${index % 6}`}>
              <span class="swatch" aria-hidden="true" />
              {name} <span class="figure">{point === undefined ? '—' : format(point[1])}</span>
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={frame}>
        <svg
          role="img"
          aria-label={`${title}: ${said.join(', ')}`}
          width={width}
          height={HEIGHT}
          viewBox={`0 0 ${width} ${HEIGHT}`}
          onPointerMove={(event) => setPointerX(event.offsetX)}
          onPointerLeave={() => setPointerX(undefined)}
        >
          {[0, 0.5, 1].map((part) => (
            <g key={part} class="grid">
              <line x1={0} x2={width} y1={y(top * part)} y2={y(top * part)} />
              {part > 0 && (
                <text x={2} y={y(top * part) + 12}>
                  {format(top * part)}
                </text>
              )}
            </g>
          ))}
          <text class="ticks" x={0} y={HEIGHT - 4}>
            {many(Math.round(spanMs / 60_000), 'minute')} ago
          </text>
          <text class="ticks" x={width} y={HEIGHT - 4} text-anchor="end">
            now
          </text>
          {series.map(({ name, points }, index) => (
            <path key={name} class={`line${index % 6}`} d={pathOf(points, x, y)} />
          ))}
          {values.map(({ name, point }, index) =>
            point === undefined ? null : (
              <circle key={name} class={`line${index % 6}`} cx={x(point[0])} cy={y(point[1])} r={2.5} />
            ),
          )}
        </svg>
      </div>
    </figure>
  );
}

function pathOf(points: Series['points'], x: (time: number) => number, y: (value: number) => number): string {
  return points
    .map(([time, value], index) => `${index === 0 ? 'M' : 'L'}${x(time).toFixed(1)} ${y(value).toFixed(1)}`)
    .join('');
}

/** The newest without a time. */
function nearestPoint(
  points: Series['points'],
  time: number | undefined,
): readonly [number, number] | undefined {
  if (time === undefined) return points.at(-1);
  return points.reduce<readonly [number, number] | undefined>(
    (best, point) =>
      best === undefined || Math.abs(point[0] - time) < Math.abs(best[0] - time) ? point : best,
    undefined,
  );
}

/** The next of 1, 2, 5, 10, 20, … so that the lines of the grid have round values. */
function ceiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10) * power;
}

function useWidth(frame: { readonly current: HTMLElement | null }): number {
  // Wider than a telephone it would be a page that scrolls sideways, for as long as nobody has looked.
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (frame.current === null) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setWidth(Math.max(120, Math.floor(entry.contentRect.width)));
    });
    observer.observe(frame.current);
    return () => observer.disconnect();
  }, [frame]);
  return width;
}
