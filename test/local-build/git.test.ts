/** Local builds of git repositories. */
import { existsSync } from 'node:fs';
import { chmod, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { userEnvironment } from '../../src/local-build/git-access.js';
import { GitServer } from '../support/git-server.js';
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

  test('reads a repository that wants a token, and one by ssh without asking anybody', async () => {
    await newRepository(builds.path('secret'), { Dockerfile: 'FROM busybox\n' });
    const authorization = `basic ${Buffer.from('x-access-token:sesame').toString('base64')}`;
    const server = await GitServer.start(builds.path('secret'), { authorization });
    try {
      const env = { ...builds.terminal.env, GIT_AUTH_TOKEN: 'sesame' };
      const url = `${server.url}#main`;
      const refused = await builds.build([url]);
      expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('GIT_AUTH_TOKEN')]);
      const built = await builds.build([url, '--secret', 'id=GIT_AUTH_TOKEN'], { env });
      expect([built.code, built.err]).toEqual([0, expect.not.stringContaining('sesame')]);
    } finally {
      server.stop();
    }
    // In place of a server: what ssh is called with, and the repository that it would have reached.
    const ssh = builds.path('ssh-here');
    const said = builds.path('said');
    await writeFile(
      ssh,
      `#!/bin/sh\necho "$SSH_AUTH_SOCK $@" >> ${said}\nexec git-upload-pack ${builds.path('secret')}\n`,
    );
    await chmod(ssh, 0o755);
    const env = { ...builds.terminal.env, GIT_SSH: ssh };
    const built = await builds.build(['git@example.com:x/y.git#main', '--ssh', 'default=/agent'], { env });
    expect(built.code).toBe(0);
    expect(await builds.read('said')).toMatch(/^\/agent .*git@example\.com git-upload-pack 'x\/y\.git'$/m);
    expect(userEnvironment({}, undefined).GIT_SSH_COMMAND).toContain('BatchMode=yes');
  });

  test('lets a Dockerfile use the keys of whoever builds only with --ssh', async () => {
    await newRepository(builds.path('private'), { f: 'private' });
    const ssh = builds.path('ssh-added');
    const said = builds.path('said-added');
    await writeFile(
      ssh,
      `#!/bin/sh\necho asked >> ${said}\nexec git-upload-pack ${builds.path('private')}\n`,
    );
    await chmod(ssh, 0o755);
    await builds.write({
      'hostile/Dockerfile': 'FROM scratch\nADD git@example.com:me/private.git#main /x\n',
    });
    const env = { ...builds.terminal.env, GIT_SSH: ssh };
    const refused = await builds.build(['hostile'], { env });
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('--ssh default')]);
    expect(existsSync(said)).toBe(false);
    expect((await builds.build(['hostile', '--ssh', 'default=/agent'], { env })).code).toBe(0);
    // What is here by now is no way round it.
    expect((await builds.build(['hostile'], { env })).code).toBe(2);
  });

  test('dates an output by its commit', async () => {
    await newRepository(builds.path('dated'), { Dockerfile: 'FROM busybox\nRUN touch /now\n' });
    const argv = ['--build-arg', 'SOURCE_DATE_EPOCH=context'];
    const output = ['-o', 'type=oci,dest=dated.tar,rewrite-timestamp=true'];
    const built = await builds.build(['./dated#main', ...argv, ...output]);
    expect([built.code, built.err]).toEqual([0, expect.stringContaining('exporting')]);
    const refused = await builds.build(['dated', ...argv, ...output]);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('SOURCE_DATE_EPOCH')]);
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
