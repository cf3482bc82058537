/** What is found by reading only the trees that differ is what git itself finds: the listing, and the first difference. */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listContext } from '../../src/build/context/context-listing.js';
import { firstDifference } from '../../src/build/context/first-difference.js';
import type { ContextSource } from '../../src/build/context/git-tree.js';
import { TreeListings } from '../../src/build/context/tree-listings.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import type { ObjectReader } from '../../src/git/objects.js';
import { type GitFiles, GitTrees, type Mode, withoutClashes } from '../support/git-trees.js';

let trees: GitTrees;
let gitDir: string;
let objects: ObjectReader;
let source: ContextSource;

beforeAll(async () => {
  trees = await GitTrees.open();
  ({ gitDir, objects, source } = trees);
});
afterAll(() => trees?.close());

const treeOf = (files: GitFiles): string => trees.add(files, 'tree');

const name = fc.constantFrom('a', 'b', 'a.b', 'a-b', 'c', 'Ä');
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const file = fc.record({
  mode: fc.constantFrom<Mode>('100644', '100644', '100755', '120000', '160000'),
  text: fc.string({ minLength: 1, maxLength: 5 }).map((text) => text.replaceAll('\0', '0')),
});
const files = fc.array(fc.tuple(path, file), { maxLength: 12 }).map(withoutClashes);

/** Counts the processes of `git ls-tree`. */
function counting(): { source: ContextSource; lists: () => number } {
  let lists = 0;
  const { git } = source;
  const counted = Object.create(git) as typeof git;
  counted.spawn = (args, call) => {
    if (args[0] === 'ls-tree') lists++;
    return git.spawn(args, call);
  };
  return { source: { git: counted, gitDir, objects }, lists: () => lists };
}

describe('a listing that is made of an earlier one', () => {
  it('is the listing from scratch', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(files, { minLength: 2, maxLength: 5 }), async (commits) => {
        const listings = new TreeListings();
        const counted = counting();
        for (const commit of commits) {
          const tree = treeOf(commit);
          const listed = await listings.list(tree, counted.source, DEFAULT_LIMITS);
          expect(listed).toEqual(await listContext(tree, source, DEFAULT_LIMITS));
        }
        expect(counted.lists()).toBe(1);
      }),
      { numRuns: 30 },
    );
  });

  const many = (count: number, text = 'x'): [string, { mode: Mode; text: string }][] =>
    Array.from({ length: count }, (_, at) => [`d${at % 9}/f${at}`, { mode: '100644', text }]);

  it('keeps to the limits: what became too much is refused as from scratch', async () => {
    const listings = new TreeListings();
    const limits = { ...DEFAULT_LIMITS, contextFiles: 20, contextFileBytes: 100, contextDepth: 3 };
    await listings.list(treeOf(new Map(many(20))), source, limits);
    const tooMany = treeOf(new Map(many(21)));
    await expect(listings.list(tooMany, source, limits)).rejects.toMatchObject({ code: 'context_too_large' });
    const wrong: [string, { mode: Mode; text: string }, string][] = [
      ['d0/big', { mode: '100644', text: 'x'.repeat(101) }, 'context_too_large'],
      ['d0/a/b/deep', { mode: '100644', text: '' }, 'context_too_large'],
      ['d0/.wh.f', { mode: '100644', text: '' }, 'context_invalid'],
      ['d0/link', { mode: '120000', text: 'x'.repeat(5000) }, 'context_too_large'],
    ];
    for (const [at, content, code] of wrong) {
      const tree = treeOf(new Map([...many(5), [at, content]]));
      await expect(listings.list(tree, source, limits)).rejects.toMatchObject({ code });
    }
  });

  it('is made from scratch under other limits, and once it is no longer kept', async () => {
    const counted = counting();
    const listings = new TreeListings({ keptEntries: 40 });
    const first = treeOf(new Map(many(10)));
    await listings.list(first, counted.source, DEFAULT_LIMITS);
    await listings.list(first, counted.source, DEFAULT_LIMITS);
    expect(counted.lists()).toBe(1);
    await listings.list(first, counted.source, { ...DEFAULT_LIMITS, contextFiles: 19 });
    expect(counted.lists()).toBe(2);
    await listings.list(treeOf(new Map(many(100))), counted.source, DEFAULT_LIMITS);
    await listings.list(first, counted.source, DEFAULT_LIMITS);
    expect(counted.lists()).toBe(4);
  });

  it('is made from scratch where asking for each file would take longer', async () => {
    const counted = counting();
    const listings = new TreeListings();
    await listings.list(treeOf(new Map(many(3000))), counted.source, DEFAULT_LIMITS);
    await listings.list(treeOf(new Map(many(3000, 'y'))), counted.source, DEFAULT_LIMITS);
    expect(counted.lists()).toBe(2);
  });
});

describe('the first file that differs', () => {
  const byGit = (before: string, after: string, path: string): string | undefined => {
    const below = path === '' ? [] : ['--', `:(literal)${path}`];
    const args = ['diff-tree', '-r', '-z', '--name-only', before, after, ...below];
    const output = execFileSync('git', [`--git-dir=${gitDir}`, ...args], { encoding: 'utf8' });
    return output.split('\0')[0] || undefined;
  };

  it('is the one that git names first', async () => {
    await fc.assert(
      fc.asyncProperty(files, files, fc.oneof(fc.constant(''), path), async (one, other, below) => {
        const [before, after] = [treeOf(one), treeOf(other)];
        expect(await firstDifference(objects, before, after, below)).toBe(byGit(before, after, below));
      }),
      { numRuns: 60 },
    );
  });
});
