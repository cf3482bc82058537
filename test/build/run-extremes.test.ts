/** What a RUN may leave, at its extremes: it is in the layer, or the build says what is wrong and leaves nothing behind. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestBuilder } from '../support/builder.js';
import { filesOf } from '../support/image-files.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

it('a large file of zeros is laid out again from its layer, which is a thousand times smaller', async () => {
  const make = 'FROM busybox\nRUN dd if=/dev/zero of=/zeros bs=1M count=300\n';
  await builder.build(await builder.commit({ Dockerfile: make }));
  const { layers } = builder.store;
  for (const { chainId } of await layers.list()) await layers.remove(chainId);
  const { image, steps } = await builder.build(
    await builder.commit({ Dockerfile: `${make}RUN wc -c < /zeros > /size; rm /zeros\n` }),
  );
  expect(steps).toEqual({ cached: 1, total: 2 });
  expect(image.layers[1]?.sizeBytes).toBeLessThan(1 << 20);
  const files = await filesOf(image, builder.store);
  expect(files.get('size')?.text).toBe(`${300 << 20}\n`);
  expect(files.has('zeros')).toBe(false);
});

it('directories deeper than a path can name are refused by the line, and removed', async () => {
  // From the inside outwards: no command has to name more than one of them.
  const deep =
    'l=$(printf %0200d 0); mkdir $l; for i in $(seq 30); do mkdir n && mv $l n/ && mv n $l || exit 9; done';
  const commit = await builder.commit({ Dockerfile: `FROM busybox\nRUN ${deep}\n` });
  await expect(builder.build(commit)).rejects.toMatchObject({
    code: 'layer_invalid',
    where: 'Dockerfile:2',
    message: expect.stringContaining('4095'),
  });
  const left = await readdir(join(builder.store.directory, 'layers'), { recursive: true });
  expect(left.filter((path) => path.includes('upper'))).toEqual([]);
});

it('a name that a layer cannot hold is refused by the line', async () => {
  const commit = await builder.commit({ Dockerfile: 'FROM busybox\nRUN mkdir /d && touch /d/.wh.x\n' });
  await expect(builder.build(commit)).rejects.toMatchObject({
    code: 'layer_invalid',
    where: 'Dockerfile:2',
    message: expect.stringContaining('d/.wh.x'),
  });
});

it('what is no plain file comes through: fifos, devices, links, ids, modes, times before 1970', async () => {
  const commit = await builder.commit({
    Dockerfile: [
      'FROM busybox',
      'RUN mkfifo /p && mknod /n c 1 3 && touch /f && ln /f /g && ln -s nowhere /l && chown 4000000:3000000 /f && chmod 6755 /f',
      'RUN touch -d "1960-01-01 00:00:00" /old && rm /g && mkdir /g && rm -r /tmp && touch /tmp',
      'FROM busybox',
      'COPY --from=0 / /all/',
      '',
    ].join('\n'),
  });
  const { image } = await builder.build(commit);
  const files = await filesOf(image, builder.store);
  expect(files.get('all/p')).toMatchObject({ type: 'fifo' });
  expect(files.get('all/n')).toMatchObject({ type: 'char', rdevMajor: 1, rdevMinor: 3 });
  expect(files.get('all/f')).toMatchObject({ uid: 4_000_000, gid: 3_000_000, mode: 0o6755 });
  expect(files.get('all/g')).toMatchObject({ type: 'directory' });
  expect(files.get('all/l')).toMatchObject({ linkname: 'nowhere' });
  expect(files.get('all/tmp')).toMatchObject({ type: 'file' });
  expect(files.get('all/old')?.mtime).toBe(-315_619_200);
});

it('a name that is no text is in the layer, seen by the next step, and gone when one removes it', async () => {
  const commit = await builder.commit({
    Dockerfile:
      "FROM busybox\nRUN echo x > /$(printf '\\351')\nRUN cat /$(printf '\\351') > /seen\nRUN rm /$(printf '\\351')\n",
  });
  const { image } = await builder.build(commit);
  const files = await filesOf(image, builder.store);
  expect(files.get('seen')?.text).toBe('x\n');
  expect([...files.keys()].filter((path) => path.includes('\ufffd'))).toEqual([]);
});
