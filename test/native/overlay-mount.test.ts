import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mountOverlay, unmount } from '../../native/index.js';
import { mountsBelow, openBelow, run, subdirectory, testDirectory } from './support.js';

describe('an overlay mount', () => {
  it('takes 120 lay-outs with long names, the top one first', async () => {
    const parent = subdirectory(testDirectory(), 'x'.repeat(200));
    const lowers = Array.from({ length: 120 }, (_, i) => subdirectory(parent, `${i}-${'y'.repeat(60)}`));
    lowers.forEach((lower, i) => {
      writeFileSync(join(lower, `only-${i}`), '');
      writeFileSync(join(lower, 'shared'), `${i}`);
    });
    const target = subdirectory(parent, 'target');
    await mountOverlay({ target, lowers });
    expect(readdirSync(target)).toHaveLength(121);
    expect(readFileSync(join(target, 'shared'), 'utf8')).toBe('0');
    await unmount(target);
    expect(readdirSync(target)).toEqual([]);
    expect(openBelow(parent)).toEqual([]);
  });

  it('is read-only without an upper directory, also over a single lay-out or one with odd characters', async () => {
    const directory = testDirectory();
    const lower = subdirectory(directory, 'a:b,c\\d e');
    writeFileSync(join(lower, 'f'), 'f');
    const target = subdirectory(directory, 'target');
    await mountOverlay({ target, lowers: [lower] });
    expect(readdirSync(target)).toEqual(['f']);
    expect(() => writeFileSync(join(target, 'g'), '')).toThrow(/EROFS/);
  });

  it('keeps changes in the upper directory, also with nothing below', async () => {
    const directory = testDirectory();
    const [target, upper, work] = ['target', 'upper', 'work'].map((name) =>
      subdirectory(directory, name),
    ) as [string, string, string];
    await mountOverlay({ target, lowers: [], upper, work });
    writeFileSync(join(target, 'f'), 'f');
    await unmount(target);
    expect(readdirSync(upper)).toEqual(['f']);
  });

  it('is private and opens no device nodes, and renames of merged directories copy nothing behind our back', async () => {
    const directory = testDirectory();
    const lower = subdirectory(directory, 'lower');
    mkdirSync(join(lower, 'd'));
    run(['mknod', join(lower, 'zero'), 'c', '1', '5']);
    const [target, upper, work] = ['target', 'upper', 'work'].map((name) =>
      subdirectory(directory, name),
    ) as [string, string, string];
    await mountOverlay({ target, lowers: [lower], upper, work });
    const line =
      readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .find((text) => text.includes(` ${target} `)) ?? '';
    const [before = '', after = ''] = line.split(' - ');
    expect(before).not.toMatch(/shared:|master:/);
    expect(before).toMatch(/nodev/);
    expect(after).toMatch(/volatile/);
    expect(after).not.toMatch(/redirect_dir=(on|follow)|metacopy=on|index=on/);
    expect(() => readFileSync(join(target, 'zero'))).toThrow(/EACCES/);
  });

  it('is refused where the target has something in it that would count as a layer', async () => {
    const directory = testDirectory();
    const lower = subdirectory(directory, 'lower');
    const target = subdirectory(directory, 'target');
    writeFileSync(join(target, 'f'), '');
    await expect(mountOverlay({ target, lowers: [lower] })).rejects.toMatchObject({
      code: 'ENOTEMPTY',
      path: target,
    });
  });

  it('names the directory that is missing', async () => {
    const directory = testDirectory();
    const missing = join(directory, 'missing');
    await expect(mountOverlay({ target: directory, lowers: [missing] })).rejects.toMatchObject({
      code: 'ENOENT',
      path: missing,
    });
    await expect(mountOverlay({ target: directory, lowers: [] })).rejects.toThrow(TypeError);
    await expect(mountOverlay({ target: directory, lowers: [directory], upper: directory })).rejects.toThrow(
      TypeError,
    );
  });

  it('is unmounted though a file in it is open, and unmounting twice is fine', async () => {
    const directory = testDirectory();
    const lower = subdirectory(directory, 'lower');
    writeFileSync(join(lower, 'f'), 'f');
    const target = subdirectory(directory, 'target');
    await mountOverlay({ target, lowers: [lower] });
    const file = await open(join(target, 'f'));
    await unmount(target);
    expect(mountsBelow(directory)).toEqual([]);
    expect(existsSync(join(target, 'f'))).toBe(false);
    await file.close();
    await unmount(target);
    await unmount(join(directory, 'never'));
  });
});
