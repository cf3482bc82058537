/** A build of many RUNs: what a RUN costs does not grow with the layers below it, and nothing takes these away meanwhile. */
import { readdirSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cleanStore } from '../../src/build/cache/clean-store.js';
import { chainId } from '../../src/layers/layer.js';
import { TestBuilder } from '../support/builder.js';
import { filesOf } from '../support/image-files.js';

const RUNS = Array.from({ length: 8 }, (_, index) => index);

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

/** Each RUN needs what all above it wrote. */
function dockerfile(text: string): string {
  const lines = RUNS.map((index) => {
    const above = RUNS.slice(0, index).map((one) => `test -e /file-${one} && `);
    return `RUN ${above.join('')}echo ${text} > /file-${index}`;
  });
  return ['FROM busybox', ...lines, ''].join('\n');
}

function runs(text: string): Promise<string> {
  return builder.commit({ Dockerfile: dockerfile(text) });
}

it('marks what it stands on as used once, and not at each RUN', async () => {
  const rooms = ['layers', 'blobs'].map((room) => join(builder.store.directory, room, 'sha256'));
  const paths = (): string[] => rooms.flatMap((room) => readdirSync(room).map((name) => join(room, name)));
  const marked: string[] = [];
  let layers = 0;
  // The base image's, and those of three RUNs.
  const onLayer = (): void => {
    if (++layers !== 4) return;
    marked.push(...paths());
    for (const path of marked) utimesSync(path, 1000, 1000);
  };
  await builder.build(await runs('once'), { tools: { onLayer } });
  const again = marked.filter((path) => statSync(path).atimeMs !== 1_000_000);
  expect(marked.length).toBe(2 * layers - 2 * (RUNS.length - 3));
  // The lay-out and the blob of the topmost, which the next RUN used first.
  expect(again.length).toBe(2);
});

it('keeps what it stands on while the store is cleaned as often as it can be', async () => {
  await builder.build(await runs('before'));
  const cleanings: ReturnType<typeof cleanStore>[] = [];
  const onLayer = (): void => {
    cleanings.push(cleanStore(builder.store, { bytes: 1, keepMs: -60_000 }));
  };
  const { image, steps } = await builder.build(await runs('cleaned'), { tools: { onLayer } });
  const removed = (await Promise.all(cleanings)).map(({ removedBytes }) => removedBytes);
  expect(Math.max(...removed)).toBeGreaterThan(0);
  expect(steps).toEqual({ cached: 0, total: RUNS.length });
  const files = await filesOf(image, builder.store);
  for (const index of RUNS) expect(files.get(`file-${index}`)?.text).toBe('cleaned\n');
});

it('lays out anew what was removed before it began, under what is still there', async () => {
  const { image } = await builder.build(await runs('removed'));
  const { layers } = builder.store;
  for (const [index] of image.layers.entries()) {
    const chain = chainId(image.layers.slice(0, index + 1).map(({ diffId }) => diffId));
    if (index % 2 === 0) await layers.remove(chain);
  }
  const above = await builder.commit({ Dockerfile: `${dockerfile('removed')}RUN cat /file-* > /all\n` });
  const { image: grown, steps } = await builder.build(above);
  expect(steps).toEqual({ cached: RUNS.length, total: RUNS.length + 1 });
  expect((await filesOf(grown, builder.store)).get('all')?.text).toBe('removed\n'.repeat(RUNS.length));
});
