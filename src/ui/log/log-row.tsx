/** One line of a log. What a program has written becomes text and nothing else. */
import type { JSX } from 'preact';
import type { StepOutcome } from '../../records/step-outcomes.js';
import { duration } from '../format.js';
import { TimeBar } from '../views/timings.js';
import { formatRange } from './line-range.js';
import type { Heading } from './outline.js';
import { hitsIn } from './search.js';
import { marked, pieces, plain } from './sgr.js';

export interface LogRowProps {
  /** From 0. */
  readonly line: number;
  readonly text: string;
  readonly isLinked: boolean;
  readonly query: string;
  /** The one that the search is at. */
  readonly isHit: boolean;
  readonly kind: Heading['kind'] | undefined;
  readonly isFolded: boolean;
  readonly outcome: StepOutcome | undefined;
  readonly longest: number;
  readonly onNumber: (line: number, event: MouseEvent) => void;
  readonly onFold: (line: number) => void;
}

export function LogRow({
  line,
  text,
  isLinked,
  query,
  isHit,
  kind,
  isFolded,
  outcome,
  longest,
  onNumber,
  onFold,
}: LogRowProps): JSX.Element {
  const look = [
    'log-row',
    ...(kind === undefined ? [] : [kind]),
    ...(isLinked ? ['linked'] : []),
    ...(isHit ? ['at-hit'] : []),
    ...(text.startsWith(' !     ') ? ['problem'] : []),
  ];
  const canFold = kind === 'step' || kind === 'section';
  return (
    <div class={look.join(' ')}>
      {/* The keyboard would have to pass hundreds of them. */}
      <a
        class="line-number"
        href={formatRange({ from: line, to: line })}
        tabIndex={-1}
        aria-label={`Line ${line + 1}`}
        onClick={(event) => onNumber(line, event)}
      >
        {line + 1}
      </a>
      {canFold ? (
        <button
          type="button"
          class="fold"
          aria-expanded={!isFolded}
          aria-label={`Fold line ${line + 1}`}
          onClick={() => onFold(line)}
        >
          <span aria-hidden="true" />
        </button>
      ) : (
        <span class="fold" />
      )}
      <span class="log-text">
        {marked(pieces(text), hitsIn(plain(text), query)).map((piece, index) =>
          piece.isHit ? (
            <mark key={index} class={piece.look}>
              {piece.text}
            </mark>
          ) : piece.look === '' ? (
            piece.text
          ) : (
            <span key={index} class={piece.look}>
              {piece.text}
            </span>
          ),
        )}
      </span>
      {outcome !== undefined && (
        <span class="log-took figure">
          <TimeBar ms={outcome.ms} longest={longest} />
          {outcome.ms === undefined ? outcome.result : duration(outcome.ms)}
        </span>
      )}
    </div>
  );
}
