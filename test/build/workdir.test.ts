import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Destination, type TreeEntry } from '../../src/build/copy/destination.js';
import { planWorkdir } from '../../src/build/steps/workdir-step.js';
import { TestBuilder } from '../support/builder.js';
import { filesOf } from '../support/image-files.js';

const directory: TreeEntry = { type: 'directory', mode: 0o750, uid: 3, gid: 4, mtime: 7 };

function onto(existing: Record<string, Partial<TreeEntry>>): Destination {
  const entries = Object.entries(existing).map(([path, more]) => [path, { ...directory, ...more }] as const);
  return new Destination({ lstat: async () => undefined }, new Map(entries));
}

async function plan(path: string, below: Destination): Promise<string[]> {
  const planned = await planWorkdir(path, { uid: 9, gid: 8 }, below);
  return planned.map(({ entry: at }) => `${at.path} ${at.type} ${at.mode.toString(8)} ${at.uid}:${at.gid}`);
}

describe('WORKDIR', () => {
  it('makes what is missing as the user, and keeps what is there', async () => {
    expect(await plan('/srv/app/in', onto({ srv: {} }))).toEqual([
      'srv directory 750 3:4',
      'srv/app directory 755 9:8',
      'srv/app/in directory 755 9:8',
    ]);
  });

  it('makes an empty layer when the directory is there, also by a symlink', async () => {
    const below = onto({ srv: {}, 'srv/app': {}, link: { type: 'symlink', linkname: 'srv' } });
    expect(await plan('/srv/app', below)).toEqual([]);
    expect(await plan('/link/app', below)).toEqual([]);
    expect(await plan('/', below)).toEqual([]);
  });

  it.each(['/etc/passwd', '/etc/passwd/below'])('never makes a directory of a file: %s', async (path) => {
    const below = onto({ etc: {}, 'etc/passwd': { type: 'file' } });
    await expect(plan(path, below)).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringContaining('"/etc/passwd" is not a directory'),
    });
  });
});

describe('WORKDIR of a build', () => {
  let builder: TestBuilder;
  beforeAll(async () => {
    builder = await TestBuilder.start();
  });
  afterAll(() => builder.stop());

  it('belongs to the USER of its line, whom nobody needs to know', async () => {
    const lines = [
      'FROM busybox',
      'USER app',
      'WORKDIR /a',
      'USER 7',
      'WORKDIR /b',
      'USER nosuch',
      'WORKDIR /c',
    ];
    const { image } = await builder.build(await builder.commit({ Dockerfile: lines.join('\n') }));
    const files = await filesOf(image, builder.store);
    const owner = (path: string): unknown => [files.get(path)?.uid, files.get(path)?.gid];
    expect([owner('a'), owner('b'), owner('c')]).toEqual([
      [1000, 1000],
      [7, 7],
      [0, 0],
    ]);
  });
});
