import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { outcomeEvents } from '../../src/build/outcome-events.js';
import type { BuildEvent } from '../../src/build/progress.js';
import { OutcomeRecord, readOutcomes } from '../../src/records/step-outcomes.js';
import { temporaryDirectory } from '../support/directories.js';

const begin = (step: number, text: string): BuildEvent => ({
  type: 'step',
  step,
  total: 4,
  stage: 'build',
  text,
  line: step + 1,
});
const recordAt = (path: string): OutcomeRecord =>
  new OutcomeRecord(path, (error) => {
    throw error;
  });
const common = { total: 4, stage: 'build' };

test('a step is as its last event left it, with the reason that was given before', async () => {
  const path = join(await temporaryDirectory(), 'steps');
  const record = recordAt(path);
  const listen = outcomeEvents(record);
  const events: BuildEvent[] = [
    begin(1, 'COPY . .'),
    { type: 'cached', step: 1, savedMs: 1200, from: 'registry' },
    begin(2, 'RUN a\n  b'),
    { type: 'missed', step: 2, reason: 'the instruction changed' },
    { type: 'output', step: 2, chunk: Buffer.from('x') },
    { type: 'done', step: 2, ms: 30 },
    begin(3, 'RUN c'),
    { type: 'missed', step: 3, reason: 'it has not been built before' },
    { type: 'failed', step: 3, ms: 40 },
    begin(4, 'RUN d'),
    { type: 'missed', step: 4, reason: 'no-cache was asked for' },
  ];
  for (const event of events) await listen(event);
  await record[Symbol.asyncDispose]();
  const all = await readOutcomes(path);
  expect(all).toEqual([
    { ...common, step: 1, line: 2, text: 'COPY . .', result: 'cached', savedMs: 1200, from: 'registry' },
    {
      ...common,
      step: 2,
      line: 3,
      text: 'RUN a b',
      result: 'executed',
      reason: 'the instruction changed',
      ms: 30,
    },
    {
      ...common,
      step: 3,
      line: 4,
      text: 'RUN c',
      result: 'failed',
      reason: 'it has not been built before',
      ms: 40,
    },
    { ...common, step: 4, line: 5, text: 'RUN d', result: 'running', reason: 'no-cache was asked for' },
  ]);
  await appendFile(path, '\n{"step": 5, "tot');
  expect(await readOutcomes(path)).toEqual(all);
  // The build begins again, in another builder.
  await recordAt(path)[Symbol.asyncDispose]();
  expect(await readOutcomes(path)).toEqual([]);
});

test('a record that cannot be written is told once and stops nothing', async () => {
  const told: unknown[] = [];
  const record = new OutcomeRecord(join(await temporaryDirectory(), 'none', 'steps'), (error) =>
    told.push(error),
  );
  const listen = outcomeEvents(record);
  await listen(begin(1, 'RUN a'));
  await listen({ type: 'done', step: 1, ms: 1 });
  await record[Symbol.asyncDispose]();
  await listen(begin(2, 'RUN b'));
  await listen({ type: 'done', step: 2, ms: 1 });
  await record[Symbol.asyncDispose]();
  expect(told).toHaveLength(1);
});

test('nothing is known of a build without a record', async () => {
  expect(await readOutcomes(join(await temporaryDirectory(), 'steps'))).toEqual([]);
});
