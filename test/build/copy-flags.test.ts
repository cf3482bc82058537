/** COPY's flags and wildcards, through whole builds: --parents, --exclude, --link, and hard links. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Built, type Files, TestBuilder } from '../support/builder.js';
import { filesOf } from '../support/image-files.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

const text = (...lines: string[]): string => `${lines.join('\n')}\n`;

const FILES: Files = {
  'a/b/one.txt': '1',
  'a/b/two.md': '2',
  'a/c/three.txt': '3',
  'a/.env': 'e',
  'top.txt': 't',
  'home.txt': 'h',
  'home.md': 'm',
  'to-a': { link: 'a' },
};

async function build(...lines: string[]): Promise<Built> {
  return builder.build(await builder.commit({ ...FILES, Dockerfile: text(...lines) }));
}

/** Files and empty directories of an image from scratch, by path. */
async function paths(...lines: string[]): Promise<string[]> {
  const files = await filesOf((await build(...lines)).image, builder.store);
  const all = [...files];
  return all
    .filter(
      ([path, { type }]) => type !== 'directory' || !all.some(([other]) => other.startsWith(`${path}/`)),
    )
    .map(([path, { type, linkname }]) => (type === 'symlink' ? `${path} -> ${linkname}` : path));
}

describe('COPY --parents', () => {
  it.each([
    [['a/b/one.txt'], ['x/a/b/one.txt']],
    [['./a/b'], ['x/a/b/one.txt', 'x/a/b/two.md']],
    [['a/*/*.txt'], ['x/a/b/one.txt', 'x/a/c/three.txt']],
    [['**/*.txt'], ['x/a/b/one.txt', 'x/a/c/three.txt', 'x/home.txt', 'x/top.txt']],
    [['a/./b/one.txt'], ['x/b/one.txt']],
    [['a/./b/../c/three.txt'], ['x/c/three.txt']],
    [['to-a/./b'], ['x/b/one.txt', 'x/b/two.md']],
    [['a/./**/*.md'], ['x/b/two.md']],
    [['a/*/./*.txt'], ['x/.env', 'x/one.txt', 'x/three.txt']],
    [
      ['a/b', 'top.txt'],
      ['x/a/b/one.txt', 'x/a/b/two.md', 'x/top.txt'],
    ],
    [['none/**'], ['x']],
    [['to-a'], ['x/to-a -> a']],
  ])('keeps the path of %j', async (sources, expected) => {
    expect(await paths('FROM scratch', `COPY --parents ${sources.join(' ')} /x/`)).toEqual(expected);
  });

  it('fails for a path that is not there, or that a symlink leads through', async () => {
    for (const path of ['a/none', 'to-a/b/one.txt'])
      await expect(build('FROM scratch', `COPY --parents ${path} /x/`)).rejects.toMatchObject({
        code: 'source_missing',
        where: 'Dockerfile:2',
      });
  });

  it('takes directories from a stage with their modes and owners, and leaves those that exist their owners', async () => {
    const built = await build(
      'FROM busybox AS made',
      'RUN mkdir -p /s/d/e && chown 5:6 /s/d && chmod 750 /s/d && echo 1 > /s/d/e/f && echo 2 > /s/d/g',
      'FROM busybox',
      'RUN mkdir -p /t/d/e && chown 9:9 /t/d',
      'COPY --from=made --parents /s/./d/e/f /t/',
      'COPY --from=made --parents /s/./d/e/f /u/',
    );
    const files = await filesOf(built.image, builder.store);
    expect(files.get('t/d')).toMatchObject({ mode: 0o750, uid: 9 });
    expect(files.get('u/d')).toMatchObject({ mode: 0o750, uid: 5, gid: 6 });
    expect(files.get('u/d/e/f')?.text).toBe('1\n');
    expect(files.has('u/d/g')).toBe(false);
  });
});

describe('COPY --exclude', () => {
  it.each([
    ['--exclude=*.txt a', ['a/.env', 'b/one.txt', 'b/two.md', 'c/three.txt']],
    ['--exclude=**/*.txt a', ['.env', 'b/two.md', 'c']],
    ['--exclude=b a', ['.env', 'c/three.txt']],
    ['--exclude=b --exclude=!b/two.md a', ['.env', 'b/two.md', 'c/three.txt']],
    ['--exclude=** --exclude=!c/* a', ['c/three.txt']],
    ['--exclude=*.md hom*', ['home.txt']],
    ['--exclude=.env --exclude=c a', ['b/one.txt', 'b/two.md']],
  ])('%s', async (flags, expected) => {
    const wanted = expected.map((path) => `x/${path.replace(/^a\//, '')}`);
    expect(await paths('FROM scratch', `COPY ${flags} /x/`)).toEqual(wanted);
    // The same from another stage.
    expect(
      await paths('FROM scratch AS all', 'COPY . /', 'FROM scratch', `COPY --from=all ${flags} /x/`),
    ).toEqual(wanted);
  });

  it('keeps the step cached when only what is left out changes', async () => {
    const lines = ['FROM scratch', 'COPY --exclude=**/*.md a /x/'];
    await build(...lines);
    const commit = await builder.commit({ ...FILES, 'a/b/two.md': 'other', Dockerfile: text(...lines) });
    expect((await builder.build(commit)).steps).toMatchObject({ cached: 1, total: 1 });
    const changed = await builder.commit({ ...FILES, 'a/b/one.txt': 'other', Dockerfile: text(...lines) });
    expect((await builder.build(changed)).steps).toMatchObject({ cached: 0, total: 1 });
  });
});

describe('COPY --link', () => {
  it('does not follow symlinks of the image, and replaces what is there', async () => {
    const built = await build(
      'FROM busybox',
      'RUN mkdir -p /d /full/in && ln -s /d /s && chmod 1777 /full && echo 1 > /d/kept && echo 1 > /file',
      'COPY --link home.txt /s/home.txt',
      'COPY --link a/b /full',
      'COPY --link top.txt /full/in',
      'COPY --link a /file',
      'COPY home.md /s/home.md',
      'RUN cat /s/home.md /full/in /file/b/one.txt > /all',
    );
    const files = await filesOf(built.image, builder.store);
    expect(files.get('s')).toMatchObject({ type: 'directory', mode: 0o755 });
    expect(files.get('s/home.txt')?.text).toBe('h');
    expect(files.get('s/home.md')?.text).toBe('m');
    expect(files.has('d/home.txt')).toBe(false);
    expect(files.get('d/kept')?.text).toBe('1\n');
    expect(files.get('full')).toMatchObject({ mode: 0o755 });
    expect(files.get('full/in')?.text).toBe('t');
    expect(files.get('file/.env')?.text).toBe('e');
  });

  it('is the same layer on another base, and needs no new run for it', async () => {
    const first = await build('FROM busybox', 'RUN echo 1 > /1', 'COPY --link --chown=7 a /x/y');
    const second = await build('FROM busybox', 'RUN echo 2 > /2', 'COPY --link --chown=7 a /x/y');
    expect(second.steps).toMatchObject({ cached: 1, total: 2 });
    expect(second.image.layers.at(-1)?.digest).toBe(first.image.layers.at(-1)?.digest);
    expect((await filesOf(second.image, builder.store)).get('x/y/.env')).toMatchObject({ uid: 7, gid: 7 });
  });

  it('refuses a name for the owner, whose file it does not see', async () => {
    await expect(build('FROM busybox', 'COPY --link --chown=app a /x')).rejects.toMatchObject({
      code: 'dockerfile_invalid',
      where: 'Dockerfile:2',
    });
  });
});

describe('files that have several names', () => {
  const STAGE = [
    'FROM busybox AS made',
    'RUN mkdir /s && cd /s && echo 1 > f && ln f g && mkdir d && ln f d/h',
  ];

  it('have them in the layer, once their bytes', async () => {
    const built = await build(...STAGE, 'FROM scratch', 'COPY --from=made --chown=5 /s /t');
    const files = await filesOf(built.image, builder.store);
    const inodes = ['t/f', 't/g', 't/d/h'].map((path) => files.get(path)?.inode);
    expect(inodes[0]).toBeDefined();
    expect(new Set(inodes).size).toBe(1);
    expect(files.get('t/d/h')).toMatchObject({ text: '1\n', uid: 5 });
  });

  it('keep their bytes when a later source takes the first name', async () => {
    const built = await build(
      ...STAGE,
      'RUN mkdir /o && echo other > /o/f && mkdir /o/d && echo another > /o/d/h',
      'FROM scratch',
      'COPY --from=made /s /o /t/',
    );
    const files = await filesOf(built.image, builder.store);
    expect(['f', 'g', 'd/h'].map((path) => files.get(`t/${path}`)?.text)).toEqual([
      'other\n',
      '1\n',
      'another\n',
    ]);
  });

  it('are another step than copies of them', async () => {
    const lines = (command: string): string[] => [
      'FROM busybox AS made',
      `RUN mkdir /s && cd /s && echo 1 > f && ${command} f g`,
      'FROM scratch',
      'COPY --from=made /s /t',
    ];
    await build(...lines('ln'));
    expect((await build(...lines('cp'))).steps).toMatchObject({ cached: 0 });
  });
});
