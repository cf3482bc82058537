/** ADD of archives: which file is one, what its entries do to the destination, and what a hostile one cannot do. */
import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RawEntry, tar } from '../native/tar.js';
import { type Built, TestBuilder } from '../support/builder.js';
import { filesOf, type ImageFile } from '../support/image-files.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

const text = (...lines: string[]): string => `${lines.join('\n')}\n`;

async function build(archive: Buffer, ...lines: string[]): Promise<Built> {
  return builder.build(await builder.commit({ 'a.bin': { bytes: archive }, Dockerfile: text(...lines) }));
}

async function added(
  entries: readonly RawEntry[],
  ...lines: string[]
): Promise<ReadonlyMap<string, ImageFile>> {
  const from = lines.length === 0 ? ['FROM scratch', 'ADD a.bin /x'] : lines;
  return filesOf((await build(tar(entries), ...from)).image, builder.store);
}

const ENTRIES: readonly RawEntry[] = [
  { path: './', type: '5', mode: 0o700 },
  { path: './d/', type: '5', mode: 0o750, uid: 5, gid: 6 },
  { path: './d/f', data: 'text', mode: 0o4755, uid: 7, gid: 8, mtime: 1_500_000_000 },
  { path: './d/l', type: '2', link: 'f' },
  { path: './hard', type: '1', link: './d/f', mode: 0o4755, uid: 7, gid: 8, mtime: 1_500_000_000 },
  { path: 'made/above/x', data: 'x' },
];

describe('ADD of an archive', () => {
  it('unpacks it with modes, owners, times and links', async () => {
    const files = await added(ENTRIES);
    expect(files.get('x')).toMatchObject({ type: 'directory', mode: 0o755 });
    expect(files.get('x/d')).toMatchObject({ mode: 0o750, uid: 5, gid: 6 });
    expect(files.get('x/d/f')).toMatchObject({
      text: 'text',
      mode: 0o4755,
      uid: 7,
      gid: 8,
      mtime: 1_500_000_000,
    });
    expect(files.get('x/d/l')).toMatchObject({ type: 'symlink', linkname: 'f' });
    expect(files.get('x/hard')?.inode).toBe(files.get('x/d/f')?.inode);
    expect(files.get('x/hard')?.inode).toBeDefined();
    expect(files.get('x/made/above')).toMatchObject({ mode: 0o755, uid: 0 });
  });

  it.each(['gzip', 'bzip2', 'xz', 'zstd'])('whatever its name, compressed with %s', async (program) => {
    const args = program === 'zstd' ? ['-q', '-c'] : ['-c'];
    const packed = execFileSync(program, args, { input: tar(ENTRIES) });
    const files = await filesOf((await build(packed, 'FROM scratch', 'ADD a.bin /x')).image, builder.store);
    expect(files.get('x/d/f')?.text).toBe('text');
    // The same bytes that are no tar stay what they are, and so do those that are cut off.
    const other = execFileSync(program, args, { input: Buffer.alloc(3000, 'no tar') });
    const plain = await filesOf((await build(other, 'FROM scratch', 'ADD a.bin /')).image, builder.store);
    expect(plain.get('a.bin')).toMatchObject({ type: 'file', size: other.length });
    const damaged = await filesOf(
      (await build(packed.subarray(0, 20), 'FROM scratch', 'ADD a.bin /')).image,
      builder.store,
    );
    expect(damaged.get('a.bin')).toMatchObject({ type: 'file', size: 20 });
  });

  it('copies it as it is with --unpack=false, and with COPY', async () => {
    for (const line of ['ADD --unpack=false a.bin /x', 'COPY a.bin /x'])
      expect((await added(ENTRIES, 'FROM scratch', line)).get('x')).toMatchObject({ type: 'file' });
  });

  it('gives everything to --chown, but for directories that it only implies', async () => {
    const files = await added(ENTRIES, 'FROM busybox', 'ADD --chown=app:7 --chmod=600 a.bin /n/x');
    for (const path of ['n', 'n/x', 'n/x/d', 'n/x/d/f', 'n/x/hard', 'n/x/made/above/x'])
      expect(files.get(path), path).toMatchObject({ uid: 1000, gid: 7 });
    expect(files.get('n/x/made')).toMatchObject({ uid: 0, gid: 0 });
    expect(files.get('n/x/d/f')).toMatchObject({ mode: 0o4755 });
    expect(files.get('n/x')).toMatchObject({ mode: 0o755 });
  });

  it('is cached by its bytes', async () => {
    const lines = ['FROM scratch', 'ADD a.bin /x'];
    await build(tar(ENTRIES), ...lines);
    expect((await build(tar(ENTRIES), ...lines)).steps).toMatchObject({ cached: 1 });
    expect((await build(tar(ENTRIES.slice(1)), ...lines)).steps).toMatchObject({ cached: 0 });
  });

  it('takes what a wildcard matches apart into one directory', async () => {
    const commit = await builder.commit({
      'one.tar': { bytes: tar([{ path: 'f', data: '1' }]) },
      'two.tar': { bytes: tar([{ path: 'g', data: '2' }]) },
      Dockerfile: text('FROM scratch', 'ADD *.tar /both'),
    });
    const files = await filesOf((await builder.build(commit)).image, builder.store);
    expect([files.get('both/f')?.text, files.get('both/g')?.text]).toEqual(['1', '2']);
    await builder.commit({ 'one.tar': null, 'two.tar': null });
  });

  it('leaves out devices and pipes, and what is there in their place', async () => {
    const files = await added(
      [
        { path: 'keep', type: '6' },
        { path: 'null', type: '3', rdev: [1, 3] },
      ],
      'FROM busybox',
      'RUN mkdir /x && echo kept > /x/keep',
      'ADD a.bin /x',
    );
    expect(files.get('x/keep')?.text).toBe('kept\n');
    expect(files.has('x/null')).toBe(false);
  });
});

describe('what an archive finds at the destination', () => {
  const there = (command: string, ...more: string[]): string[] => [
    'FROM busybox',
    `RUN mkdir /x && cd /x && ${command}`,
    'ADD a.bin /x',
    ...more,
  ];

  it('is replaced, a whole directory by a file and a symlink by a directory', async () => {
    const files = await added(
      [
        { path: 'd', data: 'file' },
        { path: 'l/', type: '5' },
        { path: 'l/in', data: 'in' },
        { path: 'f/', type: '5', mode: 0o700 },
      ],
      ...there('mkdir d out && touch d/old && ln -s out l && touch f'),
    );
    expect(files.get('x/d')?.text).toBe('file');
    expect(files.get('x/l')?.type).toBe('directory');
    expect(files.get('x/l/in')?.text).toBe('in');
    expect(files.has('x/out/in')).toBe(false);
    expect(files.get('x/f')).toMatchObject({ type: 'directory', mode: 0o700 });
  });

  it('is merged where both are directories, with the metadata of the archive', async () => {
    const files = await added(
      [
        { path: 'd/', type: '5', mode: 0o700, uid: 3 },
        { path: 'd/new', data: 'new' },
      ],
      ...there('mkdir d && echo old > d/old'),
    );
    expect(files.get('x/d')).toMatchObject({ mode: 0o700, uid: 3 });
    expect(files.get('x/d/old')?.text).toBe('old\n');
    expect(files.get('x/d/new')?.text).toBe('new');
  });

  it('does not come back when a file took its place and went again', async () => {
    const files = await added(
      [
        { path: 'd', data: 'file' },
        { path: 'd/', type: '5' },
        { path: 'd/new', data: 'new' },
      ],
      ...there('mkdir -p d/deep && touch d/old', 'COPY Dockerfile /x/d/after'),
    );
    expect([...files.keys()].filter((path) => path.startsWith('x/d/'))).toEqual(['x/d/after', 'x/d/new']);
  });

  it('is followed where it is a symlink on the way, inside the destination only', async () => {
    const files = await added(
      [
        { path: 'abs/f', data: 'f' },
        { path: 'rel/g', data: 'g' },
      ],
      ...there('mkdir real && ln -s /real abs && ln -s real rel'),
    );
    expect(files.get('x/real/f')?.text).toBe('f');
    expect(files.get('x/real/g')?.text).toBe('g');
    expect(files.has('real')).toBe(false);
  });

  it('is where a hard link finds what the archive has not, and has its bytes', async () => {
    const entries: readonly RawEntry[] = [
      { path: 'new', type: '1', link: 'old', mode: 0o640, uid: 3 },
      { path: 'again', type: '1', link: 'copied', mode: 0o644 },
    ];
    const run = 'RUN mkdir /x && echo old > /x/old';
    const files = await added(entries, 'FROM busybox', run, 'COPY Dockerfile /x/copied', 'ADD a.bin /x');
    expect(files.get('x/new')).toMatchObject({ text: 'old\n', mode: 0o640, uid: 3 });
    expect(files.get('x/old')).toMatchObject({ text: 'old\n', uid: 0 });
    expect(files.get('x/again')?.text).toContain('FROM busybox');
    const replaced: readonly RawEntry[] = [
      { path: 'd', data: 'no directory any more' },
      { path: 'h', type: '1', link: 'd/old' },
    ];
    await expect(added(replaced, ...there('mkdir d && echo old > d/old'))).rejects.toMatchObject({
      code: 'context_invalid',
    });
  });

  it('may be the root, or be a symlink to a directory', async () => {
    expect(
      (await added([{ path: 'etc/new', data: '1' }], 'FROM busybox', 'ADD a.bin /')).get('etc/new')?.text,
    ).toBe('1');
    const linked = await added(
      [{ path: 'f', data: '1' }],
      'FROM busybox',
      'RUN mkdir /d && ln -s /d /l',
      'ADD a.bin /l',
    );
    expect(linked.get('d/f')?.text).toBe('1');
  });
});

describe('a hostile archive', () => {
  it('that leads from link to link stops no other build, and ends', { timeout: 60_000 }, async () => {
    const detour = './'.repeat(1900);
    const links: RawEntry[] = Array.from({ length: 250 }, (_, i) => ({
      path: `l${i}`,
      type: '2',
      pax: { linkpath: `${detour}${i === 0 ? 'd' : `l${i - 1}`}` },
    }));
    const visits = Array.from({ length: 60 }, (_, i): RawEntry[] => [
      { path: `s${i}`, type: '2', link: 'd' },
      { path: `l249/f${i}`, data: 'x' },
    ]).flat();
    let late = 0;
    let last = performance.now();
    const beat = setInterval(() => {
      late = Math.max(late, performance.now() - last);
      last = performance.now();
    }, 10);
    const archive = tar([{ path: 'd/', type: '5' }, ...links, ...visits]);
    await expect(build(archive, 'FROM scratch', 'ADD a.bin /x')).rejects.toMatchObject({
      code: 'context_too_large',
      message: expect.stringContaining('too entangled'),
    });
    clearInterval(beat);
    expect(late).toBeLessThan(2000);
  });

  it('of deep directories takes no more memory than a layer may', { timeout: 60_000 }, async () => {
    const deep = 'd/'.repeat(2000);
    const entries = Array.from({ length: 400 }, (_, i): RawEntry => {
      const path = `${i}/${deep}f`;
      return { path: 'f', data: '', pax: { path } };
    });
    await expect(build(gzipSync(tar(entries)), 'FROM scratch', 'ADD a.bin /x')).rejects.toMatchObject({
      code: 'context_too_large',
    });
  });

  it.each<[string, readonly RawEntry[], string]>([
    ['a path that leads out', [{ path: '../f', data: '1' }], 'leads out'],
    ['a path that leads out later', [{ path: 'a/../../f', data: '1' }], 'leads out'],
    [
      'a symlink that leads out',
      [
        { path: 'l', type: '2', link: '../..' },
        { path: 'l/f', data: '1' },
      ],
      'leads out',
    ],
    [
      'symlinks in a circle',
      [
        { path: 'l', type: '2', link: 'm' },
        { path: 'm', type: '2', link: 'l' },
        { path: 'l/f', data: '1' },
      ],
      'too many symlinks',
    ],
    ['a hard link out', [{ path: 'h', type: '1', link: '../../etc/passwd' }], 'leads out'],
    [
      'a hard link to a directory of the image',
      [{ path: 'h', type: '1', link: 'etc' }],
      'no file of the archive',
    ],
    ['a hard link to nothing', [{ path: 'h', type: '1', link: 'h' }], 'no file of the archive'],
    ['a whiteout', [{ path: 'd/.wh.f', data: '' }], '.wh.'],
    ['an opaque mark', [{ path: 'd/.wh..wh..opq', data: '' }], '.wh.'],
    [
      'a path through a file',
      [
        { path: 'f', data: '1' },
        { path: 'f/g', data: '1' },
      ],
      'not a directory',
    ],
    ['a name too long', [{ path: 'f', data: '1', pax: { path: 'n'.repeat(256) } }], 'too long'],
    [
      'a name that is no text',
      [{ path: 'f', data: '1', patch: (header) => header.write('\xff\xfe', 0, 'latin1') }],
      'UTF-8',
    ],
  ])('is refused for %s', async (_what, entries, message) => {
    const failure = added(entries, 'FROM busybox', 'ADD a.bin /');
    await expect(failure).rejects.toMatchObject({
      code: 'context_invalid',
      where: 'Dockerfile:2',
      message: expect.stringContaining(message),
    });
  });

  it('writes nothing outside of the image for absolute names and targets', async () => {
    const files = await added([
      { path: '/abs', data: '1' },
      { path: 'l', type: '2', link: '/tmp/slipway-escape' },
      { path: 'l/f', data: '2' },
    ]);
    expect(files.get('x/abs')?.text).toBe('1');
    expect(files.get('x/tmp/slipway-escape/f')?.text).toBe('2');
  });

  it('says the same of a path twice: the last entry holds', async () => {
    const files = await added([
      { path: 'f', data: 'first' },
      { path: 'g', type: '1', link: 'f' },
      { path: 'f', data: 'second', mode: 0o600 },
    ]);
    expect(files.get('x/f')).toMatchObject({ text: 'second', mode: 0o600 });
    expect(files.get('x/g')?.text).toBe('first');
  });

  it.each(['gzip', 'xz'])('is no bomb in %s', async (program) => {
    const bomb = execFileSync(program, ['-c'], {
      input: tar([{ path: 'f', data: Buffer.alloc(20_000_000) }]),
    });
    const commit = await builder.commit({
      'a.bin': { bytes: bomb },
      Dockerfile: text('FROM scratch', 'ADD a.bin /x'),
    });
    const failure = builder.build(commit, { limits: { stepDiskBytes: 10_000_000 } });
    await expect(failure).rejects.toMatchObject({ code: 'context_too_large', where: 'Dockerfile:2' });
  });

  it('is refused when it is damaged after its first entry', async () => {
    const damaged = Buffer.concat([tar([{ path: 'f', data: '1' }], false), Buffer.alloc(512, 'x')]);
    for (const bytes of [damaged, gzipSync(damaged)])
      await expect(build(bytes, 'FROM scratch', 'ADD a.bin /x')).rejects.toMatchObject({
        code: 'context_invalid',
        message: expect.stringContaining('cannot be unpacked'),
      });
  });
});
