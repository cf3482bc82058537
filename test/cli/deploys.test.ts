/** Deploys without a push, webhooks and notifications by command, against a real platform; the builder is played by the test. */
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { Platform } from '../api/support/platform.js';
import { Receiver } from '../notify/support/receiver.js';
import { temporaryDirectory } from '../support/directories.js';
import { GitServer } from '../support/git-server.js';
import { newRepository, plainGit } from '../support/remote-repository.js';
import { Terminal } from './support/terminal.js';

let platform: Platform;
let terminal: Terminal;

beforeAll(async () => {
  platform = await Platform.start({ env: { SLIPWAY_OUTBOUND_ALLOW: '127.0.0.0/8' } });
  await platform.url();
  await platform.createApp('hello');
});
beforeEach(async () => {
  terminal = await Terminal.at(await platform.url(), platform.token('admin'));
});
afterAll(() => platform.stop());

test('deploy says which build it is, and that there is nothing to deploy again', async () => {
  const none = await terminal.run(['deploy', '-a', 'hello']);
  expect([none.code, none.err]).toEqual([1, expect.stringContaining('has no live release to deploy again')]);
  const { release } = await platform.live('hello');
  const made = await terminal.run(['deploy', '--no-cache', '--detach', '-a', 'hello']);
  expect([made.code, made.out]).toEqual([
    0,
    expect.stringMatching(
      /^build (b\w+) is accepted; follow it with: slipway builds:output \1 -f -a hello\n$/,
    ),
  ]);
  const named = await terminal.run([
    'deploy',
    release.source.slice(0, 9),
    '--build-only',
    '--detach',
    '--json',
    '-a',
    'hello',
  ]);
  expect(named.json).toMatchObject({ state: 'accepted', commit: release.source });
});

test('a repository elsewhere is synced, with a token that is read from standard input', async () => {
  const work = await newRepository(await temporaryDirectory(), { Dockerfile: 'FROM a\n' });
  const server = await GitServer.start(work);
  onTestFinished(() => server.stop());
  const given = await terminal.run(['git:auth', server.host, '-a', 'hello'], { stdin: 'sesame\n' });
  expect([given.code, given.out]).toEqual([0, `hello has a token for ${server.host}\n`]);
  expect((await terminal.run(['git:auth', '-a', 'hello'])).out).toBe(`${server.host}\n`);
  const synced = await terminal.run([
    'git:sync',
    server.url,
    '--ref',
    'main',
    '--detach',
    '--json',
    '-a',
    'hello',
  ]);
  expect(synced.json).toMatchObject({ commit: plainGit(['rev-parse', 'HEAD'], work) });
  expect((await terminal.run(['git:auth', server.host, '--remove', '-a', 'hello'])).code).toBe(0);
  expect((await terminal.run(['git:auth', '-a', 'hello'])).out).toBe('hello has no token\n');
  const empty = await terminal.run(['git:auth', 'github.com', '-a', 'hello'], { stdin: '\n' });
  expect([empty.code, empty.err]).toEqual([2, expect.stringContaining('no token was given')]);
  const image = await terminal.run(['git:from-image', '127.0.0.1:1/x', '-a', 'hello']);
  expect([image.code, image.err]).toEqual([
    1,
    expect.stringContaining('images may not be read from 127.0.0.1:1'),
  ]);
});

test('a webhook is added with all that its forge has to know, listed and removed', async () => {
  const url = 'https://git.example.com/acme/shop.git';
  const added = await terminal.run(['webhooks:add', 'gitea', url, '--report', '-a', 'hello']);
  expect([added.code, added.out]).toEqual([
    0,
    expect.stringMatching(
      /url {7}http:\/\/slipway\.test:7070\/hooks\/hello\/h\w+\n {2}secret {4}[\w-]{43}\n/,
    ),
  ]);
  expect(added.out).toContain('slipway git:auth git.example.com -a hello');
  const [hook] = (await terminal.run(['webhooks', '--json', '-a', 'hello'])).json;
  expect(hook).toMatchObject({ forge: 'gitea', repository: url, branch: 'main', reports: true });
  expect((await terminal.run(['webhooks:received', hook.id, '-a', 'hello'])).out).toBe('nothing came yet\n');
  expect((await terminal.run(['webhooks:remove', hook.id, '-a', 'hello'])).code).toBe(0);
  expect((await terminal.run(['webhooks', '-a', 'hello'])).out).toContain('hello has no webhook');
  const wrong = await terminal.run(['webhooks:add', 'sourceforge', url, '-a', 'hello']);
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('one of github, gitlab, gitea')]);
});

test('a notification is added, tried, listed with what was sent, and removed', async () => {
  const receiver = await Receiver.start();
  const added = await terminal.run([
    'notifications:add',
    receiver.url,
    '--on',
    'failed,deploy.live',
    '-a',
    'hello',
  ]);
  expect([added.code, added.out]).toEqual([
    0,
    expect.stringMatching(/is told of deploy\.failed, deploy\.live\n {2}secret {4}whsec_\S{44}\n/),
  ]);
  const [{ id, to }] = (await terminal.run(['notifications', '--json', '-a', 'hello'])).json;
  // Whoever has the address of a chat may write there.
  expect(to).toBe(`http://127.0.0.1:${receiver.port}/…`);
  const tried = await terminal.run(['notifications:test', id, '-a', 'hello']);
  expect([tried.code, tried.out]).toEqual([0, expect.stringMatching(/^delivered: HTTP 200 in \d+ ms\n$/)]);
  expect(receiver.calls.map(({ body }) => [body.type, body.data.app])).toEqual([['test', 'hello']]);
  receiver.replies = [404];
  const failed = await terminal.run(['notifications:test', id, '-a', 'hello']);
  expect([failed.code, failed.err]).toEqual([1, ' !     not delivered: HTTP 404 because\n']);
  const sent = (await terminal.run(['notifications:deliveries', '--json', '-a', 'hello'])).json;
  expect(sent).toMatchObject([
    { target: id, event: 'test', state: 'given up', status: 404 },
    { target: id, event: 'test', state: 'delivered', status: 200 },
  ]);
  expect((await terminal.run(['notifications:remove', id, '-a', 'hello'])).code).toBe(0);
  for (const [argv, text] of [
    [['https://10.0.0.1/x'], 'must not reach'],
    [['ftp://example.com/x'], 'must be an https:// URL'],
    [['https://u:p@example.com/x'], 'without a user or password'],
    [['https://example.com/x', '--on', 'deploy.won'], 'there is no event'],
    [['https://example.com/x', '--format', 'xml'], 'must be one of json, slack'],
  ] as const) {
    const { code, err } = await terminal.run(['notifications:add', ...argv, '-a', 'hello']);
    expect([code > 0, err]).toEqual([true, expect.stringContaining(text)]);
  }
});
