import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { homePaths } from '../../src/config.js';
import { packet } from '../../src/git/pkt-line.js';
import { endAs, Platform, processesWith } from './support/platform.js';
import { treeBytes, WorkTree, writeCommit, writeObject } from './support/repositories.js';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Asked {
  readonly token?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array;
  readonly agent?: Agent;
}

function basic(token: string): string {
  return `Basic ${Buffer.from(`any:${token}`).toString('base64')}`;
}

async function ask(platform: Platform, path: string, asked: Asked = {}): Promise<Answer> {
  const sent = request(`http://${platform.address}${path}`, {
    method: asked.method ?? (asked.body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(asked.token === undefined ? {} : { authorization: basic(asked.token) }),
      ...asked.headers,
    },
    ...(asked.agent === undefined ? {} : { agent: asked.agent }),
  });
  sent.end(asked.body);
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const { date: _date, ...headers } = response.headers;
  return { status: response.statusCode ?? 0, headers, body: Buffer.concat(chunks).toString('latin1') };
}

const refsOf = (app: string, service = 'git-receive-pack'): string =>
  `/git/${app}/info/refs?service=${service}`;
const RECEIVE = { 'content-type': 'application/x-git-receive-pack-request' };
const UPLOAD = { 'content-type': 'application/x-git-upload-pack-request' };

/** A platform with the apps hello and other, of which `hello-token` may use the first. */
async function withApps(options = {}): Promise<Platform> {
  const platform = await Platform.start(options);
  await platform.createApp('hello');
  await platform.createApp('other');
  return platform;
}

describe('credentials', () => {
  test('without a token every path asks for one, whatever the app', async () => {
    const platform = await withApps();
    const answers = await Promise.all(
      [refsOf('hello.git'), refsOf('nothing.git'), refsOf('..%2f..'), refsOf('hello', 'git-upload-pack')].map(
        (path) => ask(platform, path),
      ),
    );
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': expect.stringContaining('Basic realm="Slipway"') },
    });
  });

  test('a token that is not valid is told so in the terminal', async () => {
    const platform = await withApps();
    const tree = await WorkTree.create();
    await platform.addRemote(tree, 'hello', 'wrong');
    const push = await platform.client(tree, 'push', 'slipway', 'main');
    expect(push).toMatchObject({
      exitCode: 128,
      text: expect.stringContaining('remote: this token is not valid'),
    });
  });

  test('the token may be the password, the user name alone, or a bearer token', async () => {
    const platform = await withApps();
    const alone = `Basic ${Buffer.from('hello-token:').toString('base64')}`;
    for (const authorization of [basic('hello-token'), alone, 'Bearer hello-token']) {
      expect((await ask(platform, refsOf('hello.git'), { headers: { authorization } })).status).toBe(200);
    }
    for (const authorization of [
      'Basic',
      'Basic %%%',
      'Digest abc',
      `Basic ${Buffer.from(':').toString('base64')}`,
    ]) {
      expect((await ask(platform, refsOf('hello.git'), { headers: { authorization } })).status).toBe(401);
    }
  });
});

describe('what a token may not see', () => {
  test('an unknown app, a forbidden one and an impossible name are the same to the byte', async () => {
    const platform = await withApps();
    const token = 'hello-token';
    const names = ['other', 'nothing', 'Bad_Name', '-x', 'api', '..%2Fplatform', 'a'.repeat(90)];
    for (const service of ['git-receive-pack', 'git-upload-pack']) {
      const looks = await Promise.all(
        names.map((name) => ask(platform, refsOf(`${name}.git`, service), { token })),
      );
      for (const answer of looks) expect(answer).toEqual(looks[0]);
      expect(looks[0]).toMatchObject({
        status: 404,
        body: expect.stringContaining('there is no such app, or this token may not use it'),
      });
      const headers = service === 'git-receive-pack' ? RECEIVE : UPLOAD;
      const posts = await Promise.all(
        names.map((name) =>
          ask(platform, `/git/${name}.git/${service}`, { token, headers, body: Buffer.from('0000') }),
        ),
      );
      for (const answer of posts) expect(answer).toEqual(looks[0]);
    }
  });

  test('the git client says it in words, for push and fetch alike', async () => {
    const platform = await withApps();
    const tree = await WorkTree.create();
    for (const app of ['other', 'nothing']) {
      await platform.addRemote(tree, app, 'hello-token');
      for (const command of [
        ['push', 'slipway', 'main'],
        ['fetch', 'slipway'],
      ]) {
        const { exitCode, text } = await platform.client(tree, ...command);
        expect({
          exitCode,
          text: text
            .replaceAll(platform.url(app, 'hello-token'), 'URL')
            .replaceAll(`http://${platform.address}/git/${app}.git/`, 'URL'),
        }).toEqual({
          exitCode: 128,
          text: "remote: there is no such app, or this token may not use it\nremote: see `slipway apps:list`; `slipway apps:create` makes one\nfatal: repository 'URL' not found\n",
        });
      }
    }
    await expect.poll(() => platform.leftovers()).toEqual([]);
  });
});

describe('the first push to an app that does not exist', () => {
  test('creates it when the token may', async () => {
    const platform = await Platform.start();
    const tree = await WorkTree.create();
    const push = await platform.push(tree, 'fresh');
    expect(push.exitCode).toBe(0);
    expect(platform.apps.get('fresh')).toBe('main');
    expect(await platform.repositories.branch('fresh', 'main')).toBe(await tree.git('rev-parse', 'HEAD'));
    expect(await platform.git.text(['symbolic-ref', 'HEAD'], { gitDir: platform.gitDir('fresh') })).toBe(
      'refs/heads/main',
    );
  });

  test('creates nothing by being looked at, fetched or refused', async () => {
    const platform = await Platform.start();
    const tree = await WorkTree.create();
    await platform.addRemote(tree, 'fresh');
    expect((await platform.client(tree, 'fetch', 'slipway')).exitCode).toBe(128);
    expect((await platform.client(tree, 'push', '--dry-run', 'slipway', 'main')).exitCode).toBe(0);
    const refused = await platform.client(tree, 'push', 'slipway', 'main:feature');
    expect(refused).toMatchObject({ exitCode: 1, text: expect.stringContaining('only main deploys') });
    expect(platform.apps.size).toBe(0);
    await expect.poll(() => platform.leftovers()).toEqual([]);
  });

  test('creates it even when the build then fails: the push was accepted', async () => {
    const platform = await Platform.start({ script: endAs('failed', 'no Dockerfile') });
    const tree = await WorkTree.create();
    expect((await platform.push(tree, 'fresh')).exitCode).toBe(1);
    expect(platform.apps.has('fresh')).toBe(true);
    await expect.poll(() => platform.leftovers()).toEqual([]);
  });

  test('tells who may create apps what a name may be', async () => {
    const platform = await Platform.start();
    const tree = await WorkTree.create();
    for (const [name, words] of [
      ['Bad_Name', '"Bad_Name" is not an app name'],
      ['api', 'the app name "api" is reserved'],
    ] as const) {
      const push = await platform.push(tree, name);
      expect(push).toMatchObject({ exitCode: 128, text: expect.stringContaining(`remote: ${words}`) });
    }
  });

  test('by two at once makes one app, and the other is asked to push again', async () => {
    const platform = await Platform.start();
    const trees = await Promise.all([WorkTree.create(), WorkTree.create({ other: '' })]);
    const pushes = await Promise.all(trees.map((tree) => platform.push(tree, 'fresh')));
    expect(pushes.some(({ exitCode }) => exitCode === 0)).toBe(true);
    for (const push of pushes) if (push.exitCode !== 0) expect(push.text).toMatch(/push again|superseded by/);
    await expect.poll(() => platform.leftovers()).toEqual([]);
  });

  test('goes into what a killed first push left', async () => {
    const platform = await Platform.start();
    await platform.repositories.create('fresh', 'main');
    const push = await platform.push(await WorkTree.create(), 'fresh');
    expect(push.exitCode).toBe(0);
    expect(platform.apps.has('fresh')).toBe(true);
  });
});

describe('hostile and oversized packs', () => {
  const push = (platform: Platform, tree: WorkTree) => platform.client(tree, 'push', 'slipway', 'main');

  async function treeWith(
    entries: (blob: string) => { mode: string; name: string; oid: string }[],
  ): Promise<WorkTree> {
    const tree = await WorkTree.create();
    const gitDir = join(tree.path, '.git');
    const blob = await writeObject(gitDir, 'blob', 'x');
    const commit = await writeCommit(gitDir, await writeObject(gitDir, 'tree', treeBytes(entries(blob))));
    await tree.git('update-ref', 'refs/heads/main', commit);
    return tree;
  }

  test.each([
    ['.git', 'hasDotgit', (oid: string) => [{ mode: '100644', name: '.git', oid }]],
    ['..', 'hasDotdot', (oid: string) => [{ mode: '100644', name: '..', oid }]],
    ['a slash', 'fullPathname', (oid: string) => [{ mode: '100644', name: 'a/b', oid }]],
    [
      'the same name twice',
      'duplicateEntries',
      (oid: string) => [
        { mode: '120000', name: 'a', oid },
        { mode: '100644', name: 'a', oid },
      ],
    ],
  ])('a tree with %s is refused at the door', async (_what, word, entries) => {
    const platform = await withApps();
    const tree = await treeWith(entries);
    await platform.addRemote(tree, 'hello');
    const result = await push(platform, tree);
    expect(result.exitCode).toBe(1);
    expect(result.text).toContain(word);
    expect(await platform.store.list('hello')).toEqual([]);
    await expect.poll(() => platform.leftovers()).toEqual([]);
  });

  test('old marks of old tools in a public history are let pass', async () => {
    const platform = await withApps();
    const tree = await WorkTree.create();
    const gitDir = join(tree.path, '.git');
    const root = await tree.git('rev-parse', 'HEAD^{tree}');
    const who = 'Ada <ada@example.com> 1112911993 +051800';
    const commit = await writeObject(
      gitDir,
      'commit',
      `tree ${root}\nauthor ${who}\ncommitter ${who}\n\nold\n`,
    );
    await tree.git('update-ref', 'refs/heads/main', commit);
    await platform.addRemote(tree, 'hello');
    expect((await push(platform, tree)).exitCode).toBe(0);
  });

  test.each([1.5, 30])('a pack of %d MiB above a limit of 1 MiB is refused in words', async (mebibytes) => {
    const platform = await withApps({ limits: { packBytes: 1024 * 1024 } });
    const tree = await WorkTree.create({ large: randomBytes(mebibytes * 1024 * 1024) });
    await platform.addRemote(tree, 'hello');
    const result = await push(platform, tree);
    expect(result.exitCode).toBe(1);
    expect(result.text).toMatch(
      /remote: fatal: pack exceeds maximum allowed size \((1\.00 MiB|1024\.00 KiB)\)/,
    );
    expect(await platform.store.list('hello')).toEqual([]);
    await expect.poll(() => platform.leftovers()).toEqual([]);
    // The way is free again.
    await tree.git('reset', '--quiet', '--hard');
    await tree.git('rm', '--quiet', 'large');
    await tree.git('commit', '--quiet', '--amend', '-m', 'small', '--allow-empty');
    expect((await push(platform, tree)).exitCode).toBe(0);
  });

  test('a large pack arrives in chunks, whatever the size of the pieces', async () => {
    const platform = await withApps();
    const tree = await WorkTree.create({ large: randomBytes(8 * 1024 * 1024) });
    await platform.addRemote(tree, 'hello');
    expect(
      (await platform.client(tree, '-c', 'http.postBuffer=65536', 'push', 'slipway', 'main')).exitCode,
    ).toBe(0);
    expect(await platform.repositories.branch('hello', 'main')).toBe(await tree.git('rev-parse', 'HEAD'));
  });

  test('a shallow clone is refused in words, since its history is not whole', async () => {
    const platform = await withApps();
    const source = await WorkTree.create();
    await source.commit({ more: '' });
    const shallow = await WorkTree.create();
    await shallow.git('clone', '--quiet', '--depth=1', `file://${source.path}`, 'copy');
    const result = await platform.client(shallow, '-C', 'copy', 'push', platform.url('hello'), 'main');
    expect(result).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining('shallow update not allowed'),
    });
    await expect.poll(() => platform.leftovers()).toEqual([]);
  });
});

describe('the protocol', () => {
  test('works with and without .git, keeps the connection, and is never cached', async () => {
    const platform = await withApps();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      const answers = [];
      for (const name of ['hello.git', 'hello'])
        answers.push(await ask(platform, refsOf(name), { token: 'hello-token', agent }));
      expect(answers[1]).toEqual(answers[0]);
      expect(answers[0]).toMatchObject({
        status: 200,
        headers: {
          'content-type': 'application/x-git-receive-pack-advertisement',
          'cache-control': 'no-cache, max-age=0, must-revalidate',
          connection: 'keep-alive',
        },
      });
      expect(answers[0]!.body.startsWith('001f# service=git-receive-pack\n0000')).toBe(true);
      expect(Object.values(agent.freeSockets).flat()).toHaveLength(1);
    } finally {
      agent.destroy();
    }
  });

  test('passes on a protocol version that it knows and nothing else', async () => {
    const platform = await withApps();
    const advertised = async (version: string): Promise<string> =>
      (
        await ask(platform, refsOf('hello', 'git-upload-pack'), {
          token: 'hello-token',
          headers: { 'git-protocol': version },
        })
      ).body;
    const plain = await advertised('');
    expect(await advertised('version=1')).toContain('000eversion 1\n');
    for (const version of ['version=2', 'version=1:x=y', '$(id)', '-x', 'x'.repeat(5000)])
      expect(await advertised(version)).toBe(plain);
  });

  test('refuses what is not smart HTTP', async () => {
    const platform = await withApps();
    const token = 'hello-token';
    expect(await ask(platform, '/git/hello.git/info/refs', { token })).toMatchObject({ status: 403 });
    expect(await ask(platform, refsOf('hello', 'git-shell'), { token })).toMatchObject({ status: 403 });
    expect(
      await ask(platform, '/git/hello.git/git-gc', { token, headers: RECEIVE, body: Buffer.from('0000') }),
    ).toMatchObject({ status: 403 });
    expect(
      await ask(platform, '/git/hello.git/git-receive-pack', {
        token,
        headers: UPLOAD,
        body: Buffer.from('0000'),
      }),
    ).toMatchObject({ status: 400 });
    expect(
      await ask(platform, '/git/hello.git/git-receive-pack', {
        token,
        headers: { 'content-type': 'text/html' },
        body: Buffer.from('0000'),
      }),
    ).toMatchObject({ status: 400 });
  });

  test('nonsense in place of a push is an error, never a crash', async () => {
    const platform = await withApps();
    for (const body of ['', '0000', 'zzzz', '0004', 'ffff', `${packet('push 1')}`, randomBytes(3000)]) {
      const answer = await ask(platform, '/git/hello.git/git-receive-pack', {
        token: 'hello-token',
        headers: RECEIVE,
        body: Buffer.from(body),
      });
      expect([200, 503]).toContain(answer.status);
      expect(answer.body).not.toContain(platform.home);
    }
    await expect.poll(() => platform.leftovers()).toEqual([]);
    expect((await ask(platform, refsOf('hello'), { token: 'hello-token' })).status).toBe(200);
  });

  test('a packed request body is unpacked, within the limit', async () => {
    const platform = await withApps({ limits: { packBytes: 1000 } });
    const tree = await WorkTree.create();
    await platform.addRemote(tree, 'hello');
    await platform.client(tree, 'push', 'slipway', 'main');
    const head = await tree.git('rev-parse', 'HEAD');
    const want = Buffer.concat([packet(`want ${head} ofs-delta\n`), Buffer.from('0000'), packet('done\n')]);
    const post = (body: Uint8Array, encoding: string, service = 'upload'): Promise<Answer> =>
      ask(platform, `/git/hello.git/git-${service}-pack`, {
        token: 'hello-token',
        headers: { ...(service === 'upload' ? UPLOAD : RECEIVE), 'content-encoding': encoding },
        body,
      });
    expect(await post(gzipSync(want), 'gzip')).toMatchObject({
      status: 200,
      body: expect.stringContaining('NAK\nPACK'),
    });
    expect(await post(gzipSync(want).subarray(0, 20), 'gzip')).toMatchObject({ status: 400 });
    expect(await post(want, 'br')).toMatchObject({ status: 400 });
    // 40 MB of nothing in 40 KB.
    const bomb = gzipSync(Buffer.concat([packet('x'), Buffer.alloc(40 * 1024 * 1024)]));
    expect((await post(bomb, 'gzip')).status).toBeGreaterThanOrEqual(400);
    await expect.poll(() => processesWith(platform.home), { timeout: 10_000 }).toEqual([]);
  });

  test('a client that waits for "100 Continue" gets it', async () => {
    const platform = await withApps();
    const tree = await WorkTree.create({ large: randomBytes(2 * 1024 * 1024) });
    await platform.addRemote(tree, 'hello');
    const push = await platform.client(
      tree,
      '-c',
      'http.extraHeader=Expect: 100-continue',
      '-c',
      'http.postBuffer=65536',
      'push',
      'slipway',
      'main',
    );
    expect(push.exitCode).toBe(0);
  });
});

describe('uploads that stop half-way', () => {
  const head = (platform: Platform): string =>
    [
      `POST /git/hello.git/git-receive-pack HTTP/1.1`,
      `Host: ${platform.address}`,
      `Authorization: ${basic('hello-token')}`,
      `Content-Type: ${RECEIVE['content-type']}`,
      'Transfer-Encoding: chunked',
      '',
      '',
    ].join('\r\n');
  const command = packet(`${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/main\0report-status side-band-64k`);
  const chunked = (data: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]);
  /** The beginning of a pack of ten objects. */
  const begun = Buffer.concat([command, Buffer.from('0000PACK'), Buffer.from([0, 0, 0, 2, 0, 0, 0, 10])]);

  function begin(platform: Platform): import('node:net').Socket {
    const [host = '', port = ''] = platform.address.split(':');
    const socket = connect(Number(port), host);
    socket.on('error', () => {});
    socket.write(head(platform));
    socket.write(chunked(begun));
    return socket;
  }

  /** Until receive-pack is at work on it. */
  async function send(platform: Platform): Promise<import('node:net').Socket> {
    const socket = begin(platform);
    await expect.poll(async () => (await processesWith(platform.gitDir('hello'))).length).toBeGreaterThan(0);
    return socket;
  }

  test('a client that stands still is told so and cut off', async () => {
    const platform = await withApps({ uploadIdleMs: 200 });
    const socket = begin(platform);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 [\s\S]*nothing came for 0\.2 s/);
    await expect.poll(() => processesWith(platform.gitDir('hello')), { timeout: 10_000 }).toEqual([]);
    await expect.poll(() => platform.leftovers()).toEqual([]);
    socket.destroy();
  });

  test('a client that goes away leaves no process and no quarantine', async () => {
    const platform = await withApps();
    const socket = await send(platform);
    socket.destroy();
    await expect.poll(() => processesWith(platform.gitDir('hello')), { timeout: 10_000 }).toEqual([]);
    await expect.poll(() => platform.leftovers()).toEqual([]);
  });

  test('a receive-pack that is killed in the middle leaves neither', async () => {
    const platform = await withApps();
    const socket = await send(platform);
    await expect.poll(() => platform.leftovers()).toHaveLength(1);
    for (const pid of await processesWith(platform.gitDir('hello'))) process.kill(pid, 'SIGKILL');
    await expect.poll(() => processesWith(platform.gitDir('hello')), { timeout: 10_000 }).toEqual([]);
    await expect.poll(() => platform.leftovers()).toEqual([]);
    socket.destroy();
  });

  test('what a killed web process left is swept at the next start, and nothing that is younger', async () => {
    const platform = await withApps();
    const root = homePaths(platform.home).appRepositories;
    const quarantine = join(platform.gitDir('hello'), 'objects', 'tmp_objdir-incoming-AbCdEf');
    await mkdir(quarantine);
    await writeFile(join(quarantine, 'pack'), 'x');
    await platform.repositories.stage('main');
    await mkdir(join(root, '.old-1234.git'));
    await platform.repositories.sweep(60_000);
    expect(await platform.leftovers()).toHaveLength(3);
    await platform.repositories.sweep(0);
    await expect.poll(() => platform.leftovers()).toEqual([]);
    expect(await platform.refs('hello')).toEqual([]);
  });
});
