import { describe, expect, it } from 'vitest';
import { planCopy } from '../../src/build/copy/copy.js';
import type { CopySource, Selection, SourceEntry } from '../../src/build/copy/copy-source.js';
import { Destination, type TreeEntry } from '../../src/build/copy/destination.js';

const noSource: CopySource = { select: async () => [], content: async () => ({ data: new Uint8Array() }) };

function entry(
  path: string,
  type: SourceEntry['type'] = 'file',
  more: Partial<SourceEntry> = {},
): SourceEntry {
  return {
    path,
    type,
    mode: type === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtime: 1,
    sizeBytes: 0,
    handle: path,
    ...more,
  };
}

function file(name: string, more: Partial<SourceEntry> = {}): { source: CopySource; selection: Selection } {
  return {
    source: noSource,
    selection: { name, path: name, content: name, entries: async () => [entry('', 'file', more)] },
  };
}

function tree(
  name: string,
  below: readonly SourceEntry[],
  root: Partial<SourceEntry> = {},
): { source: CopySource; selection: Selection } {
  const entries = [entry('', 'directory', root), ...below];
  return { source: noSource, selection: { name, path: name, content: name, entries: async () => entries } };
}

function onto(existing: Record<string, Partial<TreeEntry>>): Destination {
  const entries = new Map(
    Object.entries(existing).map(([path, more]) => [
      path,
      { type: 'directory', mode: 0o755, uid: 0, gid: 0, mtime: 7, ...more } as TreeEntry,
    ]),
  );
  return new Destination({ lstat: async () => undefined }, entries);
}

async function plan(
  sources: { source: CopySource; selection: Selection }[],
  destination: string,
  below: Destination,
  more = {},
): Promise<string[]> {
  const planned = (await planCopy(sources, below, { destination, directoryMtime: 99, ...more })).entries();
  return planned.map(
    ({ entry: { path, type, mode, uid, gid } }) =>
      `${path}${type === 'directory' ? '/' : ''} ${mode.toString(8)} ${uid}:${gid}`,
  );
}

describe('where COPY puts things', () => {
  it('a file to a name, with the directories above made as root with 755', async () => {
    expect(await plan([file('a.js')], '/srv/app/main.js', onto({}))).toEqual([
      'srv/ 755 0:0',
      'srv/app/ 755 0:0',
      'srv/app/main.js 644 0:0',
    ]);
  });

  it('a file into a directory that exists, although the destination has no slash', async () => {
    expect(await plan([file('a.js')], '/app', onto({ app: {} }))).toEqual([
      'app/ 755 0:0',
      'app/a.js 644 0:0',
    ]);
  });

  it.each(['/app/', '/app/.'])('a file into a directory that does not exist, for %s', async (destination) => {
    expect(await plan([file('a.js')], destination, onto({}))).toEqual(['app/ 755 0:0', 'app/a.js 644 0:0']);
  });

  it("a directory's contents, not the directory", async () => {
    const source = tree('src', [entry('lib', 'directory'), entry('lib/x.js'), entry('.env')]);
    expect(await plan([source], '/app', onto({}))).toEqual([
      'app/ 755 0:0',
      'app/.env 644 0:0',
      'app/lib/ 755 0:0',
      'app/lib/x.js 644 0:0',
    ]);
  });

  it('keeps mode and owner of the directory above, so that /tmp stays sticky', async () => {
    expect(await plan([file('a')], '/tmp/a', onto({ tmp: { mode: 0o1777, uid: 5 } }))).toEqual([
      'tmp/ 1777 5:0',
      'tmp/a 644 0:0',
    ]);
  });

  it("keeps the destination directory's own mode, but gives those below the source's", async () => {
    const source = tree('src', [entry('in', 'directory', { mode: 0o700 }), entry('in/f')], { mode: 0o711 });
    const below = onto({ app: { mode: 0o1777 }, 'app/in': { mode: 0o1777 } });
    expect(await plan([source], '/app', below)).toEqual([
      'app/ 1777 0:0',
      'app/in/ 700 0:0',
      'app/in/f 644 0:0',
    ]);
  });

  it("makes a directory's destination like those above it, with mode and owner of its own", async () => {
    const source = tree('src', [entry('in', 'directory', { mode: 0o711, uid: 5, gid: 6 })], {
      mode: 0o711,
      uid: 5,
      gid: 6,
    });
    expect(await plan([source], '/app', onto({}))).toEqual(['app/ 755 0:0', 'app/in/ 711 5:6']);
    const chown = { uid: 7, gid: 8 };
    expect(await plan([source], '/app', onto({}), { chown })).toEqual(['app/ 755 7:8', 'app/in/ 711 7:8']);
  });

  it('takes several sources only where each of them has a place of its own', async () => {
    const directories = [tree('a', [entry('f')]), tree('b', [entry('g')])];
    expect(await plan(directories, '/to', onto({}))).toEqual(['to/ 755 0:0', 'to/f 644 0:0', 'to/g 644 0:0']);
    const files = [file('a'), file('b')];
    expect(await plan(files, '/to', onto({ to: {} }))).toEqual([
      'to/ 755 0:0',
      'to/a 644 0:0',
      'to/b 644 0:0',
    ]);
    await expect(plan(files, '/to', onto({}))).rejects.toMatchObject({
      code: 'dockerfile_invalid',
      message: 'several sources are copied to "/to", which is not written as a directory',
    });
  });

  it('makes what a symlink of the destination leads to, and replaces a file that one names', async () => {
    const below = onto({
      dangling: { type: 'symlink', linkname: '/new/dir/f' },
      link: { type: 'symlink', linkname: 'real' },
      real: { type: 'file', mode: 0o600 },
    });
    expect(await plan([file('a')], '/dangling', below)).toEqual([
      'new/ 755 0:0',
      'new/dir/ 755 0:0',
      'new/dir/f 644 0:0',
    ]);
    expect(await plan([file('a')], '/link', below)).toEqual(['real 644 0:0']);
  });

  it('gives directories that it makes an octal mode, not a symbolic one', async () => {
    const octal = Object.assign(() => 0o700, { octal: 0o700 });
    expect(await plan([file('a')], '/x/a', onto({}), { chmod: octal })).toEqual([
      'x/ 700 0:0',
      'x/a 700 0:0',
    ]);
    const symbolic = (mode: number): number => mode & 0o700;
    expect(await plan([file('a')], '/x/a', onto({}), { chmod: symbolic })).toEqual([
      'x/ 755 0:0',
      'x/a 600 0:0',
    ]);
  });

  it('follows symlinks of the destination inside the image, also the last one', async () => {
    const below = onto({ link: { type: 'symlink', linkname: '/data/real' }, data: {}, 'data/real': {} });
    expect(await plan([file('a')], '/link/a', below)).toEqual([
      'data/ 755 0:0',
      'data/real/ 755 0:0',
      'data/real/a 644 0:0',
    ]);
    const toFile = onto({ out: { type: 'symlink', linkname: '../../etc/target' } });
    expect(await plan([file('a')], '/out', toFile)).toEqual(['etc/ 755 0:0', 'etc/target 644 0:0']);
  });

  it('replaces a symlink of that name in a directory, and does not write through it', async () => {
    const below = onto({ d: {}, 'd/a': { type: 'symlink', linkname: '/etc/passwd' } });
    expect(await plan([file('a')], '/d/', below)).toEqual(['d/ 755 0:0', 'd/a 644 0:0']);
  });

  it('makes a destination that is written as a directory like those above it, whatever the source is like', async () => {
    const source = tree('src', [entry('f')], { mode: 0o1777, uid: 5 });
    expect(await plan([source], '/new/', onto({}))).toEqual(['new/ 755 0:0', 'new/f 644 0:0']);
  });

  it('does not go round in a loop of symlinks', async () => {
    const below = onto({
      a: { type: 'symlink', linkname: 'b' },
      b: { type: 'symlink', linkname: '/a' },
    });
    await expect(plan([file('f')], '/a', below)).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringContaining('symlinks'),
    });
  });

  it('applies owner and mode to what it copies and to the directories that it makes, not to those that were there', async () => {
    const more = { chown: { uid: 7, gid: 8 }, chmod: () => 0o500 };
    const source = tree('src', [entry('f'), entry('l', 'symlink', { mode: 0o777, linkname: 'f' })]);
    expect(await plan([source], '/was/new', onto({ was: {} }), more)).toEqual([
      'was/ 755 0:0',
      'was/new/ 755 7:8',
      'was/new/f 500 7:8',
      'was/new/l 777 7:8',
    ]);
  });

  it('lets a later source replace what an earlier one put there', async () => {
    const planned = await plan(
      [tree('a', [entry('f')]), tree('b', [entry('f', 'file', { mode: 0o755 })])],
      '/app/',
      onto({}),
    );
    expect(planned).toEqual(['app/ 755 0:0', 'app/f 755 0:0']);
  });

  it.each<[string, { source: CopySource; selection: Selection }, string, Record<string, Partial<TreeEntry>>]>(
    [
      ['a file onto a directory below', tree('s', [entry('x')]), '/app', { app: {}, 'app/x': {} }],
      ['a directory onto a file', tree('s', []), '/app', { app: { type: 'file' } }],
      [
        'a directory onto a symlink below',
        tree('s', [entry('d', 'directory')]),
        '/app',
        { app: {}, 'app/d': { type: 'symlink', linkname: '/etc' } },
      ],
      [
        'into something that is a file',
        file('a'),
        '/etc/passwd/a',
        { etc: {}, 'etc/passwd': { type: 'file' } },
      ],
    ],
  )('refuses %s', async (_what, source, destination, below) => {
    await expect(plan([source], destination, onto(below))).rejects.toMatchObject({ code: 'context_invalid' });
  });

  it('walks a directory before its neighbours whose names continue its own', async () => {
    const source = tree('s', [entry('a-b'), entry('a', 'directory'), entry('a/z')]);
    expect(await plan([source], '/', onto({}))).toEqual(['a/ 755 0:0', 'a/z 644 0:0', 'a-b 644 0:0']);
  });
});
