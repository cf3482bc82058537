/**
 * Every kind of input by itself: built, changed, and built again with the cache, which must give what a builder with an
 * empty disk makes of it, to the byte; and built once more, which must execute nothing. The RUNs here depend on nothing
 * but what they see.
 */
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildRequest } from '../../src/build/build-request.js';
import { openBuilderStore } from '../../src/build/builder-store.js';
import { plainRunSettings } from '../../src/build/run-settings.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { type Built, type Files, TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

type Options = Partial<Pick<BuildRequest, 'buildArgs' | 'target' | 'run'>>;

interface Input {
  readonly lines: readonly string[];
  readonly files?: Files;
  readonly options?: Options;
}

/** What is the same in all: an ignored Dockerfile, so that a change of its text is no change of the context. */
const FILES: Files = {
  a: '1',
  b: '1',
  'd/x': '1',
  'd/y': '1',
  'd/e/z': '1',
  link: { link: 'a' },
  tool: { text: '#!', mode: 0o755 },
};
const GONE = Object.fromEntries([...Object.keys(FILES), 'new', '.dockerignore'].map((path) => [path, null]));

async function commitOf({ lines, files = {} }: Input): Promise<string> {
  const ignored = { '.dockerignore': 'Dockerfile\n' };
  return builder.commit({ ...GONE, ...FILES, ...ignored, ...files, Dockerfile: `${lines.join('\n')}\n` });
}

/** Shows a RUN's whole world in its layer, with nothing of the hour. */
const SHOW =
  "RUN (find /in /w -type f 2>/dev/null | sort | xargs cat; ls -lnR /in 2>/dev/null | awk '{print $1,$3,$4,$9,$10,$11}'; env | sort; id; pwd) > /seen 2>/dev/null; touch -d @0 /seen";
const BASE = ['FROM busybox'];
const COPIED = { lines: [...BASE, 'COPY . /in', SHOW] };
const twoStages = (first: readonly string[], ...last: readonly string[]): string[] => [
  'FROM busybox AS first',
  ...first,
  'FROM busybox',
  ...last,
];
const secret = (value: string): Options => ({
  run: { ...plainRunSettings('test'), secret: async () => Buffer.from(value) },
});

/** `sees` false: the change must not make a step run. */
const CASES: readonly [what: string, was: Input, is: Input, sees?: false][] = [
  ["a file's content", COPIED, { ...COPIED, files: { a: '2' } }],
  ["a file's mode", COPIED, { ...COPIED, files: { a: { text: '1', mode: 0o755 } } }],
  ["a symlink's target", COPIED, { ...COPIED, files: { link: { link: 'b' } } }],
  ['a file that becomes a symlink', COPIED, { ...COPIED, files: { b: { link: 'a' } } }],
  ['a file more', COPIED, { ...COPIED, files: { new: '1' } }],
  ['a file less', COPIED, { ...COPIED, files: { 'd/e/z': null } }],
  ["a file's name", COPIED, { ...COPIED, files: { b: null, new: '1' } }],
  ['the ignore file', COPIED, { ...COPIED, files: { '.dockerignore': 'Dockerfile\nd/e\n' } }],
  [
    'a file that is not copied',
    { lines: [...BASE, 'COPY d /in', SHOW] },
    { lines: [...BASE, 'COPY d /in', SHOW], files: { a: '2' } },
    false,
  ],
  [
    'a file that a wildcard selects',
    { lines: [...BASE, 'COPY d/* /in/', SHOW] },
    { lines: [...BASE, 'COPY d/* /in/', SHOW], files: { 'd/new': '1' } },
  ],
  [
    'the value of an ARG',
    { lines: [...BASE, 'ARG V', SHOW], options: { buildArgs: { V: '1' } } },
    { lines: [...BASE, 'ARG V', SHOW], options: { buildArgs: { V: '2' } } },
  ],
  [
    'an ARG that is not declared',
    { lines: [...BASE, SHOW], options: { buildArgs: {} } },
    { lines: [...BASE, SHOW], options: { buildArgs: { V: '2' } } },
    false,
  ],
  ['an ENV', { lines: [...BASE, 'ENV V=1', SHOW] }, { lines: [...BASE, 'ENV V=2', SHOW] }],
  [
    'the order of ENVs',
    { lines: [...BASE, 'ENV A=1', 'ENV B=1', SHOW] },
    { lines: [...BASE, 'ENV B=1', 'ENV A=1', SHOW] },
    false,
  ],
  [
    'a LABEL, which is only config',
    { lines: [...BASE, 'LABEL v=1', SHOW] },
    { lines: [...BASE, 'LABEL v=2', SHOW] },
    false,
  ],
  ['the base', { lines: [...BASE, 'COPY a /a'] }, { lines: ['FROM scratch', 'COPY a /a'] }],
  [
    'the stage that is the base',
    { lines: ['FROM busybox AS first', 'COPY a /in/a', 'FROM first', SHOW] },
    { lines: ['FROM busybox AS first', 'COPY b /in/b', 'FROM first', SHOW] },
  ],
  [
    'a heredoc of RUN',
    { lines: [...BASE, 'RUN <<E', 'echo 1 > /x; touch -d @0 /x', 'E'] },
    { lines: [...BASE, 'RUN <<E', 'echo 2 > /x; touch -d @0 /x', 'E'] },
  ],
  [
    'a heredoc of COPY',
    { lines: [...BASE, 'COPY <<E /in/f', '1', 'E', SHOW] },
    { lines: [...BASE, 'COPY <<E /in/f', '2', 'E', SHOW] },
  ],
  ['the destination', { lines: [...BASE, 'COPY d /in', SHOW] }, { lines: [...BASE, 'COPY d /in/d', SHOW] }],
  ['--chown', { lines: [...BASE, 'COPY d /in', SHOW] }, { lines: [...BASE, 'COPY --chown=app d /in', SHOW] }],
  ['--chmod', { lines: [...BASE, 'COPY d /in', SHOW] }, { lines: [...BASE, 'COPY --chmod=700 d /in', SHOW] }],
  [
    '--link',
    { lines: [...BASE, 'RUN ln -s /in /l && touch -hd @0 /l', 'COPY a /l/', SHOW] },
    { lines: [...BASE, 'RUN ln -s /in /l && touch -hd @0 /l', 'COPY --link a /l/', SHOW] },
  ],
  [
    '--parents',
    { lines: [...BASE, 'COPY d/e/z /in/', SHOW] },
    { lines: [...BASE, 'COPY --parents d/e/z /in/', SHOW] },
  ],
  [
    'the path that --parents keeps, of the same content',
    { lines: [...BASE, 'COPY --parents d/x /in/'] },
    { lines: [...BASE, 'COPY --parents d/y /in/'] },
  ],
  [
    'how much of the path --parents keeps',
    { lines: [...BASE, 'COPY --parents d/e/z /in/'] },
    { lines: [...BASE, 'COPY --parents d/./e/z /in/'] },
  ],
  [
    'what --exclude leaves out, of the same content',
    { lines: [...BASE, 'COPY --exclude=x d /in/'] },
    { lines: [...BASE, 'COPY --exclude=y d /in/'] },
  ],
  [
    'what is copied from a stage, of the same content',
    { lines: twoStages(['COPY d /d'], 'COPY --from=first --parents /d/x /in/') },
    { lines: twoStages(['COPY d /d'], 'COPY --from=first --parents /d/y /in/') },
  ],
  [
    'what is left out of a stage, of the same content',
    { lines: twoStages(['COPY d /d'], 'COPY --from=first --exclude=x /d /in/') },
    { lines: twoStages(['COPY d /d'], 'COPY --from=first --exclude=y /d /in/') },
  ],
  [
    '--exclude',
    { lines: [...BASE, 'COPY d /in', SHOW] },
    { lines: [...BASE, 'COPY --exclude=x d /in', SHOW] },
  ],
  ['ADD instead of COPY', { lines: [...BASE, 'COPY d /in'] }, { lines: [...BASE, 'ADD d /in'] }],
  ['WORKDIR', { lines: [...BASE, 'WORKDIR /w', SHOW] }, { lines: [...BASE, 'WORKDIR /w/v', SHOW] }],
  [
    'USER',
    { lines: [...BASE, 'RUN chmod 777 /', SHOW] },
    { lines: [...BASE, 'RUN chmod 777 /', 'USER app', SHOW] },
  ],
  [
    'the USER that owns a WORKDIR',
    { lines: [...BASE, 'USER 7', 'WORKDIR /w/v'] },
    { lines: [...BASE, 'USER 8', 'WORKDIR /w/v'] },
  ],
  [
    'SHELL',
    { lines: [...BASE, 'RUN echo $- > /x; touch -d @0 /x'] },
    { lines: [...BASE, 'SHELL ["/bin/sh", "-ec"]', 'RUN echo $- > /x; touch -d @0 /x'] },
  ],
  [
    'the network',
    { lines: [...BASE, 'RUN ls /sys/class/net > /x; touch -d @0 /x'] },
    { lines: [...BASE, 'RUN --network=none ls /sys/class/net > /x; touch -d @0 /x'] },
  ],
  [
    'the target',
    { lines: twoStages(['COPY a /in/a'], SHOW), options: { target: 'first' } },
    { lines: twoStages(['COPY a /in/a'], SHOW) },
  ],
  [
    'what COPY --from copies',
    { lines: twoStages(['COPY a /in/a', SHOW], 'COPY --from=first /in /in', SHOW) },
    { lines: twoStages(['COPY a /in/a', SHOW], 'COPY --from=first /in /in', SHOW), files: { a: '2' } },
  ],
  [
    'the mode of what COPY --from copies',
    { lines: twoStages(['COPY a /in/a'], 'COPY --from=first /in /in', SHOW) },
    { lines: twoStages(['COPY --chmod=700 a /in/a'], 'COPY --from=first /in /in', SHOW) },
  ],
  [
    'what a bind mount shows of the context',
    { lines: [...BASE, `RUN --mount=target=/in ${SHOW.slice(4)}`] },
    { lines: [...BASE, `RUN --mount=target=/in ${SHOW.slice(4)}`], files: { a: '2' } },
  ],
  [
    'what a bind mount shows of a stage',
    { lines: twoStages(['COPY a /in/a'], `RUN --mount=from=first,source=/in,target=/in ${SHOW.slice(4)}`) },
    {
      lines: twoStages(['COPY a /in/a'], `RUN --mount=from=first,source=/in,target=/in ${SHOW.slice(4)}`),
      files: { a: '2' },
    },
  ],
  [
    'a secret that is asked to count',
    {
      lines: [
        ...BASE,
        'RUN --mount=type=secret,id=s,cachekey=hash wc -c < /run/secrets/s > /x; touch -d @0 /x',
      ],
      options: secret('1'),
    },
    {
      lines: [
        ...BASE,
        'RUN --mount=type=secret,id=s,cachekey=hash wc -c < /run/secrets/s > /x; touch -d @0 /x',
      ],
      options: secret('22'),
    },
  ],
  [
    'a secret',
    { lines: [...BASE, 'RUN --mount=type=secret,id=s test -s /run/secrets/s'], options: secret('1') },
    { lines: [...BASE, 'RUN --mount=type=secret,id=s test -s /run/secrets/s'], options: secret('22') },
    false,
  ],
];

async function clean(commit: string, options: Options): Promise<Built> {
  const directory = await temporaryDirectory();
  try {
    return await builder.build(commit, {
      ...options,
      store: await openBuilderStore(directory, DEFAULT_LIMITS),
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

describe('a change of', () => {
  it.each(CASES)('%s', async (_what, was, is, sees) => {
    const before = await builder.build(await commitOf(was), was.options);
    const commit = await commitOf(is);
    const cached = await builder.build(commit, is.options);
    const anew = await clean(commit, is.options ?? {});
    expect(cached.image.manifest.toString()).toBe(anew.image.manifest.toString());
    if (sees === false) expect(cached.steps.cached, cached.log).toBe(cached.steps.total);
    else expect(cached.image.digest).not.toBe(before.image.digest);
    const again = await builder.build(commit, is.options);
    expect(again.steps.cached, again.log).toBe(again.steps.total);
    expect(again.image.digest).toBe(cached.image.digest);
  });
});

describe('no-cache', () => {
  it('runs the steps of the stages that are named, and takes the others from the cache', async () => {
    const lines = twoStages(['COPY a /in/a', SHOW], 'COPY --from=first /in /in', SHOW);
    const commit = await commitOf({ lines });
    await builder.build(commit);
    expect((await builder.build(commit, { noCacheStages: ['FIRST'] })).steps).toEqual({
      cached: 2,
      total: 4,
    });
    expect((await builder.build(commit, { noCacheStages: ['1'] })).steps).toEqual({ cached: 2, total: 4 });
    expect((await builder.build(commit, { noCache: true })).steps.cached).toBe(0);
  });
});

describe('builds at once', () => {
  it('with the same steps in one store make the same image', async () => {
    const commit = await commitOf({
      lines: twoStages(['COPY . /in', SHOW], 'COPY --from=first /in /in', SHOW),
    });
    const other = await openBuilderStore(builder.store.directory, DEFAULT_LIMITS);
    const built = await Promise.all([
      builder.build(commit),
      builder.build(commit),
      builder.build(commit, { store: other }),
      builder.build(commit, { store: other, noCache: true }),
    ]);
    expect(new Set(built.map(({ image }) => image.digest)).size).toBe(1);
    expect((await builder.build(commit)).steps.cached).toBe(4);
    expect(await clean(commit, {}).then(({ image }) => image.digest)).toBe(built[0]?.image.digest);
  });
});
