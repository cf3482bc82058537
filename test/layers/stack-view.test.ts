import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mountedOverlay } from '../../src/layers/overlay.js';
import { StackView } from '../../src/layers/stack-view.js';
import { appliedTar, mountsBelow, subdirectory, testDirectory } from '../native/support.js';
import { tar } from '../native/tar.js';

async function stack(directory: string): Promise<string[]> {
  const low = await appliedTar(
    directory,
    tar([
      { path: './', type: '5', mode: 0o711 },
      { path: 'etc/passwd', data: 'low', uid: 3 },
      { path: 'etc/old', data: 'x' },
      { path: 'usr/lib/f', data: 'f' },
      { path: 'lib', type: '2', link: 'usr/lib' },
      { path: 'abs', type: '2', link: '/etc/passwd' },
      { path: 'out', type: '2', link: '../../../../etc' },
      { path: 'gone/x', data: 'x' },
    ]),
  );
  const top = await appliedTar(
    directory,
    tar([
      { path: 'etc/passwd', data: 'top' },
      { path: 'etc/.wh.old' },
      { path: 'etc/new', data: 'n' },
      { path: '.wh.gone' },
      { path: 'usr/lib/.wh..wh..opq' },
      { path: 'usr/lib/g', data: 'g' },
      { path: 'loop', type: '2', link: 'loop' },
    ]),
    [low],
  );
  return [top, low];
}

describe('the view of a stack of lay-outs', () => {
  it('shows what a mounted overlay shows', async () => {
    const directory = testDirectory();
    const lowers = await stack(directory);
    const view = new StackView(lowers);
    await using overlay = await mountedOverlay({ scratch: subdirectory(directory, 'scratch'), lowers });
    for (const path of ['', 'etc', 'usr/lib', 'usr'])
      expect(await view.readdir(path), path).toEqual(readdirSync(join(overlay.path, path)).sort());
    for (const path of [
      'etc/passwd',
      'etc/old',
      'etc/new',
      'gone',
      'gone/x',
      'usr/lib/f',
      'usr/lib/g',
      'lib/g',
      'none/x',
    ]) {
      expect((await view.stat(path)) !== undefined, path).toBe(existsSync(join(overlay.path, path)));
    }
    const passwd = statSync(join(overlay.path, 'etc/passwd'));
    expect(await view.lstat('etc/passwd')).toMatchObject({
      type: 'file',
      mode: passwd.mode & 0o7777,
      uid: passwd.uid,
      size: 3,
    });
  });

  it('follows symlinks inside the root only, and keeps what does not exist', async () => {
    const view = new StackView(await stack(testDirectory()));
    expect(await view.resolve('/lib/new/file')).toBe('usr/lib/new/file');
    expect(await view.resolve('abs')).toBe('etc/passwd');
    expect(await view.resolve('out/shadow')).toBe('etc/shadow');
    expect(await view.resolve('lib/../..')).toBe('');
    expect((await view.readFile('abs', 100))?.toString()).toBe('top');
    expect(await view.readFile('out', 100)).toBeUndefined();
    expect(await view.readFile('abs', 2)).toBeUndefined();
    await expect(view.resolve('loop')).rejects.toMatchObject({ code: 'context_invalid', where: 'loop' });
  });

  it('is empty without lay-outs', async () => {
    const view = new StackView([]);
    expect(await view.stat('etc')).toBeUndefined();
    expect(await view.readdir('/')).toEqual([]);
  });
});

describe('a mounted overlay', () => {
  it('goes away with its scope, also when the scope fails', async () => {
    const directory = testDirectory();
    const lowers = await stack(directory);
    const attempt = async (): Promise<void> => {
      await using overlay = await mountedOverlay({
        scratch: directory,
        lowers,
        upper: join(directory, 'upper'),
      });
      expect(mountsBelow(directory)).toEqual([overlay.path]);
      throw new Error('the step failed');
    };
    await expect(attempt()).rejects.toThrow('the step failed');
    expect(mountsBelow(directory)).toEqual([]);
  });

  it('has the root metadata of the lay-out below', async () => {
    const directory = testDirectory();
    const [, low] = await stack(directory);
    await using overlay = await mountedOverlay({
      scratch: directory,
      lowers: [low!],
      upper: join(directory, 'upper'),
    });
    expect(statSync(overlay.path).mode & 0o777).toBe(0o711);
  });

  it('shows an empty directory for nothing at all', async () => {
    await using overlay = await mountedOverlay({ scratch: testDirectory(), lowers: [] });
    expect(readdirSync(overlay.path)).toEqual([]);
  });
});
