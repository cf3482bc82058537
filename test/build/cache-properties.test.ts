/**
 * The promise of the cache: what it gives is what a build without it makes. Random small contexts and Dockerfiles are
 * built, changed and built again, with the cache and in an empty store.
 */
import { rm } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuilderStore, openBuilderStore } from '../../src/build/builder-store.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { SlipwayError } from '../../src/errors.js';
import { type Built, type Files, TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';
import { filesOf } from '../support/image-files.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

const PATHS = ['a', 'b', 'd/a', 'd/b', 'd/e/a', 'f/a'];

const content = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('1', '2', '3') },
  { weight: 1, arbitrary: fc.constant({ text: '#!', mode: 0o755 }) },
  { weight: 1, arbitrary: fc.constantFrom({ link: 'a' }, { link: '../a' }, { link: '/etc/passwd' }) },
);
const context = fc.dictionary(fc.constantFrom(...PATHS), content, { minKeys: 2 });
const ignore = fc.constantFrom('', 'd\n', '*\n!d/a\n', '**/a\n', 'd/*\n!d/e\n', 'b\nf\n');

const source = fc.constantFrom('.', 'd', 'a', 'd/a', '*', 'd/*', '[a-d]', 'f/../d');
const destination = fc.constantFrom('/', '.', '/x/', '/x', '/x/y/', 'd/', '/link/', '/tmp/');
const flags = fc.constantFrom('', '--chown=7:8 ', '--chown=app ', '--chmod=700 ', '--chmod=u=rwX,go= ');
const copy = fc.tuple(flags, source, destination).map(([flag, from, to]) => `COPY ${flag}${from} ${to}`);
const copyFrom = fc
  .tuple(flags, fc.constantFrom('/src', '/src/*', '/etc/group', '/src/d'), destination)
  .map(([flag, from, to]) => `COPY --from=first ${flag}${from} ${to}`);
const metadata = fc.constantFrom(
  'WORKDIR /w',
  'WORKDIR x',
  'ENV A=1',
  'ENV A=2',
  'ARG B=3',
  'USER app',
  'USER 0',
);
/** Their result depends on nothing but what they can see, so two executions make the same files. */
const run = fc.constantFrom(
  // Not into a pipe: /tmp/list would be there before the search is over, or not.
  'RUN list=$(find / -xdev -path /proc -prune -o -path /sys -prune -o -type f -print | sort); echo "$list" > /tmp/list',
  'RUN cat /x/a /x/d/a /w/a 2>/dev/null > /tmp/seen; true',
  'RUN env | sort > /tmp/env; id > /tmp/id',
  'RUN mkdir -p /tmp/x && mv /x/a /tmp/x 2>/dev/null; rm -rf /x; true',
  'RUN ln -s /tmp/x /link 2>/dev/null; true',
  'RUN chmod 700 /tmp/list 2>/dev/null; true',
);

const dockerfile = (first: readonly string[], last: readonly string[]): string =>
  ['FROM busybox AS first', 'COPY . /src', ...first, 'FROM busybox', ...last, ''].join('\n');
const withoutRuns = fc
  .tuple(
    fc.array(fc.oneof(copy, metadata), { maxLength: 2 }),
    fc.array(fc.oneof(copy, copyFrom, metadata), { minLength: 1, maxLength: 5 }),
  )
  .map(([first, last]) => dockerfile(first, last));
const withRuns = fc
  .tuple(
    fc.array(fc.oneof(copy, run), { maxLength: 2 }),
    fc.array(fc.oneof(copy, copyFrom, metadata, run), { minLength: 1, maxLength: 4 }),
  )
  .map(([first, last]) => dockerfile(first, last));

function commitOf(text: string, files: Files, ignored: string): Promise<string> {
  const gone = Object.fromEntries([...PATHS, 'd', 'f', '.dockerignore'].map((path) => [path, null]));
  const ignoreFile = ignored === '' ? {} : { '.dockerignore': ignored };
  return builder.commit({ ...gone, ...files, ...ignoreFile, Dockerfile: text });
}

/** Of two stages that fail at the same time chance says which is told: see stages.test.ts for stages side by side. */
const IN_TURN = { tools: { stepsAtOnce: 1 } } as const;

/** The image, or the code of the error: a cache must not change either. */
async function attempt(build: () => Promise<Built>): Promise<Built | string> {
  try {
    return await build();
  } catch (error) {
    if (!(error instanceof SlipwayError) || error.code === 'internal') throw error;
    return `${error.code} ${error.where}`;
  }
}

async function inEmptyStore<T>(
  commit: string,
  look: (built: Built | string, store: BuilderStore) => Promise<T> | T,
): Promise<T> {
  const directory = await temporaryDirectory();
  try {
    const store = await openBuilderStore(directory, DEFAULT_LIMITS);
    return await look(await attempt(() => builder.build(commit, { store, ...IN_TURN })), store);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** All that a container would see but times: those of what a RUN made are of the hour. */
async function flattened(built: Built | string, store: BuilderStore): Promise<string> {
  if (typeof built === 'string') return built;
  // What nothing in the build needed is not in the store.
  for (const layer of built.image.layers) await built.bases.blob(layer);
  const files = await filesOf(built.image, store);
  return [...files.values()]
    .filter(({ path }) => !path.startsWith('bin/'))
    .map(({ path, type, mode, uid, gid, linkname, text }) =>
      JSON.stringify({ path, type, mode, uid, gid, linkname, text }),
    )
    .join('\n');
}

describe('a build with the cache', () => {
  it('makes the same image as one in an empty store, to the byte when there is no RUN', async () => {
    await fc.assert(
      fc.asyncProperty(
        withoutRuns,
        withoutRuns,
        context,
        context,
        ignore,
        async (one, two, was, is, ignored) => {
          await attempt(async () => builder.build(await commitOf(one, was, ignored), IN_TURN));
          await attempt(async () => builder.build(await commitOf(two, was, ''), IN_TURN));
          for (const [text, files] of [
            [two, is],
            [one, is],
          ] as const) {
            const commit = await commitOf(text, files, ignored);
            const cached = await attempt(() => builder.build(commit, IN_TURN));
            const clean = await inEmptyStore(commit, (built) => built);
            if (typeof cached === 'string' || typeof clean === 'string') expect(cached).toEqual(clean);
            else expect(cached.image.manifest.toString()).toBe(clean.image.manifest.toString());
          }
        },
      ),
      { numRuns: 12 },
    );
  }, 120_000);

  it('makes the same files as one in an empty store, whatever RUN does, and executes nothing a second time', async () => {
    await fc.assert(
      fc.asyncProperty(
        withRuns,
        context,
        context,
        ignore,
        fc.boolean(),
        async (text, was, is, ignored, forget) => {
          await attempt(async () => builder.build(await commitOf(text, was, ignored), IN_TURN));
          // What a RUN left on the disk and what is laid out of its layer must look the same to the next step.
          const { layers } = builder.store;
          if (forget) for (const { chainId } of await layers.list()) await layers.remove(chainId);
          const commit = await commitOf(text, is, ignored);
          const cached = await attempt(() => builder.build(commit, IN_TURN));
          expect(await flattened(cached, builder.store)).toBe(await inEmptyStore(commit, flattened));
          if (typeof cached === 'string') return;
          const again = await builder.build(commit, IN_TURN);
          expect(again.steps.cached).toBe(again.steps.total);
          expect(again.image.digest).toBe(cached.image.digest);
        },
      ),
      { numRuns: 10 },
    );
  }, 120_000);
});
