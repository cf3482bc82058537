/** Random changes through a real overlay, as layers, laid out again by two readers: ours, and tar with rm. */
import {
  chmodSync,
  cpSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { applyLayer, writeUpperLayer } from '../../native/index.js';
import { mergedPicture, step } from './overlay-step.js';
import { picture, run, subdirectory, testDirectory } from './support.js';

const path = fc
  .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join('/'));
const change = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), path, text: fc.string({ maxLength: 20 }) }),
  fc.record({ kind: fc.constant('mkdir' as const), path }),
  fc.record({ kind: fc.constant('remove' as const), path }),
  fc.record({ kind: fc.constant('remake' as const), path }),
  fc.record({ kind: fc.constant('rename' as const), path, to: path }),
  fc.record({ kind: fc.constant('symlink' as const), path, to: path }),
  fc.record({ kind: fc.constant('link' as const), path, to: path }),
  fc.record({ kind: fc.constant('chmod' as const), path, mode: fc.constantFrom(0o700, 0o755, 0o4711) }),
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** What a change cannot do (no such file, a merged directory to rename) it leaves. */
function make(root: string, { path: at, ...change }: Change): void {
  const here = join(root, at);
  try {
    if (change.kind === 'write') writeFileSync(here, change.text);
    else if (change.kind === 'mkdir') mkdirSync(here);
    else if (change.kind === 'rename') renameSync(here, join(root, change.to));
    else if (change.kind === 'symlink') symlinkSync(change.to, here);
    else if (change.kind === 'link') linkSync(here, join(root, change.to));
    else if (change.kind === 'remove' || change.kind === 'remake') rmSync(here, { recursive: true });
    else if (!lstatSync(here).isSymbolicLink()) chmodSync(here, change.mode);
    if (change.kind === 'remake') mkdirSync(here);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
  }
}

/** OCI image spec, layer.md "Applying Changesets", on a plain directory with nothing of ours. */
function applyPlainly(blob: string, onto: string): void {
  const listed = run(['tar', '-tvzf', blob]).split('\n').slice(0, -1);
  for (const line of listed) {
    const name = line.replace(/^\S+ +\S+ +\S+ +\S+ +\S+ /, '').replace(/ (->|link to) .*$/, '');
    // Without the slash of a directory: with it, lstat would follow a symlink of that name.
    const removed = name.replace(/(^|\/)\.wh\.([^/]+)$/, '$1$2').replace(/\/$/, '');
    const isDirectory = line.startsWith('d');
    const there = (() => {
      try {
        return lstatSync(join(onto, removed));
      } catch {
        return undefined;
      }
    })();
    if (/(^|\/)\.wh\.[^/]+$/.test(name) || (there && there.isDirectory() !== isDirectory))
      rmSync(join(onto, removed), { recursive: true, force: true });
  }
  run(['tar', '-xpzf', blob, '-C', onto, '--numeric-owner', '--exclude=.wh.*']);
}

/** A tree in which every path of `path` is something, so that most changes can be made. */
function populate(root: string): void {
  for (const one of ['a', 'b', 'c']) {
    for (const two of ['a', 'b']) {
      mkdirSync(join(root, one, two), { recursive: true });
      for (const three of ['a', 'b', 'c']) writeFileSync(join(root, one, two, three), one + two + three);
    }
    writeFileSync(join(root, one, 'c'), one);
  }
}

/** A reader that follows `c` when it should replace it removes `a/a`. */
const LINK_THAT_BECOMES_A_DIRECTORY: Change[][] = [
  [{ kind: 'remove', path: 'c' }],
  [{ kind: 'symlink', path: 'c', to: 'a' }],
  [
    { kind: 'remake', path: 'c' },
    { kind: 'link', path: 'a/c', to: 'c/a' },
  ],
];

it('gives back what any series of steps left, read by us and by tar', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(change, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 }),
      async (steps) => {
        const directory = mkdtempSync(join(testDirectory(), 'case-'));
        const plain = subdirectory(directory, 'plain');
        let lowers: string[] = [];
        let adopted: string[] = [];
        for (const [index, changes] of steps.entries()) {
          const { upper, after } = await step(directory, adopted, (root) => {
            if (index === 0) populate(root);
            for (const one of changes) make(root, one);
          });
          const path = join(directory, `layer-${index}`);
          const layer = await writeUpperLayer({ upper, lowers: adopted, path, compression: 'gzip' });
          const target = subdirectory(directory, `layout-${index}`);
          await applyLayer({ blob: path, ...layer, target, lowers });
          lowers = [target, ...lowers];
          adopted = [upper, ...adopted];
          applyPlainly(path, plain);
          expect(await mergedPicture(directory, lowers)).toEqual(after);
          expect(await picture(plain)).toEqual(after);
        }
      },
    ),
    { numRuns: 40, examples: [[LINK_THAT_BECOMES_A_DIRECTORY]] },
  );
}, 120_000);

it('copies nothing of what a plain tree shares with the layers below', async () => {
  const directory = testDirectory();
  const below = subdirectory(directory, 'below');
  mkdirSync(join(below, 'd'));
  writeFileSync(join(below, 'd/f'), 'x');
  const upper = join(directory, 'upper');
  cpSync(below, upper, { recursive: true, preserveTimestamps: true });
  run(['cp', '-a', '--attributes-only', join(below, 'd/f'), join(upper, 'd/f')]);
  const layer = await writeUpperLayer({
    upper,
    lowers: [below],
    path: join(directory, 'layer'),
    compression: 'none',
  });
  expect(layer.entries).toBe(0);
});
