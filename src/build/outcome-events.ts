/** A build's events as the record of its steps, which `builds:why` shows. */
import { oneLine } from '../one-line.js';
import type { OutcomeRecord, StepOutcome } from '../records/step-outcomes.js';
import type { BuildEvent, BuildListener } from './progress.js';

/** An instruction in one line of a table. */
const TEXT_CHARS = 200;
/** A reason names at most one file. */
const REASON_CHARS = 1000;

export function outcomeEvents(record: Pick<OutcomeRecord, 'add'>): BuildListener {
  const open = new Map<number, StepOutcome>();
  return async (event) => {
    const outcome = outcomeOf(event, open);
    if (outcome !== undefined) record.add(outcome);
  };
}

/** For several who listen. */
export function eachOf(...listeners: readonly BuildListener[]): BuildListener {
  return async (event) => {
    for (const listen of listeners) await listen(event);
  };
}

function outcomeOf(event: BuildEvent, open: Map<number, StepOutcome>): StepOutcome | undefined {
  if (event.type === 'step') {
    const { step, total, stage, line } = event;
    open.set(step, { step, total, stage, text: oneLine(event.text, TEXT_CHARS), line, result: 'running' });
    return undefined;
  }
  const known = 'step' in event && event.step !== undefined ? open.get(event.step) : undefined;
  if (known === undefined) return undefined;
  switch (event.type) {
    case 'missed': {
      const outcome: StepOutcome = { ...known, reason: oneLine(event.reason, REASON_CHARS) };
      open.set(known.step, outcome);
      return outcome;
    }
    case 'cached': {
      const { savedMs, from } = event;
      return {
        ...known,
        result: 'cached',
        ...(savedMs === undefined ? {} : { savedMs }),
        ...(from === undefined ? {} : { from }),
      };
    }
    case 'done':
      return { ...known, result: 'executed', ms: event.ms };
    case 'failed':
      return { ...known, result: 'failed', ms: event.ms };
    case 'stopped':
      return { ...known, result: 'stopped', ms: event.ms };
    default:
      return undefined;
  }
}
