/** Logging in, where the token is kept and sent, and git's credential helper. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { Platform } from '../api/support/platform.js';
import { freePort } from '../support/ports.js';
import { Terminal } from './support/terminal.js';

const run = promisify(execFile);
let platform: Platform;
let url: string;
let terminal: Terminal;

beforeAll(async () => {
  platform = await Platform.start();
  url = await platform.url();
  await platform.createApp('hello');
});
beforeEach(async () => {
  terminal = await Terminal.open();
});
afterAll(() => platform.stop());

const credentials = (): string => join(terminal.home, '.config', 'slipway', 'credentials.json');

describe('login', () => {
  test('takes the token from standard input and keeps it for this user only', async () => {
    const { code, out, err } = await terminal.run(['login', `${url}/`], {
      stdin: `${platform.token('alice')}\n`,
    });
    expect([code, out, err]).toEqual([
      0,
      `Logged in to ${url} as alice\nthe token is kept in ${credentials()}\n`,
      '',
    ]);
    expect(JSON.parse(await readFile(credentials(), 'utf8'))).toEqual({
      url,
      token: platform.token('alice'),
    });
    expect((await stat(credentials())).mode & 0o777).toBe(0o600);
    expect((await stat(join(credentials(), '..'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(credentials(), '..'))).toEqual(['credentials.json']);
    expect((await terminal.run(['whoami'])).out).toBe('alice: hello, shop\n');
  });

  test('again makes a file of others readable by its user only', async () => {
    await mkdir(join(credentials(), '..'), { recursive: true });
    await writeFile(credentials(), '{}');
    await chmod(credentials(), 0o644);
    await terminal.run(['login', url], { stdin: platform.token('admin') });
    expect((await stat(credentials())).mode & 0o777).toBe(0o600);
    expect((await terminal.run(['whoami'])).out).toBe('admin (admin): all apps\n');
  });

  test('takes the token from the environment, and keeps it where XDG says', async () => {
    const config = join(terminal.home, 'elsewhere');
    const env = { ...terminal.env, SLIPWAY_TOKEN: platform.token('reader'), XDG_CONFIG_HOME: config };
    const { json } = await terminal.run(['login', url, '--json'], { env });
    expect(json).toEqual({ name: 'reader', admin: false, mayCreateApps: false, apps: ['hello'] });
    const { out } = await terminal.run(['whoami'], { env: { ...terminal.env, XDG_CONFIG_HOME: config } });
    expect(out).toBe('reader: hello\n');
  });

  test('on a terminal asks, and takes the first line', async () => {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    stdin.write(platform.token('alice').slice(0, 10));
    setTimeout(() => stdin.write(`${platform.token('alice').slice(10)}\n`), 20);
    const { code, err } = await terminal.run(['login', url], { stdin });
    expect([code, err]).toEqual([0, 'Paste the token and press Enter:\n']);
  });

  test('^C while it waits for the token ends it', async () => {
    const interrupted = new AbortController();
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    setTimeout(() => interrupted.abort(), 20);
    const { code, err } = await terminal.run(['login', url], { stdin, signal: interrupted.signal });
    expect([code, err]).toEqual([130, expect.stringContaining(' !     interrupted')]);
    expect(stdin.destroyed).toBe(true);
  });

  test('with a wrong token keeps nothing', async () => {
    await terminal.run(['login', url], { stdin: platform.token('alice') });
    for (const who of ['wrong', 'revoked'] as const) {
      const { code, out, err } = await terminal.run(['login', url], { stdin: platform.token(who) });
      expect([code, out, err]).toEqual([
        1,
        '',
        ' !     the token is missing, wrong or revoked\n !     slipway login URL\n',
      ]);
    }
    expect((await terminal.run(['whoami'])).out).toContain('alice');
  });

  test('refuses what is no token without showing it', async () => {
    for (const stdin of ['', '\n', ' \n']) {
      const { code, err } = await terminal.run(['login', url], { stdin });
      expect([code, err]).toEqual([
        2,
        ' !     no token was given\n !     write it to standard input: slipway login URL < token-file\n',
      ]);
    }
    for (const stdin of ['slipway_a b', 'slipway_a\nslipway_b', 'slipway_ü', 'slipway_\x00']) {
      const { code, err } = await terminal.run(['login', url], { stdin });
      expect([code, err]).toEqual([2, expect.stringContaining('this is not a token')]);
      expect(err).not.toContain(stdin.slice(0, 9));
    }
  });

  test('refuses what is no address of a platform', async () => {
    for (const wrong of [
      'localhost:7070',
      'ftp://x',
      'http://',
      '/x',
      'http://a:b@x',
      'http://x?y',
      'http://x#y',
      '',
    ]) {
      const { code, err } = await terminal.run(['login', wrong], { stdin: 'x' });
      expect([wrong, code, err]).toEqual([
        wrong,
        2,
        ` !     ${JSON.stringify(wrong)} is not the URL of a platform\n !     write it as http://host:port or https://host\n`,
      ]);
    }
  });

  test('says when nobody is there, or somebody else', async () => {
    const port = await freePort();
    const nobody = await terminal.run(['login', `http://127.0.0.1:${port}`], { stdin: 'x' });
    expect([nobody.code, nobody.err]).toEqual([
      1,
      ` !     cannot reach http://127.0.0.1:${port} (ECONNREFUSED)\n !     is Slipway running there? \`slipway login URL\` chooses another platform\n`,
    ]);
    const unknown = await terminal.run(['login', 'http://nothing.invalid'], { stdin: 'x' });
    expect([unknown.code, unknown.err]).toEqual([
      1,
      expect.stringMatching(/cannot reach http:\/\/nothing.invalid \((ENOTFOUND|EAI_AGAIN)\)/),
    ]);

    const answers: [number, Record<string, string>, string, string][] = [
      [200, {}, '<html>hello</html>', 'did not answer as Slipway does'],
      [404, {}, '<html>not found</html>', 'answered with HTTP 404, not as Slipway does'],
      [502, {}, '<html>bad gateway</html>', 'answered with HTTP 502, not as Slipway does'],
      [500, {}, '{"code":"toString","message":"x"}', 'answered with HTTP 500, not as Slipway does'],
      [401, {}, 'null', 'answered with HTTP 401, not as Slipway does'],
      [
        301,
        { location: 'https://slipway.example' },
        '',
        'it sends on to https://slipway.example; if that is the',
      ],
    ];
    for (const [status, headers, body, message] of answers) {
      const other = createServer((_request, response) => response.writeHead(status, headers).end(body));
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void other.close());
      const address = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
      const { code, err } = await terminal.run(['login', address], { stdin: 'x' });
      expect([status, code, err]).toEqual([status, 1, expect.stringContaining(message)]);
      expect(err).not.toContain('<html');
      expect(err.split('\n')).toHaveLength(3);
    }
    await expect(readFile(credentials())).rejects.toThrow();
  });
});

describe('credentials', () => {
  test('none: says how to log in', async () => {
    for (const content of [undefined, '', '{', '[]', '{"url":1}']) {
      if (content !== undefined) {
        await mkdir(join(credentials(), '..'), { recursive: true });
        await writeFile(credentials(), content);
      }
      const { code, err } = await terminal.run(['apps']);
      expect([content, code, err]).toEqual([
        content,
        1,
        ' !     you are not logged in\n !     slipway login URL, with a token from the operator; or set SLIPWAY_URL and SLIPWAY_TOKEN\n',
      ]);
    }
  });

  test('the environment is taken before the file, and empty variables are none', async () => {
    await terminal.run(['login', url], { stdin: platform.token('alice') });
    const both = { ...terminal.env, SLIPWAY_URL: `${url}/`, SLIPWAY_TOKEN: platform.token('reader') };
    expect((await terminal.run(['whoami'], { env: both })).out).toContain('reader');
    const empty = { ...terminal.env, SLIPWAY_URL: '', SLIPWAY_TOKEN: '', XDG_CONFIG_HOME: '' };
    expect((await terminal.run(['whoami'], { env: empty })).out).toContain('alice');
  });

  test('a kept token is never sent to another platform that the environment names', async () => {
    await terminal.run(['login', url], { stdin: platform.token('alice') });
    const same = { ...terminal.env, SLIPWAY_URL: `${url}/` };
    expect((await terminal.run(['whoami'], { env: same })).out).toContain('alice');
    let asked = 0;
    const other = createServer((_request, response) => {
      asked += 1;
      response.end('{}');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const address = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { code, err } = await terminal.run(['whoami'], { env: { ...terminal.env, SLIPWAY_URL: address } });
    expect([code, err, asked]).toEqual([
      1,
      ` !     SLIPWAY_URL names ${address}, where you are not logged in\n !     slipway login ${address}; or set SLIPWAY_TOKEN as well, or unset SLIPWAY_URL\n`,
      0,
    ]);
    const alone = await terminal.run(['whoami'], { env: { ...terminal.env, SLIPWAY_TOKEN: 'x' } });
    expect([alone.code, alone.err]).toEqual([
      2,
      expect.stringContaining('SLIPWAY_TOKEN is set, and SLIPWAY_URL is not'),
    ]);
  });
});

describe('git:credential', () => {
  const ask = (input: string, argv = ['get']): ReturnType<Terminal['run']> =>
    terminal.run(['git:credential', ...argv], { stdin: input });

  beforeEach(async () => {
    await terminal.run(['login', url], { stdin: platform.token('alice') });
  });

  test('answers git for this platform, and nobody for another', async () => {
    const { host } = new URL(url);
    const { code, out } = await ask(`protocol=http\nhost=${host}\nwwwauth[]=Basic realm="x=y"\n\n`);
    expect([code, out]).toEqual([0, `username=slipway\npassword=${platform.token('alice')}\n`]);
    for (const input of [
      `protocol=https\nhost=${host}\n`,
      `protocol=http\nhost=${host}.evil.example\n`,
      `protocol=http\nhost=evil.example\npath=${host}\n`,
      `protocol=http\nhost=x@${host}:1\n`,
      'protocol=http\n',
      `host=${host}\n`,
      '',
      'nonsense',
      'protocol=\nhost=\n',
    ]) {
      const other = await ask(input);
      expect([input, other.code, other.out, other.err]).toEqual([input, 0, '', '']);
    }
    for (const operation of ['store', 'erase']) expect((await ask('x', [operation])).out).toBe('');
  });

  test('a default port is the same as none', async () => {
    const env = { ...terminal.env, SLIPWAY_URL: 'http://slipway.example:80', SLIPWAY_TOKEN: 'secret' };
    for (const host of ['slipway.example', 'slipway.example:80', 'SLIPWAY.example']) {
      const stdin = `protocol=http\nhost=${host}\n`;
      const { out } = await terminal.run(['git:credential', 'get'], { stdin, env });
      expect([host, out]).toEqual([host, 'username=slipway\npassword=secret\n']);
    }
  });

  test('git itself gets the token through what apps:create sets up', async () => {
    await run('git', ['init', '--quiet'], { cwd: terminal.directory, env: terminal.env });
    const { code } = await terminal.run(['apps:create', 'shop']);
    expect(code).toBe(0);
    const { stdout } = await run('git', ['config', '--local', '--get', `credential.${url}.helper`], {
      cwd: terminal.directory,
      env: terminal.env,
    });
    expect(stdout).toMatch(/\/native\/build\/git-credential'? '?\/.*\/bin\/slipway'?$/m);
  });
});
