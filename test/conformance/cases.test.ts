/** The cases themselves: none is there twice, none has nothing to be compared with. */
import { expect, it } from 'vitest';
import { TOPICS } from './cases/topics.js';
import { readRecords } from './record.js';

it('has at least 400 cases, each with a name of its own and something to compare with', async () => {
  const names: string[] = [];
  for (const { topic, cases } of TOPICS) {
    const records = await readRecords(topic);
    for (const one of cases) {
      names.push(`${topic}: ${one.name}`);
      expect(one.fails ?? one.expect ?? records[one.name], `${topic}: ${one.name}`).toBeDefined();
    }
  }
  expect(names.length).toBeGreaterThanOrEqual(400);
  expect(new Set(names).size).toBe(names.length);
});

it('keeps nothing of a peer for a case that is gone, or that no peer can build', async () => {
  for (const { topic, cases } of TOPICS) {
    const known = cases.filter(({ peers }) => peers?.length !== 0).map(({ name }) => name);
    expect(known, topic).toEqual(expect.arrayContaining(Object.keys(await readRecords(topic))));
  }
});
