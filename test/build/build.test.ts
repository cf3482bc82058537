import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBuilderStore } from '../../src/build/builder-store.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { type Files, TestBuilder } from '../support/builder.js';
import { filesOf } from '../support/image-files.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

/** A commit with just these files. */
async function commitOnly(files: Files): Promise<string> {
  const gone = Object.fromEntries(
    (await readdir(join(builder.gitDir, '..'))).filter((name) => name !== '.git').map((name) => [name, null]),
  );
  return builder.commit({ ...gone, ...files });
}

const dockerfile = (...lines: string[]): string => `${lines.join('\n')}\n`;

async function failure(
  files: Files,
  options: Parameters<TestBuilder['build']>[1] = {},
): Promise<Error & { code: string; where?: string; hint?: string; log: string }> {
  const built = builder.build(await commitOnly(files), options);
  return built.then(
    () => expect.unreachable('the build should have failed'),
    (error) => error,
  );
}

describe('a build', () => {
  it('makes an image from a Dockerfile with several stages', async () => {
    const commit = await commitOnly({
      Dockerfile: dockerfile(
        'FROM busybox AS build',
        'WORKDIR /src',
        'COPY . .',
        'RUN cat words.txt | tr a-z A-Z > out.txt',
        'FROM busybox',
        'ENV MODE=production',
        'COPY --from=build --chown=app /src/out.txt /srv/',
        'EXPOSE 8080',
        'CMD ["cat", "/srv/out.txt"]',
      ),
      'words.txt': 'hello\n',
    });
    const { image, steps } = await builder.build(commit);
    expect(steps).toEqual({ cached: 0, total: 4 });
    expect(image.document.config).toMatchObject({
      Cmd: ['cat', '/srv/out.txt'],
      Env: ['PATH=/bin', 'MODE=production'],
      ExposedPorts: { '8080/tcp': {} },
    });
    expect(image.document.rootfs?.diff_ids).toHaveLength(2);
    const files = await filesOf(image, builder.store);
    expect(files.get('srv/out.txt')).toMatchObject({ text: 'HELLO\n', uid: 1000, gid: 1000, mode: 0o644 });
    expect(files.has('src')).toBe(false);
  });

  it('says what the Dockerfile could do better, knowing the variables of its base and what is ignored', async () => {
    const commit = await commitOnly({
      Dockerfile: dockerfile('FROM busybox as made', 'COPY $PATH* $nothing words.txt /d/', 'MAINTAINER me'),
      '.dockerignore': 'words.tx?\n!words.txt\n',
      'words.txt': '',
    });
    const { log } = await builder.build(commit, { buildArgs: { UNUSED: '1' } }).catch((error) => error);
    expect(log).toContain("warning: FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)");
    expect(log).toContain("warning: UndefinedVar: Usage of undefined variable '$nothing' (line 2)");
    expect(log).toContain('warning: MaintainerDeprecated');
    expect(log).not.toContain("'$PATH'");
    expect(log).not.toContain('CopyIgnoredFile');
    expect(log).toContain('no ARG takes the build args UNUSED');
  });

  it('fails on a warning where the Dockerfile asks for that, before anything runs', async () => {
    const files = {
      Dockerfile: dockerfile('# check=error=true', 'FROM busybox', 'RUN exit 3', 'MAINTAINER me'),
    };
    expect(await failure(files)).toMatchObject({
      code: 'dockerfile_invalid',
      where: 'Dockerfile:4',
      message: expect.stringContaining('MaintainerDeprecated'),
      log: expect.not.stringContaining('RUN exit 3'),
    });
  });

  it('has one history entry an instruction, and as many that are not empty as it has layers', async () => {
    const commit = await commitOnly({
      Dockerfile: dockerfile(
        'FROM busybox',
        'ARG A=1',
        'ENV B=2',
        'WORKDIR /w',
        'RUN true',
        'COPY a .',
        'CMD ["sh"]',
      ),
      a: '',
    });
    const { image } = await builder.build(commit);
    const { history = [], rootfs } = image.document;
    expect(history.map((entry) => entry.created_by)).toEqual([
      'busybox',
      'ARG A=1',
      'ENV B=2',
      'WORKDIR /w',
      'RUN |1 A=1 /bin/sh -c true # buildkit',
      'COPY a . # buildkit',
      'CMD ["sh"]',
    ]);
    expect(history.filter((entry) => entry.empty_layer !== true)).toHaveLength(rootfs?.diff_ids.length ?? 0);
  });

  it('starts from scratch, where nothing is but what is copied', async () => {
    const { image } = await builder.build(
      await commitOnly({ Dockerfile: dockerfile('FROM scratch', 'COPY a /b'), a: 'x' }),
    );
    expect([...(await filesOf(image, builder.store)).keys()]).toEqual(['b']);
  });

  it('builds only the stages that the last one needs', async () => {
    const { log } = await builder.build(
      await commitOnly({
        Dockerfile: dockerfile('FROM nowhere.invalid/x AS unused', 'RUN false', 'FROM busybox', 'RUN true'),
      }),
    );
    expect(log).not.toContain('nowhere');
  });

  it("keeps a symlink's target and the execute bit, and nothing else of a file's mode", async () => {
    const commit = await commitOnly({
      Dockerfile: dockerfile('FROM scratch', 'COPY d /d/'),
      'd/run': { text: '#!', mode: 0o700 },
      'd/link': { link: '../../etc/passwd' },
    });
    const files = await filesOf((await builder.build(commit)).image, builder.store);
    expect(files.get('d/run')).toMatchObject({ mode: 0o755, uid: 0 });
    expect(files.get('d/link')).toMatchObject({ linkname: '../../etc/passwd' });
  });

  it('runs as the USER, in the WORKDIR, with ENV and ARG', async () => {
    const commit = await commitOnly({
      Dockerfile: dockerfile(
        'FROM busybox',
        'ARG WHO=you',
        'ENV GREETING=hi',
        'WORKDIR /home/app',
        'RUN chown app .',
        'USER app',
        'RUN echo "$GREETING $WHO $(id -un) $(pwd)" > said',
      ),
    });
    const files = await filesOf((await builder.build(commit)).image, builder.store);
    expect(files.get('home/app/said')).toMatchObject({ text: 'hi you app /home/app\n', uid: 1000 });
  });

  it('gives copied files a fresh time inside a RUN, since make and cargo compare times, but not in the layer', async () => {
    const commit = await commitOnly({
      Dockerfile: dockerfile(
        'FROM busybox',
        'RUN touch -d @$(($(date +%s) - 2)) /product',
        'COPY source /source',
        'RUN test /source -nt /product',
      ),
      source: 'x',
    });
    const { image } = await builder.build(commit);
    expect((await filesOf(image, builder.store)).get('source')?.mtime).toBe(315_532_800);
  });

  it('leaves what it mounts for a RUN out of the layer', async () => {
    const { image } = await builder.build(
      await commitOnly({
        Dockerfile: dockerfile('FROM busybox', 'RUN cat /etc/resolv.conf /etc/hosts > /seen'),
      }),
    );
    const files = await filesOf(image, builder.store);
    expect(files.get('seen')?.text).toContain('localhost');
    expect(files.has('etc/resolv.conf')).toBe(false);
    expect(files.has('etc/hosts')).toBe(false);
  });

  it('removes with a RUN what a layer below brought', async () => {
    const commit = await commitOnly({
      Dockerfile: dockerfile('FROM busybox', 'COPY d /d', 'RUN rm -r /d/gone && mv /d/a /d/b'),
      'd/a': 'a',
      'd/gone/x': '',
    });
    const files = await filesOf((await builder.build(commit)).image, builder.store);
    expect([...files.keys()].filter((path) => path.startsWith('d'))).toEqual(
      expect.arrayContaining(['d', 'd/b']),
    );
    expect(files.has('d/a')).toBe(false);
    expect(files.has('d/gone')).toBe(false);
  });

  it('puts the files of heredocs where RUN and COPY want them', async () => {
    const commit = await commitOnly({
      Dockerfile: dockerfile(
        'FROM busybox',
        'RUN <<EOF',
        'echo one > /a',
        'echo two >> /a',
        'EOF',
        'COPY <<"F" /etc/motd',
        'hi $USER',
        'F',
      ),
    });
    const files = await filesOf((await builder.build(commit)).image, builder.store);
    expect(files.get('a')?.text).toBe('one\ntwo\n');
    expect(files.get('etc/motd')?.text).toBe('hi $USER\n');
  });
});

describe('the cache', () => {
  const files = {
    Dockerfile: dockerfile(
      'FROM busybox',
      'WORKDIR /app',
      'COPY package.json .',
      'RUN cat package.json > installed',
      'COPY . .',
      'RUN cat src/main.js > built',
      'CMD ["sh"]',
    ),
    'package.json': '{}',
    'src/main.js': 'one',
    'docs/readme': 'x',
    '.dockerignore': 'docs\n',
  };
  const total = 5;

  it('executes nothing when nothing changed, and the image is the same', async () => {
    const first = await builder.build(await commitOnly(files));
    const again = await builder.build(await builder.commit({}));
    expect(again.steps).toEqual({ cached: total, total });
    expect(again.image.digest).toBe(first.image.digest);
  });

  it('executes nothing when only an ignored file changed', async () => {
    await builder.build(await commitOnly(files));
    const again = await builder.build(await builder.commit({ 'docs/readme': 'other' }));
    expect(again.steps).toEqual({ cached: total, total });
  });

  it('starts again at the first step that sees a change, and names the file', async () => {
    await builder.build(await commitOnly(files));
    const { steps, log, image } = await builder.build(
      await builder.commit({ 'src/main.js': `changed ${Date.now()}` }),
    );
    expect(steps).toEqual({ cached: 3, total });
    expect(log).toContain('not cached: "." changed: src/main.js');
    expect(log).toContain('not cached: the result of the steps above changed');
    expect((await filesOf(image, builder.store)).get('app/built')?.text).toContain('changed');
  });

  it('names the instruction or the ARG that changed', async () => {
    const lines = (text: string): string => dockerfile('FROM busybox', 'ARG V', text);
    await builder.build(await commitOnly({ Dockerfile: lines('RUN echo one') }));
    expect((await builder.build(await commitOnly({ Dockerfile: lines('RUN echo two') }))).log).toContain(
      'the instruction changed',
    );
    const commit = await commitOnly({ Dockerfile: lines('RUN echo two') });
    expect((await builder.build(commit, { buildArgs: { V: '1' } })).log).toContain('ARG or ENV V is new');
    expect((await builder.build(commit, { buildArgs: { V: '2' } })).log).toContain('ARG or ENV V changed');
  });

  it('knows a step again that lines above have moved, and names all that changed', async () => {
    const lines = (...above: string[]): string =>
      dockerfile('FROM busybox', ...above, 'ARG V', 'COPY a /a', 'RUN cat /a > /copy');
    await builder.build(await commitOnly({ Dockerfile: lines(), a: '1' }));
    const commit = await commitOnly({ Dockerfile: lines('RUN echo more > /more'), a: '2' });
    const { log } = await builder.build(commit, { buildArgs: { V: '1' } });
    expect(log.match(/not cached: .*/g)).toEqual([
      'not cached: it has not been built before',
      'not cached: "a" changed, the result of the steps above is new, the base image is gone',
      'not cached: ARG or ENV V is new, the result of the steps above changed',
    ]);
  });

  it('is rejoined by a stage that was rebuilt with the same result', async () => {
    const lines = (comment: string): string =>
      dockerfile(
        'FROM busybox AS gen',
        `RUN echo ${comment} > /dev/null; echo same > /out && touch -d @0 /out`,
        'FROM busybox',
        'COPY --from=gen /out /out',
        'RUN cat /out > /copy',
      );
    await builder.build(await commitOnly({ Dockerfile: lines('a') }));
    const { steps } = await builder.build(await commitOnly({ Dockerfile: lines('b') }));
    expect(steps).toEqual({ cached: 2, total: 3 });
  });

  it('is passed over with no-cache, and the result is stored all the same', async () => {
    const commit = await commitOnly(files);
    await builder.build(commit);
    const fresh = await builder.build(commit, { noCache: true });
    expect(fresh.steps.cached).toBe(0);
    expect(fresh.log).toContain('no-cache was asked for');
    expect((await builder.build(commit)).image.digest).toBe(fresh.image.digest);
  });

  it('makes the same layers in an empty store, as far as no RUN made them', async () => {
    const commit = await commitOnly({
      Dockerfile: dockerfile('FROM busybox', 'WORKDIR /w', 'COPY . .', 'COPY --from=busybox /bin/busybox /b'),
      a: 'x',
      'd/e': 'y',
    });
    const first = await builder.build(commit);
    const directory = await mkdtemp(join(tmpdir(), 'slipway-store-'));
    try {
      const store = await openBuilderStore(directory, DEFAULT_LIMITS);
      const second = await builder.build(commit, { store });
      expect(second.steps.cached).toBe(0);
      expect(second.image.digest).toBe(first.image.digest);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('runs a step again whose blob the store has lost', async () => {
    const commit = await commitOnly({ Dockerfile: dockerfile('FROM busybox', 'RUN echo lost > /lost') });
    const { image } = await builder.build(commit);
    await builder.store.blobs.remove(image.layers.at(-1)?.digest ?? '');
    const again = await builder.build(commit);
    expect(again.steps.cached).toBe(0);
    expect(again.log).toContain('no longer in the cache');
  });
});

describe('a build that cannot be', () => {
  it('says that there is no Dockerfile', async () => {
    expect(await failure({ a: '' })).toMatchObject({
      code: 'dockerfile_missing',
      message: 'there is no Dockerfile in the commit',
    });
  });

  it.each<[string, string, { code: string; where?: string; message: RegExp }]>([
    ['an empty Dockerfile', '', { code: 'dockerfile_invalid', message: /no instructions/ }],
    ['only comments', '# nothing\n', { code: 'dockerfile_invalid', message: /no instructions/ }],
    [
      'an unknown instruction',
      dockerfile('FROM busybox', 'RUNN true'),
      { code: 'dockerfile_invalid', where: 'Dockerfile:2', message: /RUNN/ },
    ],
    [
      'an unknown stage',
      dockerfile('FROM busybox', 'COPY --from=biuld /a /b'),
      { code: 'registry_unavailable', where: 'Dockerfile:2', message: /biuld/ },
    ],
    [
      'a stage that comes later',
      dockerfile('FROM busybox AS a', 'COPY --from=1 /a /b', 'FROM busybox', 'COPY --from=a /b /b'),
      { code: 'dockerfile_invalid', where: 'Dockerfile:2', message: /stage/ },
    ],
    [
      'a COPY of a file that is not there',
      dockerfile('FROM busybox', 'COPY no.txt /'),
      { code: 'source_missing', where: 'Dockerfile:2', message: /"no\.txt" is not in the commit/ },
    ],
    [
      'a COPY from a stage of a file that is not there',
      dockerfile('FROM busybox AS a', 'FROM busybox', 'COPY --from=a /no /'),
      { code: 'source_missing', where: 'Dockerfile:3', message: /not in the stage "a"/ },
    ],
    [
      'a RUN that fails',
      dockerfile('FROM busybox', 'RUN exit 3'),
      {
        code: 'step_failed',
        where: 'Dockerfile:2',
        message: /RUN exit 3: the command ended with exit code 3/,
      },
    ],
    [
      'a command that is not there',
      dockerfile('FROM busybox', 'RUN ["/no/such", "x"]'),
      { code: 'step_failed', where: 'Dockerfile:2', message: /no\/such/ },
    ],
    [
      'a USER that is not there',
      dockerfile('FROM busybox', 'USER nobodyatall', 'RUN true'),
      { code: 'step_failed', where: 'Dockerfile:3', message: /nobodyatall/ },
    ],
    [
      'a --chown of a name that is not there',
      dockerfile('FROM busybox', 'COPY --chown=ghost Dockerfile /'),
      { code: 'step_failed', where: 'Dockerfile:2', message: /ghost/ },
    ],
    [
      'a base image of an address of the platform itself',
      dockerfile('FROM localhost:1/none'),
      { code: 'registry_denied', where: 'Dockerfile:1', message: /may not be read from localhost:1/ },
    ],
    [
      'what a volume of an app held',
      dockerfile('FROM volumes/other/data'),
      { code: 'registry_denied', where: 'Dockerfile:1', message: /belongs to another app/ },
    ],
    [
      "another app's image, also by the mirror's name",
      dockerfile('FROM apps/other'),
      { code: 'registry_denied', where: 'Dockerfile:1', message: /belongs to another app/ },
    ],
    [
      'a base image that the mirror lacks',
      dockerfile('FROM alpine:3'),
      { code: 'registry_unavailable', message: /alpine/ },
    ],
  ])('names what is wrong with %s', async (_what, text, expected) => {
    const error = await failure({ Dockerfile: text });
    expect({ code: error.code, message: error.message }).toMatchObject({
      code: expected.code,
      message: expect.stringMatching(expected.message),
    });
    if (expected.where !== undefined) expect(error.where).toBe(expected.where);
  });

  it('says when a file is there but ignored', async () => {
    const error = await failure({
      Dockerfile: dockerfile('FROM busybox', 'COPY secret.txt /'),
      'secret.txt': '',
      '.dockerignore': '*.txt\n',
    });
    expect(error).toMatchObject({
      code: 'source_missing',
      message: expect.stringContaining('excluded from the build context by .dockerignore'),
    });
  });

  it('never follows a symlink out of the context', async () => {
    for (const link of ['/etc/passwd', '../../../../../../etc/passwd']) {
      const error = await failure({ Dockerfile: dockerfile('FROM busybox', 'COPY out /got'), out: { link } });
      expect(error.code).toBe('source_missing');
    }
  });

  it('names the stages when a COPY names one that there is not', async () => {
    const error = await failure({
      Dockerfile: dockerfile('FROM busybox AS build', 'FROM busybox', 'COPY --from=biuld /a /b'),
    });
    expect(error.hint).toContain('there is no stage "biuld" either; the stages with a name are: build');
  });
});

describe('a RUN that does not behave', () => {
  it('is stopped when it never ends', async () => {
    const error = await failure(
      { Dockerfile: dockerfile('FROM busybox', 'RUN sleep 1000') },
      { limits: { stepTimeoutMs: 800 } },
    );
    expect(error).toMatchObject({
      code: 'step_timeout',
      where: 'Dockerfile:2',
      message: expect.stringContaining('stopped after 0.8 s'),
    });
  });

  it('cannot fork without end', async () => {
    const error = await failure(
      { Dockerfile: dockerfile('FROM busybox', `RUN f() { f | f & }; f; sleep 1; exit 1`) },
      { limits: { stepProcesses: 64, stepTimeoutMs: 20_000 } },
    );
    expect(error).toMatchObject({
      code: 'step_limit',
      message: expect.stringContaining('more than 64 processes'),
    });
  });

  it('fills the log only up to its limit when it prints 100 MB, and goes on', async () => {
    const commit = await commitOnly({
      Dockerfile: dockerfile(
        'FROM busybox',
        'RUN yes 0123456789012345678901234567890 | head -c 100000000; echo done > /done',
      ),
    });
    const { image, log } = await builder.build(commit, { limits: { logBytes: 1024 * 1024 } });
    expect(log.length).toBeLessThan(1.1 * 1024 * 1024);
    expect(log).toContain('SLIPWAY_LIMIT_LOG_BYTES');
    expect((await filesOf(image, builder.store)).get('done')?.text).toBe('done\n');
  });

  it('is told when it runs out of memory', async () => {
    const error = await failure(
      { Dockerfile: dockerfile('FROM busybox', 'RUN head -c 200m /dev/zero | tail') },
      { limits: { stepMemoryBytes: 32 * 1024 * 1024 } },
    );
    expect(error).toMatchObject({ code: 'step_limit', message: expect.stringContaining('out of memory') });
  });

  it('ends when the build is cancelled, and leaves nothing behind', async () => {
    const stop = new AbortController();
    const commit = await commitOnly({ Dockerfile: dockerfile('FROM busybox', 'RUN sleep 1000') });
    setTimeout(() => stop.abort(new Error('stop')), 700);
    await expect(builder.build(commit, { signal: stop.signal })).rejects.toThrow('stop');
    expect(await readdir(join(builder.store.directory, 'layers', 'tmp'))).toEqual([]);
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(builder.store.directory);
  });
});
