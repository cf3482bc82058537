/** Local builds of git repositories. */
import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newRepository } from '../support/remote-repository.js';
import { LocalBuilds } from './support.js';

describe('slipway build of a git repository', () => {
  let builds: LocalBuilds;
  beforeAll(async () => {
    builds = await LocalBuilds.start();
  });
  afterAll(() => builds.stop());

  test('has .git where it is asked for', async () => {
    const run = 'RUN cat /s/.git/HEAD || echo there is none\n';
    await newRepository(builds.path('a'), { Dockerfile: `FROM busybox\nCOPY . /s\n${run}` });
    const keeping = (value: string) => ['--build-arg', `BUILDKIT_CONTEXT_KEEP_GIT_DIR=${value}`];
    const kept = await builds.build(['./a#main', ...keeping('1')]);
    expect([kept.code, kept.err]).toEqual([0, expect.stringMatching(/\d [0-9a-f]{40}\n/)]);
    const plain = await builds.build(['./a#main', ...keeping('false')]);
    expect([plain.code, plain.err]).toEqual([0, expect.stringContaining(' there is none\n')]);
    expect((await builds.build(['./a#main', ...keeping('maybe')])).code).toBe(2);
  });

  test('forgets what it fetched and no build asked for in a day', async () => {
    await newRepository(builds.path('old'), { Dockerfile: 'FROM busybox\n' });
    await newRepository(builds.path('new'), { Dockerfile: 'FROM busybox\n' });
    const fetched = join(builds.store, 'git');
    expect((await builds.build(['./old#main'])).code).toBe(0);
    const before = await readdir(fetched);
    const yesterday = new Date(Date.now() - 25 * 60 * 60_000);
    for (const name of before) await utimes(join(fetched, name), yesterday, yesterday);
    expect((await builds.build(['./new#main'])).code).toBe(0);
    const after = await readdir(fetched);
    expect(after).toHaveLength(1);
    expect(before).not.toContain(after[0]);
  });
});
