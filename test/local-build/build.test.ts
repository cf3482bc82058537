/** What `slipway build` builds and writes, and its exit codes. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalBuilds } from './support.js';

const DIGEST = /^sha256:[0-9a-f]{64}$/;

describe('slipway build', () => {
  let builds: LocalBuilds;
  beforeAll(async () => {
    builds = await LocalBuilds.start();
  });
  afterAll(() => builds.stop());

  test('builds a directory to an OCI archive; a second build runs nothing', async () => {
    await builds.write({
      'a/Dockerfile': 'FROM busybox\nARG WHO\nCOPY x /x\nRUN echo "hello $WHO" > /y && cat /y\n',
      'a/x': 'x\n',
    });
    const argv = ['a', '-o', 'type=oci,dest=a.tar', '--build-arg', 'WHO'];
    const env = { ...builds.terminal.env, WHO: 'you' };
    const first = await builds.build(argv, { env });
    expect([first.code, first.out]).toEqual([0, '']);
    expect(first.err).toMatch(/^#\d+ \[stage-0 2\/2\] RUN echo/m);
    expect(first.err).toMatch(/^#\d+ \d+\.\d{3} hello you$/m);
    expect(first.err).toMatch(/^#\d+ DONE \d+\.\ds$/m);
    expect(builds.topLayer('a.tar')).toContain('y');
    const second = await builds.build(['a', '-q', '--build-arg', 'WHO=you'], { env });
    expect([second.code, second.err]).toEqual([0, '']);
    expect(first.err).toContain(second.out.trim());
    const shown = await builds.build(argv, { env });
    expect(shown.err.match(/CACHED/g)).toHaveLength(2);
  });

  test('an output that cannot take the image is told before anything is built', async () => {
    await builds.write({ 'early/Dockerfile': 'FROM scratch\nCOPY Dockerfile /\n' });
    const two = ['--platform', 'linux/amd64,linux/arm64'];
    for (const spec of [
      'type=docker,dest=x.tar',
      'type=tar,dest=-',
      'type=local,dest=x,platform-split=false',
    ]) {
      const { code, err } = await builds.build(['early', ...two, '-o', 'type=local,dest=all', '-o', spec]);
      expect(code, spec).toBe(2);
      expect(err, spec).toMatch(/^ERROR: type=.* holds one platform, not linux\/amd64 and linux\/arm64\n/);
      expect(err, spec).toContain('--platform linux/amd64');
    }
    const { code, err } = await builds.build(['early', '-o', 'type=oci,dest=x.tar,rewrite-timestamp=true']);
    expect([code, err]).toEqual([2, expect.stringMatching(/^ERROR: rewrite-timestamp=true needs a time\n/)]);
    expect(await readdir(builds.terminal.directory)).not.toContain('all');
  });

  test('a failed step is 1, with its output once and the Dockerfile around its line', async () => {
    await builds.write({
      'b/Dockerfile': '# one\nFROM busybox\nENV A=b\nRUN echo before && \\\n  exit 7\n\nENV C=d\nENV E=f\n',
    });
    const { code, err } = await builds.build(['b']);
    expect(code).toBe(1);
    expect(err).toContain(
      [
        'Dockerfile:4',
        '--------------------',
        '   1 |     # one',
        '   2 |     FROM busybox',
        '   3 |     ENV A=b',
        '   4 | >>> RUN echo before && \\',
        '   5 | >>>   exit 7',
        '   6 |',
        '   7 |     ENV C=d',
        '   8 |     ENV E=f',
        '--------------------',
        'ERROR: Dockerfile:4: ',
      ].join('\n'),
    );
    expect(err.match(/^#\d+ \S+ before$/gm)).toHaveLength(1);
    const quiet = await builds.build(['b', '-q']);
    expect([quiet.code, quiet.out]).toEqual([1, '']);
    expect(quiet.err).toMatch(/^------\nbefore\n------\nDockerfile:4\n/);
  });

  test('what is written wrong is 2', async () => {
    await builds.write({ 'c/Dockerfile': 'FROM busybox\nRUNN x\n', 'd/x': '' });
    const wrong = await builds.build(['c']);
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain('   2 | >>> RUNN x\n');
    const none = await builds.build(['d']);
    expect([none.code, none.err]).toEqual([2, expect.stringContaining('there is no Dockerfile in ')]);
    const absent = await builds.build(['absent']);
    expect([absent.code, absent.err]).toEqual([2, expect.stringContaining('there is no directory ')]);
    for (const argv of [
      ['.', '.'],
      ['--nonsense', '.'],
      ['--platform', 'potato', '.'],
      ['-t', 'UPPER', '.'],
      ['-o', 'type=cake', '.'],
      ['--push', '.'],
      ['--network', 'wifi', '.'],
      ['--secret', 'src=x', '.'],
      ['--secret', 'id=x,src=/nonexistent', '.'],
      ['--build-context', 'x', '.'],
      ['-f', '-', '-'],
    ]) {
      const { code, out, err } = await builds.build(argv);
      expect([argv, code, out]).toEqual([argv, 2, '']);
      expect(err).not.toBe('');
    }
  });

  test('takes the Dockerfile from elsewhere, from stdin, and the context from stdin', async () => {
    await builds.write({
      'e/ctx/in': '',
      'e/ctx/skip': '',
      'e/ctx/sub/Dockerfile.two': 'FROM scratch\nCOPY in /two\n',
      'e/elsewhere': 'FROM scratch\nCOPY . /\n',
      'e/elsewhere.dockerignore': 'skip\nsub\n',
    });
    await builds.build(['e/ctx', '-f', 'e/elsewhere', '-o', 'type=oci,dest=e.tar']);
    expect(builds.topLayer('e.tar')).toEqual(['in']);
    // In the context, whatever the working directory.
    await builds.build(['e/ctx', '-f', 'sub/Dockerfile.two', '-o', 'type=oci,dest=e.tar']);
    expect(builds.topLayer('e.tar')).toEqual(['two']);
    await builds.build(['e/ctx', '-f', '-', '-o', 'type=oci,dest=e.tar'], {
      stdin: 'FROM scratch\nCOPY skip /three\n',
    });
    expect(builds.topLayer('e.tar')).toEqual(['three']);
    const alone = await builds.build(['-', '-o', 'type=oci,dest=e.tar'], {
      stdin: 'FROM scratch\nCOPY <<E /four\nE\n',
    });
    expect([alone.code, builds.topLayer('e.tar')]).toEqual([0, ['four']]);
    for (const compress of ['-c', '-cz']) {
      const tar = execFileSync('tar', [compress, '-C', builds.path('e/ctx'), '.']);
      const { Readable } = await import('node:stream');
      const { code } = await builds.build(['-', '-f', 'sub/Dockerfile.two', '-o', 'type=oci,dest=e.tar'], {
        stdin: Readable.from([tar]),
      });
      expect([code, builds.topLayer('e.tar')]).toEqual([0, ['two']]);
    }
  });

  test('a tar on stdin cannot write outside of its directory', async () => {
    const work = await mkdtemp(join(tmpdir(), 'slipway-tar-'));
    await builds.write({ 'f/evil': 'x', 'f/Dockerfile': 'FROM scratch\nCOPY . /\n' });
    const out = join(work, 'escaped');
    const tar = execFileSync('tar', [
      '-cP',
      `--transform=s,^evil$,../../../../../../../../..${out},`,
      '-C',
      builds.path('f'),
      'evil',
      'Dockerfile',
    ]);
    const { Readable } = await import('node:stream');
    const { code, err } = await builds.build(['-', '-q'], { stdin: Readable.from([tar]) });
    expect([code, err]).toEqual([2, expect.stringContaining('the tar on stdin cannot be extracted')]);
    expect(await readdir(work)).toEqual([]);
    await rm(work, { recursive: true });
  });

  test('labels, targets, metadata and the id file', async () => {
    await builds.write({
      'g/Dockerfile': 'FROM scratch AS one\nLABEL a=file b=file\nFROM nowhere.invalid/x\n',
    });
    const { code, out } = await builds.build(
      'g --target one --label a=given --label c -t shop:1 -t 127.0.0.1:1/shop --metadata-file meta --iidfile id --json -o type=oci,dest=g.tar'.split(
        ' ',
      ),
    );
    expect(code).toBe(0);
    expect((await builds.config('g.tar')).config.Labels).toEqual({ a: 'given', b: 'file', c: '' });
    const metadata = JSON.parse(await builds.read('meta')) as Record<string, unknown>;
    expect(metadata).toEqual({
      'containerimage.config.digest': expect.stringMatching(DIGEST),
      'containerimage.descriptor': expect.objectContaining({ size: expect.any(Number) }),
      'containerimage.digest': await builds.read('id'),
      'image.name': 'docker.io/library/shop:1,127.0.0.1:1/shop:latest',
      'slipway.steps': { cached: 0, total: 0 },
    });
    expect(JSON.parse(out)).toEqual(metadata);
  });

  test('secrets come from files and the environment', async () => {
    await builds.write({
      'h/Dockerfile': [
        'FROM busybox',
        'RUN --mount=type=secret,id=a --mount=type=secret,id=b --mount=type=secret,id=bare \\',
        // A secret's own text is not shown.
        '  cat /run/secrets/* | tr a-z b-za',
        '',
      ].join('\n'),
      token: 'file\n',
      bare: 'bare\n',
    });
    const argv = [
      'h',
      '--secret',
      'id=a,src=token',
      '--secret',
      'id=b,env=B',
      '--secret',
      'id=bare',
      '--no-cache',
    ];
    const { code, err } = await builds.build(argv, { env: { ...builds.terminal.env, B: 'variable\n' } });
    expect([code, err.match(/^#\d+ \d\S+ (\w+)$/gm)?.map((line) => line.split(' ')[2])]).toEqual([
      0,
      ['gjmf', 'wbsjbcmf', 'cbsf'],
    ]);
  });

  test('--check lints without building', async () => {
    await builds.write({
      'i/Dockerfile': 'from busybox\nRUN exit 1\n',
      'i/clean': 'FROM busybox\nRUN exit 1\n',
      'i/bad': 'FROM busybox\nCOPY x\n',
    });
    const warned = await builds.build(['i', '--check']);
    expect([warned.code, warned.out, warned.err]).toEqual([
      1,
      expect.stringMatching(/ConsistentInstructionCasing[\s\S]*line 1/),
      '',
    ]);
    expect((await builds.build(['i', '--check', '-f', 'i/clean'])).code).toBe(0);
    expect((await builds.build(['i', '--check', '-f', 'i/bad'])).code).toBe(2);
    const target = await builds.build(['i', '--check', '-f', 'i/clean', '--target', 'nowhere']);
    expect([target.code, target.err]).toEqual([2, expect.stringContaining('nowhere')]);
    expect((await builds.build(['i', '-f', 'i/Dockerfile'])).err).toContain(
      'WARNING: ConsistentInstructionCasing',
    );
  });

  test('several platforms explain their misses each by their own builds, and make one index', async () => {
    await builds.write({
      'pl/Dockerfile': 'FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /arch\n',
      'pl/amd64': 'a',
      'pl/arm64': 'b',
    });
    const argv = [
      'pl',
      '--platform',
      'linux/amd64,linux/arm64',
      '-o',
      `type=oci,dest=${builds.path('pl.tar')}`,
    ];
    const { code, err } = await builds.build([...argv, '--progress', 'plain']);
    expect([code, err.match(/not cached: .*/g)]).toEqual([
      0,
      ['not cached: it has not been built before', 'not cached: it has not been built before'],
    ]);
  });

  test('rawjson is one object on each line', async () => {
    await builds.write({ 'j/Dockerfile': 'FROM busybox\nRUN echo ü\n' });
    const { code, err } = await builds.build(['j', '--progress', 'rawjson', '--no-cache']);
    const events = err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; data?: string; digest?: string });
    expect([code, events.map(({ type }) => type)]).toEqual([
      0,
      expect.arrayContaining(['stage', 'step', 'output', 'done', 'result']),
    ]);
    expect(events.map(({ data }) => data ?? '').join('')).toBe('ü\n');
    expect(events.at(-1)?.digest).toMatch(DIGEST);
    const failed = await builds.build(['j', '--progress', 'rawjson', '-f', 'absent']);
    expect(failed.code).toBe(2);
    expect(JSON.parse(failed.err)).toMatchObject({ type: 'error', code: 'dockerfile_missing' });
  });

  test('builds a commit of a git repository, and a directory below it', async () => {
    await builds.write({ 'repo/Dockerfile': 'FROM scratch\nCOPY a /\n', 'repo/a': '', 'repo/sub/b': '' });
    await builds.write({ 'repo/sub/Dockerfile': 'FROM scratch\nCOPY b /\n' });
    const git = (...argv: string[]): string =>
      execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...argv], {
        cwd: builds.path('repo'),
        encoding: 'utf8',
      }).trim();
    git('init', '-q', '-b', 'main');
    git('add', '-A');
    git('commit', '-qm', 'one');
    const commit = git('rev-parse', 'HEAD');
    await builds.write({ 'repo/a': 'changed and not committed' });
    for (const [context, file] of [
      ['repo#main', 'a'],
      [`repo#${commit}:sub`, 'b'],
      [`file://${builds.path('repo')}#main:sub`, 'b'],
    ] as const) {
      const { code, err } = await builds.build([context, '-o', 'type=oci,dest=git.tar']);
      expect([context, code, err]).toEqual([context, 0, expect.any(String)]);
      expect(builds.topLayer('git.tar')).toEqual([file]);
    }
    const absent = await builds.build(['repo#nothing']);
    expect([absent.code, absent.err]).toEqual([
      2,
      expect.stringContaining('there is no branch or tag "nothing"'),
    ]);
  });

  test('named contexts: a directory, and an image in another one’s place', async () => {
    await builds.write({
      'k/Dockerfile':
        'FROM nowhere.invalid/base\nCOPY --from=More /n /n\nRUN --mount=from=more,target=/m cat /m/n\n',
      'l/n': 'named\n',
    });
    const { code, err } = await builds.build([
      ...['k', '--build-context', 'nowhere.invalid/base=docker-image://busybox', '--build-context', 'more=l'],
    ]);
    expect([code, err]).toEqual([0, expect.stringMatching(/^#\d+ \S+ named$/m)]);
  });

  test('ADD fetches from this machine too', async () => {
    const server = createServer((_, response) => void response.end('fetched')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await builds.write({ 'm/Dockerfile': `FROM scratch\nADD http://127.0.0.1:${port}/file /\n` });
    const { code, err } = await builds.build(['m', '-o', 'type=oci,dest=m.tar']);
    server.close();
    expect([code, err]).toEqual([0, expect.any(String)]);
    expect(builds.topLayer('m.tar')).toEqual(['file']);
  });

  test('steps of another machine come from the cache in a registry', async () => {
    await builds.write({ 'n/Dockerfile': 'FROM busybox\nRUN echo once > /once\n' });
    const cache = `${builds.registry.host}/cache:main`;
    const first = await builds.build(['n', '--cache-to', `type=registry,ref=${cache}`]);
    expect([first.code, first.err]).toEqual([0, expect.stringContaining('exporting the cache')]);
    const other = await builds.build(['n', '--cache-from', cache, '--store', builds.path('other-store')]);
    expect([other.code, other.err]).toEqual([0, expect.stringContaining('1 step, 1 cached')]);
  });

  test('a cache that cannot be written fails the build, but not with ignore-error', async () => {
    await builds.write({ 'o/Dockerfile': 'FROM busybox\nRUN --mount=type=cache,target=/c echo > /c/x\n' });
    const nobody = 'type=registry,ref=127.0.0.1:1/cache';
    for (const option of ['--cache-to', '--cache-mounts-to']) {
      const failed = await builds.build(['o', option, nobody]);
      expect([failed.code, failed.err]).toEqual([1, expect.stringContaining('127.0.0.1:1')]);
      const ignored = await builds.build(['o', option, `${nobody},ignore-error=true`]);
      expect([ignored.code, ignored.err]).toEqual([0, expect.stringContaining('the cache was not written')]);
      const odd = await builds.build(['o', option, `${nobody},ignore-error=maybe`]);
      expect([odd.code, odd.err]).toEqual([2, expect.stringContaining('"maybe"')]);
    }
  });
});
