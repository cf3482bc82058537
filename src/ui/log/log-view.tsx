/**
 * A log of any length: only the lines that can be seen are in the document. Lines can be linked, ranges too (#L120-L140); steps fold;
 * the search counts and visits its hits; at the end it stays there while the log grows.
 */
import type { JSX, TargetedEvent } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { StepOutcome } from '../../records/step-outcomes.js';
import { many } from '../format.js';
import { go, usePlace } from '../router.js';
import { useShortcuts } from '../shortcuts.js';
import { formatRange, type LineRange, parseRange } from './line-range.js';
import { LogRow } from './log-row.js';
import type { Outline } from './outline.js';
import { Scale } from './scale.js';
import { useSearch } from './search.js';
import { SearchBar } from './search-bar.js';

export interface LogViewProps {
  readonly lines: readonly string[];
  /** Without one nothing folds. */
  readonly outline?: Outline | undefined;
  readonly steps?: readonly StepOutcome[] | undefined;
  /** More is to come. */
  readonly isLive: boolean;
  /** Why no more comes for now. */
  readonly problem: string | undefined;
  readonly label: string;
}

export const ROW_PX = 20;
const BEYOND = 20;

export function LogView({ lines, outline, steps, isLive, problem, label }: LogViewProps): JSX.Element {
  const frame = useRef<HTMLDivElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const [view, setView] = useState({ top: 0, height: 600 });
  const [isAtEnd, setAtEnd] = useState(isLive && location.hash === '');
  const [pending, setPending] = useState<number>();
  const range = parseRange(usePlace().hash);
  const anchor = useRef<number | undefined>(undefined);
  const found = useSearch(lines);

  const shown = useMemo(
    () => (folded.size === 0 || outline === undefined ? undefined : outline.shown(folded)),
    [folded, outline, lines.length],
  );
  const count = shown?.length ?? lines.length;
  const scale = new Scale(count, ROW_PX, view.height);
  const first = Math.max(0, scale.rowAt(view.top) - BEYOND);
  const end = Math.min(count, scale.rowAt(view.top) + Math.ceil(view.height / ROW_PX) + BEYOND);
  const offset = scale.topOf(first, view.top);

  const rowOf = (line: number): number => (shown === undefined ? line : shown.indexOf(line));
  const reveal = (line: number): void => {
    const over = outline?.over(line) ?? [];
    if (over.some((heading) => folded.has(heading)))
      setFolded(new Set([...folded].filter((heading) => !over.includes(heading))));
    setAtEnd(false);
    setPending(line);
  };
  const setFold = (line: number): void => {
    const next = new Set(folded);
    if (!next.delete(line)) next.add(line);
    setFolded(next);
  };
  const foldAll = (): void => {
    const foldable = outline?.headings.filter(({ kind }) => kind === 'step').map(({ line }) => line) ?? [];
    setFolded(folded.size > 0 ? new Set() : new Set(foldable));
  };
  const toEnd = (): void => setAtEnd(true);
  useShortcuts([
    { keys: '/', says: 'Search the log', run: () => search.current?.select() },
    { keys: 'f', says: 'Fold all', run: foldAll },
    { keys: 'b', says: 'To the end', run: toEnd },
  ]);

  useEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const measure = new ResizeObserver(() => setView((now) => ({ ...now, height: element.clientHeight })));
    measure.observe(element);
    return () => measure.disconnect();
  }, []);

  // A line that is linked to is shown once it is there.
  const wanted = range !== undefined && range.from < lines.length ? range.from : undefined;
  useEffect(() => {
    if (wanted !== undefined && wanted !== anchor.current) reveal(wanted);
    anchor.current = wanted;
  }, [wanted]);

  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return;
    if (pending !== undefined) {
      const row = rowOf(pending);
      element.scrollTop = scale.scrollTo(row, Math.floor(view.height / ROW_PX / 3));
      setPending(undefined);
    } else if (isAtEnd) element.scrollTop = element.scrollHeight;
  });

  const onScroll = (event: TargetedEvent<HTMLElement>): void => {
    const { scrollTop, clientHeight, scrollHeight } = event.currentTarget;
    setView({ top: scrollTop, height: clientHeight });
    setAtEnd(scrollTop + clientHeight >= scrollHeight - ROW_PX);
  };
  const onNumber = (line: number, event: MouseEvent): void => {
    event.preventDefault();
    const to: LineRange =
      event.shiftKey && range !== undefined
        ? { from: Math.min(range.from, line), to: Math.max(range.from, line) }
        : { from: line, to: line };
    anchor.current = to.from;
    go(formatRange(to), { replace: true });
  };
  const onHit = (line: number | undefined): void => {
    if (line !== undefined) reveal(line);
  };

  const byStep = useMemo(() => new Map(steps?.map((step) => [step.step, step])), [steps]);
  const longest = useMemo(() => Math.max(1, ...(steps ?? []).map(({ ms = 0 }) => ms)), [steps]);
  const headings = useMemo(
    () => new Map(outline?.headings.map((heading) => [heading.line, heading])),
    [outline, lines.length],
  );
  const rows = Array.from(
    { length: Math.max(0, end - first) },
    (_, index) => shown?.[first + index] ?? first + index,
  );
  return (
    <div class="log-part">
      <div class="log-bar">
        <SearchBar input={search} search={found} onHit={onHit} />
        {outline?.headings.some(({ kind }) => kind === 'step') && (
          <button type="button" class="quiet" aria-pressed={folded.size > 0} onClick={foldAll}>
            {folded.size > 0 ? 'Unfold all' : 'Fold steps'}
          </button>
        )}
        <button type="button" class="quiet" aria-pressed={isAtEnd} onClick={toEnd}>
          {isLive ? 'Follow' : 'To the end'}
        </button>
        <span class="log-size dim figure" role="status">
          {problem !== undefined
            ? `Cut off: ${problem}. It goes on where it was.`
            : many(lines.length, 'line')}
          {isLive && problem === undefined && <span class="pulse" aria-hidden="true" />}
        </span>
      </div>
      <section
        class="log"
        ref={frame}
        onScroll={onScroll}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and the keyboard must reach that
        tabIndex={0}
        aria-label={label}
      >
        <div class="log-space" style={{ height: `${scale.height}px` }}>
          <div class="log-rows" style={{ transform: `translateY(${offset}px)` }}>
            {rows.map((line) => {
              const heading = headings.get(line);
              return (
                <LogRow
                  key={line}
                  line={line}
                  text={lines[line] ?? ''}
                  isLinked={range !== undefined && line >= range.from && line <= range.to}
                  query={found.query}
                  isHit={found.at === line}
                  kind={heading?.kind}
                  isFolded={folded.has(line)}
                  outcome={heading?.step === undefined ? undefined : byStep.get(heading.step)}
                  longest={longest}
                  onNumber={onNumber}
                  onFold={setFold}
                />
              );
            })}
          </div>
        </div>
      </section>
    </div>
  );
}
