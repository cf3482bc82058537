/**
 * The tests of some topics: each case is built by `slipway build` and gives what its peers gave when it was recorded, or
 * what it says itself; and the same without any of the short ways of a build. One registry and one store serve all cases of a file.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../support/directories.js';
import { startRegistry, type TestRegistry } from '../support/registry.js';
import { type KnownBases, pushBases } from './bases.js';
import type { Case, Topic } from './case.js';
import { writeContext } from './context.js';
import { type OurBuilder, startOurs } from './ours.js';
import { differences, differencesFromCase, expected, readRecords, resultOf } from './record.js';

const ROOT = process.getuid?.() === 0;
let registry: TestRegistry;
let ours: OurBuilder;
/** Without any of the short ways of a build. */
let slow: OurBuilder;
let bases: KnownBases;
let home: string;

export function testCases(topics: readonly Topic[]): void {
  describe.skipIf(!ROOT)('as other builders build it (needs root)', async () => {
    beforeAll(async () => {
      home = await temporaryDirectory();
      registry = await startRegistry();
      bases = await pushBases(registry.host);
      ours = await startOurs();
      slow = await startOurs({ SLIPWAY_FAST: '0' });
    });
    afterAll(async () => {
      await ours?.stop();
      await slow?.stop();
      await registry?.stop();
    });
    for (const { topic, cases } of topics) {
      const records = await readRecords(topic);
      describe(topic, () => {
        for (const one of cases) it(one.name, () => check(one, records[one.name]));
      });
    }
  });
}

async function check(one: Case, recorded: Parameters<typeof expected>[1]): Promise<void> {
  const directory = join(home, 'case');
  try {
    const context = await writeContext(directory, registry.host, one);
    const outcome = await ours.build(one, context);
    const slowly = await slow.build(one, context);
    expect(slowly.kind).toBe(outcome.kind);
    expect(slowly.refusal?.code).toBe(outcome.refusal?.code);
    if (one.fails !== undefined) {
      const { code, message } = outcome.refusal ?? { code: 'none', message: '' };
      expect(`${code}: ${message}`).toMatch(one.fails.message);
      expect(code).toBe(one.fails.code);
      return;
    }
    if (outcome.kind === 'failed') {
      const { refusal } = outcome;
      if (recorded?.outcome === 'failed') return;
      throw new Error(refusal ? `${refusal.where}: ${refusal.message} (${refusal.code})` : outcome.said);
    }
    expect(outcome.image.faults).toEqual([]);
    const result = resultOf(outcome, bases);
    expect(resultOf(slowly as typeof outcome, bases)).toEqual(result);
    // What a RUN makes has the time of that.
    const isTimeless = !/^\s*(RUN|ADD|ONBUILD)\b|onbuild/im.test(String(one.dockerfile));
    if (isTimeless) expect((slowly as typeof outcome).image.diffIds).toEqual(outcome.image.diffIds);
    const want = expected(one, recorded);
    const lines =
      want === undefined ? differencesFromCase(one, result) : differences(want, result, { history: false });
    if (lines.length > 0) expect.fail(lines.join('\n'));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
