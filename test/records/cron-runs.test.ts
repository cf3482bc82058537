import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { askedRunId, CronRuns, dueOf, dueRunId } from '../../src/records/cron-runs.js';
import { temporaryDirectory } from '../support/directories.js';

const MINUTE = 60_000;
const DUE = Date.parse('2026-11-30T06:05:00Z');

describe('the runs of a cron entry', () => {
  let home: string;
  let runs: CronRuns;
  beforeEach(async () => {
    home = await temporaryDirectory();
    runs = new CronRuns(home);
  });

  it('have the time that they were due as their id', () => {
    expect(dueRunId(DUE)).toBe('20261130T060500Z');
    expect(dueOf(dueRunId(DUE))).toBe(DUE);
    expect(dueOf(askedRunId(DUE))).toBeUndefined();
  });

  it('are claimed by one of many', async () => {
    const claims = Array.from({ length: 20 }, (_, index) =>
      new CronRuns(home).claim('hello', 'nightly', dueRunId(DUE), { by: `slipway-${index}-1`, at: DUE }),
    );
    expect((await Promise.all(claims)).filter((won) => won)).toHaveLength(1);
    expect(await runs.open('hello')).toEqual([
      expect.objectContaining({ entry: 'nightly', id: '20261130T060500Z' }),
    ]);
    expect(await readdir(join(home, 'deployments', 'hello', '.cron', 'nightly'))).toEqual([
      '20261130T060500Z.claim',
    ]);
  });

  it('stay where they were placed first, and end as they ended first', async () => {
    await runs.claim('hello', 'nightly', dueRunId(DUE), { by: 'slipway-1-1', at: DUE });
    const run = (await runs.get('hello', 'nightly', dueRunId(DUE)))!;
    await runs.place(run, { host: 'a', release: 3, at: DUE });
    expect(await runs.place(run, { host: 'b', release: 4, at: DUE + 1 })).toEqual({
      host: 'a',
      release: 3,
      at: DUE,
    });
    await runs.end(run, { outcome: 'failed', exitCode: 3, at: DUE + MINUTE }, 'no\n');
    expect(await runs.end(run, { outcome: 'lost', at: DUE + 2 * MINUTE }, 'other\n')).toMatchObject({
      outcome: 'failed',
    });
    expect(await runs.log('hello', 'nightly', run.id)).toBe('no\n');
    expect(await runs.open('hello')).toEqual([]);
  });

  it('are kept to a number, the newest, and never one that goes on', async () => {
    await runs.claim('hello', 'nightly', dueRunId(DUE), { by: 'slipway-1-1', at: DUE });
    for (let count = 1; count <= 33; count += 1) {
      const id = dueRunId(DUE + count * MINUTE);
      await runs.claim('hello', 'nightly', id, { by: 'slipway-1-1', at: DUE });
      await runs.end((await runs.get('hello', 'nightly', id))!, { outcome: 'ok', at: DUE }, 'said\n');
    }
    const ids = (await runs.list('hello', 'nightly', 100)).map(({ id }) => id);
    expect(ids).toHaveLength(31);
    expect(ids.at(-1)).toBe(dueRunId(DUE));
    expect(await runs.lastDue('hello', 'nightly')).toBe(DUE + 33 * MINUTE);
    expect(await runs.log('hello', 'nightly', dueRunId(DUE + MINUTE))).toBeUndefined();
  });

  it('have no names that lead elsewhere', async () => {
    await expect(runs.log('hello', '../x', dueRunId(DUE))).rejects.toMatchObject({ code: 'not_found' });
    await expect(runs.log('hello', 'nightly', '../../x')).rejects.toMatchObject({ code: 'not_found' });
  });
});
