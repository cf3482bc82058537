/** The same source built twice from nothing gives the same digests, wherever and in whatever order its files were made. */
import { mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildRequest } from '../../src/build/build-request.js';
import { openBuilderStore } from '../../src/build/builder-store.js';
import type { BuildContext } from '../../src/build/context/context.js';
import { openDirectoryContext } from '../../src/build/context/directory-context.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { type Built, TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';
import { filesOf } from '../support/image-files.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

/** In a store of its own, which `look` may use. */
async function clean<T>(
  from: string | BuildContext,
  options: Partial<Pick<BuildRequest, 'buildArgs'>>,
  look: (built: Built, store: Awaited<ReturnType<typeof openBuilderStore>>) => T | Promise<T>,
): Promise<T> {
  const directory = await temporaryDirectory();
  try {
    const store = await openBuilderStore(directory, DEFAULT_LIMITS);
    return await look(await builder.build(from, { ...options, store }), store);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const layersOf = ({ image }: Built): string[] => image.layers.map(({ digest }) => digest);
const image = ({ image: { digest } }: Built): string => digest;
const anySecond = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1100));

describe('a commit built twice from nothing', () => {
  const files = { a: '1', 'd/x': { text: '#!', mode: 0o755 }, 'd/l': { link: 'x' } };

  it('gives the same layers but those of a RUN, and with a RUN that sets its times the same image', async () => {
    const lines = [
      'FROM busybox AS first',
      'WORKDIR /w/deep',
      'COPY . .',
      'COPY <<E --chmod=700 /h\nx\nE'.replace('<<E --chmod=700', '--chmod=700 <<E'),
      'FROM busybox',
      'COPY --from=first --chown=app /w /w',
      'ADD --chmod=644 d /added/',
      'RUN echo x > /made',
      'COPY a /last',
    ];
    const commit = await builder.commit({ ...files, Dockerfile: `${lines.join('\n')}\n` });
    const one = await clean(commit, {}, layersOf);
    await anySecond();
    const two = await clean(commit, {}, layersOf);
    // The base, COPY --from, ADD, RUN, COPY.
    expect(one).toHaveLength(5);
    expect([0, 1, 2, 3, 4].filter((index) => one[index] !== two[index])).toEqual([3]);

    const timed = lines.join('\n').replace('> /made', '> /made; touch -d @1 /made');
    const again = await builder.commit({ Dockerfile: `${timed}\n` });
    const [three, four] = [
      await clean(again, {}, image),
      await anySecond().then(() => clean(again, {}, image)),
    ];
    expect(three).toBe(four);
  });

  it('gives the same image with SOURCE_DATE_EPOCH: no time of a RUN is later, also not where it is copied', async () => {
    const commit = await builder.commit({
      ...files,
      Dockerfile:
        'FROM busybox AS first\nRUN mkdir /d; echo x > /d/f; ln -s f /d/l; touch -d @5 /d/old\n' +
        'FROM busybox\nCOPY --from=first /d /copied\nRUN touch /made; sleep 1.1; touch /later\n',
    });
    const options = { buildArgs: { SOURCE_DATE_EPOCH: '1600000000' } };
    const times = async (built: Built, store: Awaited<ReturnType<typeof openBuilderStore>>) => {
      const found = await filesOf(built.image, store);
      const own = ['copied/f', 'copied/l', 'copied/old', 'made', 'later'];
      return { digest: image(built), times: own.map((path) => found.get(path)?.mtime) };
    };
    const one = await clean(commit, options, times);
    expect(one.times).toEqual([1_600_000_000, 1_600_000_000, 5, 1_600_000_000, 1_600_000_000]);
    await anySecond();
    expect(await clean(commit, options, times)).toEqual(one);
    const cached = async (epoch: string) =>
      (await builder.build(commit, { buildArgs: { SOURCE_DATE_EPOCH: epoch } })).steps.cached;
    expect([await cached('1600000000'), await cached('1600000000'), await cached('1500000000')]).toEqual([
      0, 3, 0,
    ]);
  });
});

describe('a directory', () => {
  const names = Array.from({ length: 5000 }, (_, index) => `d${index % 50}/${(index * 7919) % 5000}`);

  async function directoryOf(order: readonly string[], time: number): Promise<string> {
    const directory = await temporaryDirectory();
    for (let index = 0; index < 50; index++) await mkdir(join(directory, `d${index}`));
    for (const name of order) await writeFile(join(directory, name), name, { mode: 0o644 });
    for (const name of order.slice(0, 100)) await utimes(join(directory, name), time, time);
    await utimes(join(directory, 'd1'), time, time);
    await writeFile(join(directory, 'Dockerfile'), 'FROM busybox\nWORKDIR /w\nCOPY . .\nCOPY d1 /one\n');
    return directory;
  }

  it('of 5000 files gives the same image whatever their times, and in whatever order they were made', async () => {
    const signal = new AbortController().signal;
    const built: string[] = [];
    for (const [order, time] of [
      [names, 1],
      [[...names].sort().reverse(), 1_700_000_000.5],
    ] as const) {
      const directory = await directoryOf(order, time);
      built.push(await clean(await openDirectoryContext(directory, DEFAULT_LIMITS, signal), {}, image));
      await rm(directory, { recursive: true });
    }
    expect(built[0]).toBe(built[1]);
  });
});
