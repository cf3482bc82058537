/** What a Dockerfile may ask for, by way of a push: secrets, cache mounts, lint, the shared cache, and what is refused. */
import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import { until } from '../support/until.js';
import { type LiveApp, LivePlatform, page } from './support/live.js';

const SERVED = ['EXPOSE 8080', 'CMD ["httpd", "-f", "-p", "8080", "-h", "/srv"]', ''];

/** A Dockerfile that serves what its lines leave in /srv. */
function serving(...lines: string[]): { Dockerfile: string } {
  return { Dockerfile: ['FROM busybox', 'WORKDIR /srv', ...lines, ...SERVED].join('\n') };
}

describe('a push in the whole language', () => {
  let live: LivePlatform;
  beforeAll(async () => {
    live = await LivePlatform.start();
  });
  afterAll(async () => {
    await live?.stop();
  }, 60_000);

  it('gives a step the config var that it names as a secret, and shows its value nowhere', async () => {
    const value = 'not-for-any-eye-8271';
    const app = await live.app(
      'secret',
      serving(
        'RUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN; sha256sum < /run/secrets/TOKEN > index.html',
        'RUN ! test -e /run/secrets/TOKEN && test -z "$TOKEN"',
      ),
    );
    await app.slipway('config:set', `TOKEN=${value}`);
    const { exitCode, output } = await app.push();
    expect(exitCode, output).toBe(0);
    expect((await app.page()).body).toContain(createHash('sha256').update(value).digest('hex'));
    expect(output).toContain('| ***');
    for (const told of [
      output,
      await app.slipway('builds:output'),
      await app.slipway('builds:why', '--json'),
    ])
      expect(told).not.toContain(value);
    const stored = await storedImage(live, app);
    expect(stored).toContain('run/secrets/TOKEN');
    expect(stored).not.toContain(value);
  });

  it('names the line of a secret that the app does not have, and how to set it', async () => {
    const app = await live.app('unset', serving('RUN --mount=type=secret,id=NPM_KEY,required true'));
    const { exitCode, output } = await app.push();
    expect(exitCode).toBe(1);
    expect(output).toContain('Dockerfile:3');
    expect(output).toContain('slipway config:set NPM_KEY=');
  });

  it('keeps a cache mount when the builder is killed in the step that writes to it', async () => {
    const runs = (text: string, then = 'true'): { Dockerfile: string } =>
      serving(
        `RUN --mount=type=cache,target=/cache echo ${text} >> /cache/runs; ${then}; cp /cache/runs index.html`,
      );
    const app = await live.app('cached', runs('one'));
    expect(await app.push()).toMatchObject({ exitCode: 0 });
    await app.commit(runs('two', 'echo written; sleep 3'));
    const push = app.startPush();
    await push.says('| written');
    await live.kill('builder');
    const { output } = await push.ended;
    await until(async () => (await app.builds())[0]?.state === 'live', 60_000);
    expect((await app.page()).body.trim().split('\n'), output).toEqual(['one', 'two', 'two']);
  }, 120_000);

  it('warns of what the linter finds, by its line, and says why each step ran', async () => {
    const app = await live.app('linted', page('one', 'ENV GREETING hello'));
    const first = await app.push();
    expect(first.exitCode, first.output).toBe(0);
    expect(first.output).toMatch(/warning: LegacyKeyValueFormat: .* \(line 3\)/);
    expect(await app.slipway('builds:why')).toMatch(/2\/2 .* executed .* it has not been built before/);
    await app.commit(page('two', 'ENV GREETING hello'));
    expect((await app.push()).exitCode).toBe(0);
    const why = await app.slipway('builds:why');
    expect(why).toMatch(/1\/2 .* CACHED .* WORKDIR \/srv/);
    expect(why).toMatch(/2\/2 .* executed .* COPY index.html \. .* "index.html" changed/);
  });

  it('fails a push whose Dockerfile asks for it by check=error=true', async () => {
    const { Dockerfile } = serving('ENV GREETING hello');
    const app = await live.app('strict', { Dockerfile: `# check=error=true\n${Dockerfile}` });
    const { exitCode, output } = await app.push();
    expect(exitCode).toBe(1);
    expect(output).toContain('Dockerfile:4: 1 warning fails the build');
  });

  it('builds with an empty store what another builder has built, without executing a step', async () => {
    const lines = [
      'RUN cat /proc/sys/kernel/random/uuid > made',
      'COPY extra extra',
      'COPY --from=0 /bin/sh sh',
    ];
    const app = await live.app('shared', {
      Dockerfile: `FROM busybox\nFROM busybox\nWORKDIR /srv\n${lines.join('\n')}\nRUN cat made extra > index.html\n${SERVED.join('\n')}`,
      extra: 'extra\n',
    });
    expect((await app.push()).exitCode).toBe(0);
    const before = await app.page();
    await until(async () => (await registry(live, 'apps/shared/manifests/slipway-cache')).ok, 30_000);

    const { store } = homePaths(live.home);
    // What a killed builder's sandbox left is for its successor to end.
    const rooms = (await readdir(store)).filter((room) => room !== 'sandbox');
    expect(rooms).toContain('layers');
    for (const room of rooms) await rm(join(store, room), { recursive: true });
    await live.kill('builder');

    await app.commit({});
    const { exitCode, output } = await app.push();
    expect(exitCode, output).toBe(0);
    expect(output).toContain('CACHED (registry)');
    expect((await app.builds())[0]).toMatchObject({ state: 'live', steps: { cached: 5, total: 5 } });
    expect((await app.page()).body).toBe(before.body);
  }, 120_000);

  it('shows the step that failed: its output, its exit code, its line and the lines around', async () => {
    const app = await live.app('failing', serving('ENV A=1', 'RUN echo before it; exit 42'));
    const { exitCode, output } = await app.push();
    expect(exitCode).toBe(1);
    expect(output).toContain('| before it');
    expect(output).toMatch(/Dockerfile:4: RUN echo before it; exit 42: .*exit code 42/);
    expect(output).toMatch(
      /3 \| +ENV A=1 *\n.* 4 \| >>> RUN echo before it; exit 42 *\n.* 5 \| +EXPOSE 8080/,
    );
  });

  it('shows the line that cannot be read, and what was probably meant', async () => {
    const app = await live.app('unread', serving('ENV A=1', 'COPY --form=busybox /bin/sh /sh'));
    const { exitCode, output } = await app.push();
    expect(exitCode).toBe(1);
    expect(output).toMatch(/Dockerfile:4: .*--form/);
    expect(output).toContain('--from');
    expect(output).toContain('4 | >>> COPY --form=busybox /bin/sh /sh');
  });

  it('sees files as a checkout of the commit has them', async () => {
    const app = await live.app('crlf', {
      ...page('as checked out'),
      '.gitattributes': '*.html text eol=crlf\n',
    });
    const { exitCode, output } = await app.push();
    expect(exitCode, output).toBe(0);
    expect((await app.page()).body).toBe('as checked out\r\n');
  });

  it('refuses a pointer of Git LFS by its path, and takes it where the image does not need it', async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'1'.repeat(64)}\nsize 123456\n`;
    const app = await live.app('lfs', {
      ...serving('COPY . .'),
      'index.html': 'without it\n',
      '.gitattributes': '*.psd filter=lfs diff=lfs merge=lfs -text\n',
      'art/logo.psd': pointer,
    });
    const { exitCode, output } = await app.push();
    expect(exitCode).toBe(1);
    expect(output).toContain('"art/logo.psd" is in Git LFS');
    expect(output).toContain('Dockerfile:3');
    await app.commit({ '.dockerignore': '**/*.psd\n' });
    const without = await app.push();
    expect(without.exitCode, without.output).toBe(0);
    expect((await app.page()).body).toContain('without it');
  });

  it('refuses a submodule by its path, and takes it where the image does not need it', async () => {
    const app = await live.app('modules', {
      ...serving('COPY . .'),
      'index.html': 'without it\n',
      '.gitmodules': '[submodule "lib"]\n\tpath = vendor/lib\n\turl = https://example.com/lib.git\n',
    });
    const gitlink = `160000,${'1'.repeat(40)},vendor/lib`;
    await app.git('update-index', '--add', '--cacheinfo', gitlink);
    await app.git('commit', '--quiet', '--message', 'a submodule');
    const { exitCode, output } = await app.push();
    expect(exitCode).toBe(1);
    expect(output).toContain('"vendor/lib" is a git submodule');
    expect(output).toContain('example.com/lib.git');
    await app.commit({ '.dockerignore': 'vendor\n' });
    await app.git('update-index', '--add', '--cacheinfo', gitlink);
    await app.git('commit', '--quiet', '--allow-empty', '--message', 'the submodule again');
    const without = await app.push();
    expect(without.exitCode, without.output).toBe(0);
  });
});

function registry(live: LivePlatform, path: string): Promise<Response> {
  return fetch(`http://${live.platform.config.registry.host}/v2/${path}`, {
    headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
  });
}

/** The whole of the app's newest image as the registry has it: manifest, config and unpacked layers, one after the other. */
async function storedImage(live: LivePlatform, app: LiveApp): Promise<string> {
  const [release] = await app.releases();
  const { repository = '', digest = '' } = release?.image ?? {};
  const manifest = await (await registry(live, `${repository}/manifests/${digest}`)).text();
  const { config, layers } = JSON.parse(manifest) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  const blob = async (of: { digest: string }): Promise<Buffer> =>
    Buffer.from(await (await registry(live, `${repository}/blobs/${of.digest}`)).arrayBuffer());
  const unpacked = await Promise.all(layers.map(async (layer) => gunzipSync(await blob(layer))));
  return [manifest, await blob(config), ...unpacked].map((part) => part.toString('latin1')).join('\n');
}
