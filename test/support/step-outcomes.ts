import { OutcomeRecord, type StepOutcome } from '../../src/records/step-outcomes.js';

/** What a builder would have recorded of a build's steps. */
export async function recordSteps(path: string, steps: readonly StepOutcome[]): Promise<void> {
  await using record = new OutcomeRecord(path, (error) => {
    throw error;
  });
  for (const step of steps) record.add(step);
}
