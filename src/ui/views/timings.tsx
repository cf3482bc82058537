/** Where the time of a deployment went: its phases, and of a build the steps that ran, with why they did. */
import type { JSX } from 'preact';
import type { BuildView } from '../../api/views.js';
import type { StepOutcome } from '../../records/step-outcomes.js';
import { duration, many } from '../format.js';

export function Timings({
  build,
  steps,
}: {
  readonly build: BuildView;
  readonly steps: readonly StepOutcome[];
}): JSX.Element | null {
  const { phases } = build;
  if (phases.length + steps.length === 0) return null;
  const total = phases.reduce((sum, { ms }) => sum + ms, 0);
  const cached = steps.filter(({ result }) => result === 'cached');
  const ran = steps.filter(({ result }) => result !== 'cached');
  const longest = Math.max(1, ...ran.map(({ ms = 0 }) => ms));
  return (
    <div class="timings">
      {phases.length > 0 && (
        <ol class="phases" aria-label="Phases">
          {phases.map(({ name, ms }, index) => (
            <li key={`${name} ${index}`} style={{ flexGrow: Math.max(0.04, ms / Math.max(1, total)) }}>
              <span class="bar" aria-hidden="true" />
              <span class="phase">{name}</span> <span class="figure">{duration(ms)}</span>
            </li>
          ))}
        </ol>
      )}
      {steps.length > 0 && (
        <details class="steps" open={ran.some(({ result }) => result === 'failed')}>
          <summary>
            {many(ran.length, 'step')} ran, {cached.length} cached
          </summary>
          <ol>
            {steps.map((step) => (
              <Step key={step.step} step={step} longest={longest} />
            ))}
          </ol>
        </details>
      )}
    </div>
  );
}

const WORDS: Readonly<Record<StepOutcome['result'], string>> = {
  running: 'running',
  cached: 'cached',
  executed: '',
  failed: 'failed',
  stopped: 'stopped',
};

function Step({
  step: { step, total, stage, text, result, reason, ms, savedMs },
  longest,
}: {
  readonly step: StepOutcome;
  readonly longest: number;
}): JSX.Element {
  return (
    <li class={result}>
      <span class="figure dim">
        {/^\d+$/.test(stage) ? '' : `${stage} `}
        {step}/{total}
      </span>
      <code class="says">{text}</code>
      <span class="took">
        <TimeBar ms={ms} longest={longest} />
        <span class="figure">{ms === undefined ? WORDS[result] : `${WORDS[result]} ${duration(ms)}`}</span>
        {savedMs !== undefined && <span class="dim figure"> saved {duration(savedMs)}</span>}
      </span>
      {reason !== undefined && <span class="why dim">{reason}</span>}
    </li>
  );
}

export function TimeBar({
  ms,
  longest,
}: {
  readonly ms: number | undefined;
  readonly longest: number;
}): JSX.Element | null {
  if (ms === undefined) return null;
  return (
    <span class="time-bar" aria-hidden="true">
      <span style={{ width: `${Math.max(2, (ms / longest) * 100)}%` }} />
    </span>
  );
}
