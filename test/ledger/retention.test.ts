import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import { AppRepositories } from '../../src/git/app-repository.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { formatNumbers, parseNumbers } from '../../src/ledger/number-ranges.js';
import { Vault } from '../../src/ledger/vault.js';
import { temporaryDirectory } from '../support/directories.js';
import { releaseDraft } from '../support/release-draft.js';
import { commitFile, git } from '../support/repository.js';

const at = '2026-01-01T00:00:00.000Z';
let ledger: Ledger;
let gitDir: string;
let source: string;

beforeEach(async () => {
  const paths = homePaths(await temporaryDirectory());
  const repositories = new AppRepositories(paths, git);
  ledger = new Ledger(paths, git, await Vault.open(paths.secretKey), {
    createRepository: (app, branch) => repositories.ensure(app, branch),
  });
  await ledger.createApp('hello', { deployBranch: 'main' }, 'alice');
  gitDir = repositories.path('hello');
  source = await commitFile(gitDir, 'Dockerfile', 'FROM scratch\n');
});

/** Releases that went live one after the other. */
async function live(count: number): Promise<void> {
  for (let number = 1; number <= count; number += 1) {
    const made = await ledger.appendRelease(
      'hello',
      releaseDraft('hello', { source, deploymentId: `d${number}` }),
      'a',
    );
    await ledger.recordOutcome('hello', made.number, { state: 'live', at });
  }
}

const gone = async (): Promise<number[]> =>
  (await ledger.read('hello')).releases.filter((release) => release.gone).map(({ number }) => number);
const rollback = (to: number): Promise<unknown> =>
  ledger.appendRelease(
    'hello',
    releaseDraft('hello', { source, deploymentId: `back-to-${to}` }, { kind: 'rollback', rollbackOf: to }),
    'alice',
  );

describe('the ledger', () => {
  it('lets the oldest releases go, once, in words that can be read', async () => {
    await live(6);
    await ledger.pin('hello', 2, 'alice');
    await ledger.setKeep('hello', 2, 'bob');
    await ledger.letGo('hello', 10);
    const after = await ledger.letGo('hello', 10);
    expect(after.keep).toBe(2);
    expect(await gone()).toEqual([1, 3, 4]);
    const subjects = await git.text(['log', '-3', '--format=%an: %s', 'refs/slipway/ledger'], { gitDir });
    expect(subjects.split('\n')).toEqual([
      'slipway: retention: let v1, v3 to v4 go',
      'bob: retention: keep 2 good releases by bob',
      'alice: v2: pinned by alice',
    ]);
    await ledger.unpin('hello', 2, 'alice');
    await ledger.letGo('hello', 10);
    expect(await gone()).toEqual([1, 2, 3, 4]);
    await ledger.setKeep('hello', undefined, 'bob');
    expect((await ledger.read('hello')).keep).toBeUndefined();
  });

  it('begins no rollback to what was let go, and pins it no more', async () => {
    await live(3);
    await ledger.letGo('hello', 1);
    const refused = { code: 'release_unusable', hint: expect.stringContaining('slipway retention -a hello') };
    await expect(rollback(1)).rejects.toMatchObject(refused);
    await expect(ledger.pin('hello', 1, 'alice')).rejects.toMatchObject(refused);
    await expect(ledger.pin('hello', 9, 'alice')).rejects.toMatchObject({ code: 'not_found' });
    expect((await ledger.read('hello')).releases).toHaveLength(3);
  });

  it('of a rollback and the release that it goes back to being let go, one is too late', async () => {
    await live(8);
    const results = await Promise.allSettled([
      ...[1, 2, 3, 4].map(rollback),
      ledger.letGo('hello', 2),
      ...[5, 6].map(rollback),
    ]);
    const { releases } = await ledger.read('hello');
    const refused = results.filter(({ status }) => status === 'rejected').length;
    const made = releases.filter(({ rollbackOf }) => rollbackOf !== undefined);
    expect(made.length + refused).toBe(6);
    // What was begun is kept: it needs its image whether the release that it came from is gone or not.
    for (const release of made) expect(release.gone).toBeUndefined();
  });
});

describe('numbers as ranges', () => {
  it('come back as they were', () => {
    expect(formatNumbers([5, 1, 2, 3, 3])).toBe('1-3\n5\n');
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 })), (numbers) => {
        expect(parseNumbers(formatNumbers(numbers))).toEqual(new Set(numbers));
      }),
    );
  });

  it('a line that is none names nothing', () => {
    expect([...parseNumbers('1\nx\n-3\n4-\n7-6\n0x9\n999999999-1\n1-999999999\n8')]).toEqual([1, 8]);
  });
});
