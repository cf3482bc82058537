import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { diskUsage, removeTree, scanTree, writeUpperLayer } from '../../native/index.js';
import { mergedPicture, step } from './overlay-step.js';
import { applied, appliedTar, extract, hasPython, run, subdirectory, testDirectory } from './support.js';
import { sha256, tar } from './tar.js';

const base = tar([
  { path: 'etc/', type: '5' },
  { path: 'etc/passwd', data: 'root' },
  { path: 'etc/conf.d/', type: '5' },
  { path: 'etc/conf.d/a', data: 'a' },
  { path: 'etc/conf.d/b', data: 'b' },
  { path: 'etc/conf.d/sub/', type: '5' },
  { path: 'etc/conf.d/sub/deep', data: 'deep' },
  { path: 'bin', type: '2', link: 'usr/bin' },
  { path: 'usr/bin/', type: '5' },
  { path: 'usr/bin/tool', data: 'tool', mode: 0o4755 },
]);

interface Diffed {
  /** As the system tar lists the layer. */
  names: string[];
  blob: Buffer;
  archive: Buffer;
  upper: string;
  below: string;
  directory: string;
  after: Record<string, unknown>;
}

/** A step on the base, and the layer made of it; checks that the layer gives back what the step left. */
async function diffed(change: (root: string) => void, exclude: string[] = []): Promise<Diffed> {
  const directory = testDirectory();
  const below = await appliedTar(directory, base);
  const { upper, after } = await step(directory, [below], change);
  const path = join(directory, 'layer');
  const layer = await writeUpperLayer({ upper, lowers: [below], path, compression: 'gzip', exclude });
  const blob = readFileSync(path);
  const archive = gunzipSync(blob);
  expect(layer).toMatchObject({ digest: sha256(blob), diffId: sha256(archive), sizeBytes: blob.length });
  if (exclude.length === 0) {
    const again = await applied(directory, blob, { ...layer, lowers: [below] });
    expect(await mergedPicture(directory, [again, below])).toEqual(after);
  }
  const names = run(['tar', '-tzf', path]).split('\n').slice(0, -1);
  return { names, blob, archive, upper, below, directory, after };
}

describe('the layer of an upper directory', () => {
  it('is empty when nothing changed', async () => {
    expect((await diffed(() => {})).names).toEqual([]);
  });

  it('holds what is new with its parents, in byte order, whiteouts first', async () => {
    const { names } = await diffed((root) => {
      writeFileSync(join(root, 'etc/conf.d/z'), 'z');
      writeFileSync(join(root, 'etc/conf.d/B'), 'B');
      rmSync(join(root, 'etc/conf.d/b'));
      mkdirSync(join(root, 'new'));
    });
    expect(names).toEqual([
      'etc/',
      'etc/conf.d/',
      'etc/conf.d/.wh.b',
      'etc/conf.d/B',
      'etc/conf.d/z',
      'new/',
    ]);
  });

  it('drops what was only copied up: directories and files as they were before', async () => {
    const { names, upper } = await diffed((root) => {
      // Opened for writing and closed again; renamed there and back; times put back.
      closeSync(openSync(join(root, 'etc/passwd'), 'r+'));
      renameSync(join(root, 'usr/bin/tool'), join(root, 'usr/bin/x'));
      renameSync(join(root, 'usr/bin/x'), join(root, 'usr/bin/tool'));
    });
    expect(existsSync(join(upper, 'usr/bin/tool'))).toBe(true);
    expect(names).toEqual([]);
  });

  it('keeps a file whose content changed though its size and time did not', async () => {
    const { names } = await diffed((root) => {
      writeFileSync(join(root, 'etc/passwd'), 'toor');
      utimesSync(join(root, 'etc/passwd'), 1_600_000_000, 1_600_000_000);
    });
    expect(names).toEqual(['etc/', 'etc/passwd']);
  });

  it('keeps a file that was only touched', async () => {
    const { names } = await diffed((root) => utimesSync(join(root, 'etc/passwd'), 5, 5));
    expect(names).toEqual(['etc/', 'etc/passwd']);
  });

  it('keeps a directory whose mode changed', async () => {
    const { names } = await diffed((root) => chmodSync(join(root, 'etc/conf.d'), 0o700));
    expect(names).toEqual(['etc/', 'etc/conf.d/']);
  });

  it('says what an emptied and remade directory lost, without an opaque marker', async () => {
    const { names } = await diffed((root) => {
      rmSync(join(root, 'etc/conf.d'), { recursive: true });
      mkdirSync(join(root, 'etc/conf.d/sub'), { recursive: true });
      writeFileSync(join(root, 'etc/conf.d/b'), 'new b');
    });
    expect(names).toEqual([
      'etc/',
      'etc/conf.d/',
      'etc/conf.d/.wh.a',
      'etc/conf.d/b',
      'etc/conf.d/sub/',
      'etc/conf.d/sub/.wh.deep',
    ]);
  });

  it('replaces a directory by a file and a file by a directory', async () => {
    await diffed((root) => {
      rmSync(join(root, 'etc/conf.d'), { recursive: true });
      writeFileSync(join(root, 'etc/conf.d'), 'file');
      rmSync(join(root, 'etc/passwd'));
      mkdirSync(join(root, 'etc/passwd'));
      rmSync(join(root, 'bin'));
      mkdirSync(join(root, 'bin'));
      writeFileSync(join(root, 'bin/x'), 'x');
    });
  });

  it('writes the data of hard links once, also when the first name was there before', async () => {
    const { archive } = await diffed((root) => {
      writeFileSync(join(root, 'one'), 'x'.repeat(5000));
      linkSync(join(root, 'one'), join(root, 'two'));
      linkSync(join(root, 'etc/passwd'), join(root, 'etc/shadow'));
    });
    expect(archive.toString('latin1').split('x'.repeat(5000))).toHaveLength(2);
    const listed = run(['tar', '-tvf', '-'], archive);
    expect(listed).toMatch(/two link to one/);
    expect(listed).toMatch(/etc\/shadow link to etc\/passwd/);
  });

  it('makes no whiteout for what never was below', async () => {
    const { names } = await diffed((root) => {
      writeFileSync(join(root, 'etc/temporary'), '');
      rmSync(join(root, 'etc/temporary'));
    });
    expect(names).toEqual([]);
  });

  it('keeps setuid, symlinks, fifos, devices; cuts times to seconds', async () => {
    const { archive } = await diffed((root) => {
      writeFileSync(join(root, 'su'), 'su');
      chmodSync(join(root, 'su'), 0o6755);
      utimesSync(join(root, 'su'), 1000.75, 1000.75);
      symlinkSync('/nowhere', join(root, 'link'));
      run(['mkfifo', join(root, 'pipe')]);
      run(['mknod', join(root, 'null'), 'c', '1', '3']);
    });
    const listed = run(['tar', '--utc', '--full-time', '-tvf', '-'], archive);
    expect(listed).toMatch(/^-rwsr-sr-x .* 1970-01-01 00:16:40 su$/m);
    expect(listed).toMatch(/^crw.* 1,3 .* null$/m);
  });

  it('carries capabilities and user attributes, of files and directories', async () => {
    const entries = [
      { path: 'd/', type: '5', pax: { 'SCHILY.xattr.user.on-directory': 'yes' } },
      {
        path: 'd/ping',
        data: 'x',
        pax: {
          'SCHILY.xattr.security.capability':
            '\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00',
        },
      },
    ];
    const { archive } = await diffed((root) => extract(tar(entries), root));
    expect(archive.toString('latin1')).toContain('SCHILY.xattr.security.capability=');
    expect(archive.toString('latin1')).toContain('SCHILY.xattr.user.on-directory=yes');
  });

  it('leaves out sockets, and says that what one replaced is gone', async () => {
    const directory = testDirectory();
    const below = await appliedTar(directory, base);
    const upper = subdirectory(directory, 'upper');
    mkdirSync(join(upper, 'etc'));
    for (const path of ['socket', 'etc/passwd']) {
      const server = createServer().listen(join(upper, path));
      await new Promise((resolve) => server.once('listening', resolve));
      renameSync(join(upper, path), join(upper, `${path}.moved`));
      server.close();
      renameSync(join(upper, `${path}.moved`), join(upper, path));
    }
    const path = join(directory, 'layer');
    await writeUpperLayer({ upper, lowers: [below], path, compression: 'gzip' });
    expect(run(['tar', '-tzf', path]).trim().split('\n')).toEqual(['etc/', 'etc/.wh.passwd']);
  });

  it('leaves out the mount points of a step, but not what the step put into them', async () => {
    const { names } = await diffed(
      (root) => {
        mkdirSync(join(root, 'proc'));
        mkdirSync(join(root, 'run/lock'), { recursive: true });
        writeFileSync(join(root, 'run/lock/kept'), '');
        writeFileSync(join(root, 'etc/resolv.conf'), '');
      },
      ['proc', 'run', 'etc/resolv.conf'],
    );
    expect(names).toEqual(['run/', 'run/lock/', 'run/lock/kept']);
  });

  it('is the same for the same upper directory, byte for byte', async () => {
    const { upper, below, directory, blob } = await diffed((root) => {
      for (let i = 0; i < 200; i++) writeFileSync(join(root, `f${(i * 37) % 200}`), `${i}`.repeat(i * 10));
    });
    const path = join(directory, 'again');
    await writeUpperLayer({ upper, lowers: [below], path, compression: 'gzip' });
    expect(readFileSync(path).equals(blob)).toBe(true);
  });

  it('is refused when overlay redirected something: the files are not what the step saw', async () => {
    const directory = testDirectory();
    const upper = subdirectory(directory, 'upper');
    extract(tar([{ path: 'd/', type: '5', pax: { 'SCHILY.xattr.trusted.overlay.redirect': '/x' } }]), upper);
    const path = join(directory, 'layer');
    const attempt = writeUpperLayer({ upper, lowers: [], path, compression: 'gzip' });
    await expect(attempt).rejects.toMatchObject({ code: 'ENTRY_INVALID', path: 'd' });
    expect(existsSync(path)).toBe(false);
  });

  it('is refused when a file has the name of a whiteout', async () => {
    await expect(diffed((root) => writeFileSync(join(root, 'etc/.wh.x'), ''))).rejects.toMatchObject({
      path: 'etc/.wh.x',
    });
  });

  it('stops when it is cancelled, and leaves no file', async () => {
    const directory = testDirectory();
    const upper = subdirectory(directory, 'upper');
    for (let i = 0; i < 50; i++) appendFileSync(join(upper, `f${i}`), Buffer.alloc(1 << 20, i));
    const controller = new AbortController();
    const path = join(directory, 'layer');
    const attempt = writeUpperLayer({
      upper,
      lowers: [],
      path,
      compression: 'gzip',
      signal: controller.signal,
    });
    controller.abort(new Error('enough'));
    await expect(attempt).rejects.toThrow('enough');
    expect(existsSync(path)).toBe(false);
  });
});

it('gives no time after the newest that is allowed, in headers and in the digest', async () => {
  const directory = testDirectory();
  const upper = subdirectory(directory, 'upper');
  mkdirSync(join(upper, 'd'));
  writeFileSync(join(upper, 'd/f'), 'x');
  symlinkSync('f', join(upper, 'd/l'));
  writeFileSync(join(upper, 'old'), 'x');
  utimesSync(join(upper, 'old'), 1000, 1000);
  const written = async (newest: number) =>
    writeUpperLayer({ upper, lowers: [], path: join(directory, 'layer'), compression: 'none', newest });
  const layer = await written(5000);
  const listed = run(['tar', '--utc', '--full-time', '-tvf', join(directory, 'layer')]);
  expect(listed.match(/1970-01-01 \d\d:\d\d:\d\d \S+/g)).toEqual([
    '1970-01-01 01:23:20 d/',
    '1970-01-01 01:23:20 d/f',
    '1970-01-01 01:23:20 d/l',
    '1970-01-01 00:16:40 old',
  ]);
  utimesSync(join(upper, 'd/f'), 6000, 6000);
  expect(await written(5000)).toEqual(layer);
});

it.skipIf(!hasPython)(
  'refuses directories deeper than a path can name, and counts and removes them all the same',
  async () => {
    const directory = testDirectory();
    const upper = subdirectory(directory, 'upper');
    // A shell in the sandbox can do this: each step down is a short path of its own.
    run([
      'python3',
      '-c',
      'import os, sys\nos.chdir(sys.argv[1])\nfor i in range(25000): os.mkdir("d"); os.chdir("d")\nopen("f", "w").write("x" * 100000)',
      upper,
    ]);
    const attempt = writeUpperLayer({
      upper,
      lowers: [],
      path: join(directory, 'layer'),
      compression: 'none',
    });
    await expect(attempt).rejects.toMatchObject({ code: 'ENTRY_INVALID' });
    await expect(scanTree({ root: upper, path: '/', hash: false })).rejects.toMatchObject({
      code: 'ENTRY_INVALID',
    });
    expect(await diskUsage(upper)).toBeGreaterThan(100_000 + 25_000 * 4096);
    await removeTree(upper);
    expect(existsSync(upper)).toBe(false);
  },
);
