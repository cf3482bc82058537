/** COPY --from: what of another stage's or image's files reaches the layer, and what must not change it. */
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBuilderStore } from '../../src/build/builder-store.js';
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

const text = (...lines: string[]): string => `${lines.join('\n')}\n`;

async function build(...lines: string[]): Promise<Built> {
  return builder.build(await builder.commit({ Dockerfile: text(...lines) }));
}

/** `mode uid:gid`, a link's target and a small file's text. */
async function listing(built: Built, below: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [path, entry] of await filesOf(built.image, builder.store)) {
    if (path !== below && !path.startsWith(`${below}/`)) continue;
    const { type, mode, uid, gid, linkname = '', text: content = '' } = entry;
    found[path] = `${type} ${mode.toString(8)} ${uid}:${gid} ${linkname}${content}`.trim();
  }
  return found;
}

const STAGE = [
  'FROM busybox AS made',
  'RUN mkdir -p /s/d && cd /s && echo 1 > f && chown 5:6 f && chmod 4751 f && ln f hard && ln -s f link \\',
  ' && ln -s /s/d to-dir && mkfifo pipe && chmod 1770 d && touch d/q && ln -s loop loop && touch "a b" \'"\' && echo 2 > "$(printf \'n\\nl\')"',
  'FROM busybox',
];

describe('COPY --from', () => {
  it('keeps owners, odd modes, links, pipes and names', async () => {
    expect(await listing(await build(...STAGE, 'COPY --from=made /s /t'), 't')).toEqual({
      t: 'directory 755 0:0',
      't/"': 'file 644 0:0',
      't/a b': 'file 644 0:0',
      't/d': 'directory 1770 0:0',
      't/d/q': 'file 644 0:0',
      't/f': 'file 4751 5:6 1',
      't/hard': 'file 4751 5:6 1',
      't/link': 'symlink 777 0:0 f',
      't/loop': 'symlink 777 0:0 loop',
      't/n\nl': 'file 644 0:0 2',
      't/pipe': 'fifo 644 0:0',
      't/to-dir': 'symlink 777 0:0 /s/d',
    });
  });

  it('follows a symlink that is named or matched, inside the stage', async () => {
    const built = await build(
      ...STAGE,
      'COPY --from=made /s/link /x/one',
      'COPY --from=made /s/to-dir /x/two',
      'COPY --from=made /s/to-* /x/three/',
      'COPY --from=made /s/lin? /x/four/',
    );
    expect(await listing(built, 'x')).toEqual({
      x: 'directory 755 0:0',
      'x/one': 'file 4751 5:6 1',
      // Made for the copy, whatever mode the source has.
      'x/two': 'directory 755 0:0',
      'x/two/q': 'file 644 0:0',
      'x/three': 'directory 755 0:0',
      'x/three/q': 'file 644 0:0',
      'x/four': 'directory 755 0:0',
      'x/four/link': 'file 4751 5:6 1',
    });
  });

  it('gives what it copies to the owner that is asked for', async () => {
    const built = await build(...STAGE, 'COPY --from=made --chown=app:7 --chmod=u-s,o= /s/f /y/');
    expect(await listing(built, 'y')).toEqual({ y: 'directory 755 1000:7', 'y/f': 'file 750 1000:7 1' });
  });

  it.each([
    ['/s/loop', /too many symlinks/],
    ['/s/none', /is not in the stage "made"/],
    ['/s/f/below', /is not in the stage "made"/],
  ])('says what is wrong with %s', async (source, message) => {
    await expect(build(...STAGE, `COPY --from=made ${source} /x`)).rejects.toMatchObject({
      code: 'source_missing',
      where: 'Dockerfile:5',
      message: expect.stringMatching(message),
    });
  });

  it.each(["touch /s/f$(printf '\\377')", "ln -s $(printf '\\377') /s/l"])(
    'refuses what is not UTF-8, made by: %s',
    async (command) => {
      const lines = ['FROM busybox AS made', `RUN mkdir /s; ${command}`, 'FROM busybox'];
      await expect(build(...lines, 'COPY --from=made /s /t')).rejects.toMatchObject({
        code: 'context_invalid',
        where: 'Dockerfile:4',
        message: expect.stringContaining('is not UTF-8'),
      });
    },
  );

  it('makes the same layer each time, though files of the context have fresh times in the stage', async () => {
    const commit = await builder.commit({
      'src/main.c': 'main',
      'src/sub/x.h': 'x',
      Dockerfile: text(
        'FROM busybox AS one',
        'COPY src /src',
        'FROM busybox AS two',
        'COPY --from=one /src /src',
        'FROM scratch',
        'COPY --from=two /src /src',
        'COPY --from=one /src/main.c /',
      ),
    });
    const { image } = await builder.build(commit);
    const directory = await temporaryDirectory();
    const store = await openBuilderStore(directory, DEFAULT_LIMITS);
    const clean = await builder.build(commit, { store });
    await rm(directory, { recursive: true, force: true });
    expect(clean.steps.cached).toBe(0);
    expect(clean.image.digest).toBe(image.digest);
    expect((await filesOf(image, builder.store)).get('main.c')?.mtime).toBe(315_532_800);
  });

  it('keeps the times of what a RUN made', async () => {
    const { image } = await build(
      'FROM busybox AS made',
      'COPY Dockerfile /s/copied',
      'RUN touch -d @1000000000 /s/made',
      'FROM scratch',
      'COPY --from=made /s /',
    );
    const files = await filesOf(image, builder.store);
    expect(files.get('made')?.mtime).toBe(1_000_000_000);
    expect(files.get('copied')?.mtime).toBe(315_532_800);
  });
});
