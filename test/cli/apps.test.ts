/** apps:*, the git remote, and the tokens that an admin makes, against a real platform. */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addRemote, appOfUrl } from '../../src/cli/git-remote.js';
import { Platform } from '../api/support/platform.js';
import { Terminal } from './support/terminal.js';

const run = promisify(execFile);
let platform: Platform;
let url: string;
let terminal: Terminal;

beforeAll(async () => {
  platform = await Platform.start();
  url = await platform.url();
});
beforeEach(async () => {
  terminal = await Terminal.at(url, platform.token('admin'));
});
afterAll(() => platform.stop());

const git = async (...args: string[]): Promise<string> =>
  (await run('git', args, { cwd: terminal.directory, env: terminal.env })).stdout.trim();

describe('apps', () => {
  test('none yet says how to make one', async () => {
    const { code, out } = await terminal.run(['apps']);
    expect([code, out]).toEqual([0, 'no apps yet; make one with: slipway apps:create NAME\n']);
    expect((await terminal.run(['apps', '--json'])).json).toEqual([]);
  });

  test('create says where it answers and how to deploy', async () => {
    const { code, out, err } = await terminal.run(['apps:create', 'first']);
    expect([code, err, out]).toEqual([
      0,
      '',
      [
        'Created first',
        '  address   http://first.localhost:8080',
        '  git       http://slipway.test:7070/git/first.git',
        '  deploy with: git push http://slipway.test:7070/git/first.git HEAD:main',
        '',
      ].join('\n'),
    ]);
    const again = await terminal.run(['apps:create', 'first']);
    expect([again.code, again.err]).toEqual([
      1,
      ' !     the app first exists already\n !     choose another name\n',
    ]);
    const wrong = await terminal.run(['apps:create', 'First']);
    expect([wrong.code, wrong.err]).toEqual([
      2,
      expect.stringContaining('"First" is not an app name\n !     use 1 to 40'),
    ]);
  });

  test('create sets up the git remote here, once, and not when asked not to', async () => {
    await git('init', '--quiet');
    const { out } = await terminal.run(['apps:create', 'remote']);
    expect(out).toContain('the git remote "slipway" is set; deploy with: git push slipway HEAD:main');
    expect(await git('remote', 'get-url', 'slipway')).toBe('http://slipway.test:7070/git/remote.git');
    expect((await terminal.run(['apps:create', 'second'])).out).toContain('deploy with: git push http');
    expect(await git('remote', 'get-url', 'slipway')).toBe('http://slipway.test:7070/git/remote.git');
    await git('remote', 'remove', 'slipway');
    await terminal.run(['apps:create', 'third', '--no-remote']);
    expect(await git('remote')).toBe('');
  });

  test('list and info show what is live', async () => {
    await platform.createApp('shown');
    const { release } = await platform.live('shown');
    const list = await terminal.run(['apps']);
    expect(list.out).toMatch(/^APP +LIVE +ADDRESS\n/);
    expect(list.out).toMatch(/^first +- +http:\/\/first.localhost:8080$/m);
    expect(list.out).toMatch(/^shown +v1 +http:\/\/shown.localhost:8080$/m);
    for (const argv of [
      ['apps:info', 'shown'],
      ['apps', 'info', '-a', 'shown'],
      ['apps:info', '--app=shown'],
    ]) {
      const { code, out } = await terminal.run(argv);
      expect([argv, code, out.split('\n')]).toEqual([
        argv,
        0,
        [
          'app       shown',
          'address   http://shown.localhost:8080',
          'git       http://slipway.test:7070/git/shown.git',
          'branch    main',
          `live      v1, ${release.description}`,
          `image     apps/shown@${release.image.digest}`,
          expect.stringMatching(/^created {3}\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ by alice$/),
          '',
        ],
      ]);
    }
    expect((await terminal.run(['apps:info', 'first'])).out).toContain('live      nothing yet\n');
    const absent = await terminal.run(['apps:info', '../x']);
    expect([absent.code, absent.err]).toEqual([
      1,
      ' !     there is no app "../x" that you may use\n !     see: slipway apps:list\n',
    ]);
  });

  test('destroy wants the name twice', async () => {
    for (const argv of [
      ['apps:destroy', 'first'],
      ['apps:destroy', '-a', 'first', '--confirm', 'firs'],
    ]) {
      const { code, err } = await terminal.run(argv);
      expect([code, err]).toEqual([
        2,
        ' !     destroying first cannot be undone\n !     confirm it: slipway apps:destroy -a first --confirm first\n',
      ]);
    }
    const { code, out } = await terminal.run(['apps:destroy', '-a', 'first', '--confirm', 'first']);
    expect([code, out]).toEqual([0, 'destroyed first\n']);
    expect(await platform.ledger.appExists('first')).toBe(false);
    const json = await terminal.run(['apps:destroy', 'second', '--confirm', 'second', '--json']);
    expect(json.json).toEqual({ name: 'second', destroyed: true, volumesLeft: [] });
  });
});

describe('the app of the git remote', () => {
  beforeAll(() => platform.createApp('here'));

  test('is the one that the remote of this platform names, `slipway` first', async () => {
    const unknown = await terminal.run(['apps:info']);
    expect([unknown.code, unknown.err]).toEqual([
      2,
      ' !     which app?\n !     name it with -a APP, or run this in a repository with its git remote\n',
    ]);
    await git('init', '--quiet');
    await git('remote', 'add', 'origin', 'https://github.example/git/other.git');
    expect((await terminal.run(['apps:info'])).code).toBe(2);
    await git('remote', 'add', 'staging', `${url}/git/shown.git`);
    expect((await terminal.run(['apps:info', '--json'])).json.name).toBe('shown');
    await git('remote', 'add', 'slipway', `${url.replace('://', '://user:secret@')}/git/here.git`);
    expect((await terminal.run(['apps:info', '--json'])).json.name).toBe('here');
    terminal.directory = join(terminal.directory, 'below');
    await mkdir(terminal.directory);
    expect((await terminal.run(['apps:info', '--json'])).json.name).toBe('here');
    expect((await terminal.run(['apps:info', '--json', '-a', 'shown'])).json.name).toBe('shown');
  });

  test('is read from URLs of this platform only', () => {
    const at = 'http://127.0.0.1:7070';
    expect(appOfUrl('http://127.0.0.1:7070/git/hello.git', at)).toBe('hello');
    expect(appOfUrl('http://127.0.0.1:7070/git/hello', `${at}/`)).toBe('hello');
    expect(appOfUrl('http://slipway:t@127.0.0.1:7070/git/hello.git/', at)).toBe('hello');
    expect(appOfUrl('ssh://git@127.0.0.1:2222/hello', at)).toBe('hello');
    expect(appOfUrl('ssh://127.0.0.1/hello.git/', at)).toBe('hello');
    for (const other of [
      'ssh://git@evil.example:2222/hello',
      'ssh://git@127.0.0.1:2222/a/hello',
      'ssh://git@127.0.0.1:2222/',
      'ssh://',
      'http://127.0.0.1:70701/git/hello.git',
      'https://127.0.0.1:7070/git/hello.git',
      'http://127.0.0.1:7070/git/hello/x.git',
      'http://127.0.0.1:7070/git/../hello.git',
      'http://evil.example/http://127.0.0.1:7070/git/hello.git',
      'http://127.0.0.1:7070@evil.example/git/hello.git',
      '127.0.0.1:git/hello.git',
      'http://127.0.0.1:7070/git/',
    ])
      expect([other, appOfUrl(other, at)]).toEqual([other, undefined]);
  });

  test('a launcher with blanks or quotes in its path is quoted for git’s shell', async () => {
    await git('init', '--quiet');
    const here = { directory: terminal.directory, env: terminal.env };
    const launcher = "/opt/it's mine/slipway";
    await addRemote(here, 'http://x.example/git/a.git', 'http://x.example', launcher, '/nonexistent');
    expect(await git('config', '--get', 'credential.http://x.example.helper')).toBe(
      `!'/opt/it'\\''s mine/slipway' git:credential`,
    );
    // Where the small program was built it answers, and knows whom to ask.
    await git('remote', 'remove', 'slipway');
    await addRemote(here, 'http://x.example/git/a.git', 'http://x.example', launcher, process.execPath);
    expect(await git('config', '--get', 'credential.http://x.example.helper')).toBe(
      `${process.execPath} '/opt/it'\\''s mine/slipway'`,
    );
  });
});

describe('tokens', () => {
  test('are made, listed and revoked by an admin', async () => {
    const made = await terminal.run(['tokens:create', 'ci', '--apps', 'shown,here']);
    expect([made.code, made.out]).toEqual([0, expect.stringMatching(/^slipway_[0-9a-f]{12}_\S{43}\n$/)]);
    const token = made.out.trim();
    const ci = await Terminal.at(url, token);
    expect((await ci.run(['whoami'])).out).toBe('ci: shown, here\n');
    expect((await ci.run(['apps:create', 'shown'])).code).toBe(1);

    const id = token.split('_')[1] ?? '';
    const list = await terminal.run(['tokens']);
    expect(list.out).toMatch(/^TOKEN +NAME +APPS +RIGHTS +MADE +USED +STATE\n/);
    expect(list.out).toMatch(new RegExp(`^${id} +ci +shown,here +\\S+ \\S+Z +\\S+ \\S+Z$`, 'm'));
    const revoked = await terminal.run(['tokens:revoke', id]);
    expect([revoked.code, revoked.out]).toEqual([0, `token ${id} is revoked\n`]);
    expect((await terminal.run(['tokens'])).out).toMatch(new RegExp(`^${id} .* revoked$`, 'm'));
    expect((await ci.run(['whoami'])).err).toContain('the token is missing, wrong or revoked');
  });

  test('say which apps, or that they are an admin’s', async () => {
    const none = await terminal.run(['tokens:create', 'x']);
    expect([none.code, none.err]).toEqual([
      2,
      ' !     which apps may x use? It is no user who has some\n' +
        ' !     name them: --apps hello,shop (or --apps "*"); or first: slipway users:add x\n',
    ]);
    const admin = await terminal.run(['tokens:create', 'root', '--admin', '--json']);
    expect(admin.json).toMatchObject({ name: 'root', admin: true, mayCreateApps: true, apps: '*' });
    const all = await terminal.run(['tokens:create', 'all', '--apps', '*', '--may-create', '--json']);
    expect(all.json).toMatchObject({ admin: false, mayCreateApps: true, apps: '*' });
    const spaced = await terminal.run(['tokens:create', 'x', '--apps', 'here, shown,', '--json']);
    expect(spaced.json).toMatchObject({ apps: ['here', 'shown'] });
    expect((await terminal.run(['tokens'])).out).toMatch(/^\S+ +all +\* +creates apps /m);
  });

  test('are not for others', async () => {
    const alice = await Terminal.at(url, platform.token('alice'));
    expect((await alice.run(['tokens', '--json'])).json).toEqual([]);
    const [, id = ''] = platform.token('admin').split('_');
    for (const [argv, says] of [
      [['tokens:create', 'x', '--admin'], 'a token for another user needs an administrator'],
      [
        ['tokens:create'],
        'a token can be made by a user, and not by a token that is limited or of a machine',
      ],
      [['tokens:revoke', id], 'there is no such token'],
    ] as const) {
      const { code, err } = await alice.run(argv);
      expect([argv, code, err]).toEqual([argv, 1, expect.stringContaining(` !     ${says}\n`)]);
    }
    const absent = await terminal.run(['tokens:revoke', '../x']);
    expect([absent.code, absent.err]).toEqual([
      1,
      ' !     there is no such token\n !     see: slipway tokens:list\n',
    ]);
  });
});

describe('a locked app', () => {
  test('says why, and refuses with an exit code of its own', async () => {
    await platform.createApp('frozen');
    await platform.live('frozen');
    const none = await terminal.run(['apps:lock', '-a', 'frozen']);
    expect([none.code, none.err.split('\n')[0]]).toEqual([2, ' !     a reason is missing']);
    const locked = await terminal.run(['apps:lock', '-a', 'frozen', '--reason', 'sale']);
    expect(locked.out).toBe('frozen is locked; to unlock it: slipway apps:unlock -a frozen\n');
    expect((await terminal.run(['apps:info', 'frozen'])).out).toMatch(
      /^locked {4}sale \(admin, \S+ \S+Z\)$/m,
    );
    const refused = await terminal.run(['ps:scale', 'web=2', '-a', 'frozen']);
    expect([refused.code, refused.err.split('\n')[0]]).toEqual([6, ' !     frozen is locked by admin: sale']);
    const back = await terminal.run(['rollback', 'v1', '-a', 'frozen']);
    expect([back.code, back.err]).toEqual([6, expect.stringContaining('a rollback goes on with --force')]);
    expect((await terminal.run(['apps:unlock', 'frozen'])).out).toBe('frozen is not locked\n');
  });
});
