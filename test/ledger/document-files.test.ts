import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALL_FAST, NONE_FAST } from '../../src/fast-paths.js';
import { type DocumentChange, DocumentRef, LEDGER_REF } from '../../src/ledger/documents.js';
import { HeldClock } from '../support/clock.js';
import { temporaryDirectory } from '../support/directories.js';
import { git } from '../support/repository.js';

const clock = new HeldClock();

async function repository(): Promise<string> {
  const gitDir = join(await temporaryDirectory(), 'r.git');
  await git.run(['init', '--quiet', '--bare', '--object-format=sha1', gitDir]);
  return gitDir;
}

const path = fc.constantFrom('live', 'app.json', 'a.json', 'a/1', 'a/2', 'a/b/3', 'a-b', 'a0', 'ä', 'z z');
const change: fc.Arbitrary<DocumentChange> = fc.record({
  files: fc.dictionary(
    path,
    fc.option(fc.string({ unit: 'grapheme', maxLength: 40 }), { freq: 4, nil: null }),
    {
      minKeys: 1,
    },
  ),
  message: fc.string({ unit: 'grapheme' }),
  who: fc.string({ unit: 'grapheme' }),
});
/** Neither a directory in place of a file, nor the reverse, nor nothing at all: no ledger has these. */
const isUsable = (changes: readonly DocumentChange[]): boolean =>
  changes.every(({ files }) => !Object.keys(files).includes('a'));

describe('documents as files', () => {
  it('are the same commits as those of git, whatever is written and read in which way', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc
          .array(fc.record({ change, fast: fc.boolean(), pack: fc.boolean() }), {
            minLength: 1,
            maxLength: 6,
          })
          .filter((steps) => isUsable(steps.map((step) => step.change))),
        async (steps) => {
          const [short, long] = await Promise.all([repository(), repository()]);
          for (const { change, fast, pack } of steps) {
            const files = { ...change.files, kept: 'always there' };
            const decide = (): DocumentChange => ({ ...change, files });
            const short_ = new DocumentRef(git, short, clock, fast ? ALL_FAST : NONE_FAST);
            const made = await short_.change(decide);
            const expected = await new DocumentRef(git, long, clock, NONE_FAST).change(decide);
            expect(made?.head).toBe(expected?.head);
            if (pack) await git.run(['gc', '--quiet', '--prune=now'], { gitDir: short });
            const read = [ALL_FAST, NONE_FAST].map((how) => new DocumentRef(git, short, clock, how).read());
            for (const found of await Promise.all(read)) {
              expect(found?.head).toBe(expected?.head);
              expect([...(found?.files ?? [])].sort()).toEqual([...(expected?.files ?? [])].sort());
            }
          }
          await git.run(['fsck', '--strict', '--no-dangling'], { gitDir: short });
        },
      ),
      { numRuns: 15 },
    );
  }, 120_000);

  it('that are not UTF-8 stay as they are', async () => {
    const gitDir = await repository();
    const stream = [
      `commit ${LEDGER_REF}\ncommitter a <a> 1 +0000\ndata 1\nx\n`,
      'M 100644 inline live\ndata 2\n1\n\nM 100644 inline odd\ndata 2\n\xff\n\n',
    ];
    await git.run(['fast-import', '--quiet'], { gitDir, input: Buffer.from(stream.join(''), 'latin1') });
    await new DocumentRef(git, gitDir, clock).change(() => ({
      files: { live: '2\n' },
      message: 'm',
      who: 'w',
    }));
    expect(await git.run(['cat-file', 'blob', `${LEDGER_REF}:odd`], { gitDir })).toEqual(
      Buffer.from('\xff\n', 'latin1'),
    );
  });

  it('keep what somebody put beside them', async () => {
    const gitDir = await repository();
    const stream = [
      `commit ${LEDGER_REF}\ncommitter a <a> 1 +0000\ndata 1\nx\n`,
      'M 100644 inline app.json\ndata 2\n{}\nM 100755 inline tool\ndata 2\n#!\n',
    ];
    await git.run(['fast-import', '--quiet'], { gitDir, input: stream.join('') });
    const ref = new DocumentRef(git, gitDir, clock);
    await ref.change(() => ({ files: { live: '1\n' }, message: 'm', who: 'w' }));
    const listing = await git.text(['ls-tree', '-r', '--name-only', LEDGER_REF], { gitDir });
    expect(listing.split('\n')).toEqual(['app.json', 'live', 'tool']);
  });
});
