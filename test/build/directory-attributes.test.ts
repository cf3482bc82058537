/** A layer shows again the directories above what it adds: with the attributes that they have. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { scanTree } from '../../native/index.js';
import { tar } from '../native/tar.js';
import { TestBuilder } from '../support/builder.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(() => builder.stop());

const BASE = tar([
  { path: 'd/', type: '5', mode: 0o755, pax: { 'SCHILY.xattr.user.own': 'd' } },
  { path: 'd/e/', type: '5', mode: 0o755, pax: { 'SCHILY.xattr.user.own': 'e' } },
]);
const MORE = tar([
  { path: 'e/', type: '5', mode: 0o755, pax: { 'SCHILY.xattr.user.new': 'x' } },
  { path: 'e/f', data: 'f' },
]);

/** Attributes of the directories of the top layer, by path. */
async function attributes(...lines: string[]): Promise<Record<string, Record<string, string>>> {
  const dockerfile = ['FROM scratch AS more', 'ADD more.bin /', 'FROM busybox', 'ADD base.bin /', ...lines];
  const commit = await builder.commit({
    'base.bin': { bytes: BASE },
    'more.bin': { bytes: MORE },
    f: 'f',
    Dockerfile: dockerfile.join('\n'),
  });
  const { image } = await builder.build(commit);
  const [top = ''] = await builder.store.layers.layout(image.layers, new AbortController().signal);
  const found: Record<string, Record<string, string>> = {};
  for (const { path, type, xattrs = {} } of await scanTree({ root: top, path: '', hash: false }))
    if (type === 'directory' && path !== '')
      found[path] = Object.fromEntries(
        Object.entries(xattrs).map(([name, value]) => [name, Buffer.from(value).toString()]),
      );
  return found;
}

it.each([
  ['that is laid out', ['RUN ["/bin/true"]']],
  ['that is only in memory', []],
])('COPY and WORKDIR keep those of a directory %s', async (_what, between) => {
  const own = { d: { 'user.own': 'd' }, 'd/e': { 'user.own': 'e' } };
  expect(await attributes(...between, 'COPY f /d/e/')).toEqual(own);
  expect(await attributes(...between, 'WORKDIR /d/e/deep')).toEqual({ ...own, 'd/e/deep': {} });
  expect(await attributes(...between, 'COPY --from=more / /d/')).toEqual({
    ...own,
    'd/e': { 'user.own': 'e', 'user.new': 'x' },
  });
});
