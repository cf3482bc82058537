/** What a selection says has changed since another commit is all that has, whatever the ignore file takes out of both. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GitContext } from '../../src/build/context/git-context.js';
import { plainSelector, type Selection, type SourceEntry } from '../../src/build/copy/copy-source.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { parseIgnore } from '../../src/dockerfile/ignore.js';
import { type GitFiles, GitTrees, type Mode, withoutClashes } from '../support/git-trees.js';

let trees: GitTrees;
beforeAll(async () => {
  trees = await GitTrees.open();
});
afterAll(() => trees?.close());

async function selected(files: GitFiles, ignore: string, path: string): Promise<Selection | undefined> {
  const context = await GitContext.open(trees.add(files, 'commit'), trees.source, DEFAULT_LIMITS);
  const source = await context.source(parseIgnore(ignore), '.dockerignore');
  return source.select(plainSelector(path)).then(
    ([selection]) => selection,
    () => undefined, // not there, or ignored
  );
}

const told = (entries: readonly SourceEntry[]): Map<string, string> =>
  new Map(
    entries.map(({ path, type, mode, contentId, linkname }) => [
      path,
      `${type} ${mode} ${contentId} ${linkname}`,
    ]),
  );

const name = fc.constantFrom('a', 'b', 'a.b', 'a-b', 'c');
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const file = fc.record({
  mode: fc.constantFrom<Mode>('100644', '100644', '100755', '120000'),
  text: fc.constantFrom('x', 'yy', 'a/b'),
});
const KEEP: [string, { mode: Mode; text: string }] = ['keep', { mode: '100644', text: '' }];
const files = fc
  .array(fc.tuple(path, file), { maxLength: 12 })
  .map((pairs): GitFiles => withoutClashes([KEEP, ...pairs]));
const pattern = fc.constantFrom('a', '!a', 'a/b', '!a/b', '**/c', '!**/c', '*', '!b/**', 'b/*/a');
const ignore = fc.array(pattern, { maxLength: 4 }).map((patterns) => patterns.join('\n'));

it('holds every path that differs, and nothing is missing when it is applied', async () => {
  let changes = 0;
  await fc.assert(
    fc.asyncProperty(files, files, ignore, fc.constantFrom('.', 'a', 'b'), async (one, other, rules, at) => {
      const before = await selected(one, rules, at);
      const after = await selected(other, rules, at);
      if (before?.tree === undefined || after?.changedSince === undefined) return;
      const change = await after.changedSince(before.tree);
      if (change === undefined) throw new Error('small trees can always be compared');
      const expected = told(await after.entries());
      const applied = told(await before.entries());
      for (const changed of change.paths)
        for (const known of [...applied.keys()])
          if (known === changed || known.startsWith(`${changed}/`)) {
            // Of a directory that is one in both, only what is named has changed.
            const isKept = known !== changed && expected.get(changed)?.startsWith('directory ') === true;
            if (!isKept || change.paths.includes(known)) applied.delete(known);
          }
      for (const [key, line] of told(change.entries)) applied.set(key, line);
      expect(new Map([...applied].sort())).toEqual(new Map([...expected].sort()));
      changes += change.paths.length;
    }),
    { numRuns: 60 },
  );
  expect(changes).toBeGreaterThan(50);
});

it('is not told across other ignore rules, of another directory, or of a commit that is gone', async () => {
  const few: GitFiles = new Map([
    ['a/f', { mode: '100644', text: 'x' }],
    ['b/f', { mode: '100644', text: 'x' }],
  ]);
  const before = await selected(few, '', 'a');
  const tree = before?.tree ?? '';
  expect(await (await selected(few, '', 'a'))?.changedSince?.(tree)).toMatchObject({ paths: [] });
  expect(await (await selected(few, 'c', 'a'))?.changedSince?.(tree)).toBeUndefined();
  expect(await (await selected(few, '', 'b'))?.changedSince?.(tree)).toBeUndefined();
  const gone = tree.replace(/^[0-9a-f]+/, '0'.repeat(40));
  expect(await (await selected(few, '', 'a'))?.changedSince?.(gone)).toBeUndefined();
});

it('is not told where files are not what their ids say', async () => {
  const files: GitFiles = new Map([
    ['a/f', { mode: '100644', text: 'x\n' }],
    ['.gitattributes', { mode: '100644', text: '* eol=crlf\n' }],
  ]);
  const selection = await selected(files, '', '.');
  expect(await selection?.changedSince?.(selection.tree ?? '')).toBeUndefined();
});

it('is not told where more differs than is worth it', async () => {
  const many = (word: string): GitFiles =>
    new Map(Array.from({ length: 2100 }, (_, at) => [`d/f${at}`, { mode: '100644', text: word }]));
  const before = await selected(many('x'), '', '.');
  const after = await selected(many('y'), '', '.');
  expect(await after?.changedSince?.(before?.tree ?? '')).toBeUndefined();
  const fresh = await selected(new Map(), '', '.');
  expect(await after?.changedSince?.(fresh?.tree ?? '')).toBeUndefined();
});
