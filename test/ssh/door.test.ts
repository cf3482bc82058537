/** Pushing and commands by SSH, through the real sshd in its room, with the real ssh and git. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FRAME, frame, messageFrame } from '../../src/frames.js';
import { parseSshKey } from '../../src/model/ssh-key.js';
import { WorkTree } from '../git/support/repositories.js';
import { makeSshKey } from '../support/ssh-keys.js';
import { until } from '../support/until.js';
import { roomMissing, SshPlatform } from './support/ssh-platform.js';

const missing = roomMissing();
if (missing !== undefined) console.log(`skipped: ${missing}`);

let platform: SshPlatform;
/** Its process ids. */
let room: string;

beforeAll(async () => {
  if (missing !== undefined) return;
  platform = await SshPlatform.start(['root', 'dave', 'vera', 'eve'], { watchMs: 200 });
  room = await namespaceOf(await firstProcess());
  await platform.api.createApp('hello');
  const { people } = platform.api.platform;
  await people.setRole('hello', 'dave', 'developer', 'op');
  await people.setRole('hello', 'vera', 'viewer', 'op');
});
afterAll(() => platform?.stop());

async function workTree(): Promise<WorkTree> {
  const tree = await WorkTree.create();
  await tree.commit({ Dockerfile: `FROM scratch\n# ${randomBytes(4).toString('hex')}\n` });
  return tree;
}

describe.skipIf(missing !== undefined)('git', () => {
  it('pushes as over HTTP, with push options and output, and fetches what is live', async () => {
    const tree = await workTree();
    const remote = `${platform.url}/hello`;
    const pushed = await platform.git('dave', tree.path, 'push', remote, 'HEAD:main');
    expect([pushed.code, pushed.err]).toEqual([0, expect.stringContaining('v1 of hello is live')]);
    expect(pushed.err).toContain('remote: -----> Build');
    const [deployment] = await platform.api.store.list('hello');
    expect(deployment).toMatchObject({ who: 'dave', state: 'live' });

    for (const url of [remote, `${platform.url}/hello.git`]) {
      const listed = await platform.git('vera', tree.path, 'ls-remote', url);
      expect(listed.out).toContain('refs/heads/main');
      expect(listed.out).not.toContain('slipway');
    }
    await tree.commit({ more: 'x' });
    const detached = await platform.git('dave', tree.path, 'push', '-o', 'detach', remote, 'HEAD:main');
    expect(detached.err).toContain('detach');
    await tree.commit({ more: 'y' });
    const unknown = await platform.git('dave', tree.path, 'push', '-o', 'wrong', remote, 'HEAD:main');
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining('wrong')]);
  });

  it('of a viewer reads only, and of others there is no app', async () => {
    const tree = await workTree();
    for (const [name, service] of [
      ['vera', 'push'],
      ['eve', 'push'],
      ['eve', 'fetch'],
    ] as const) {
      const remote = `${platform.url}/hello`;
      const args = service === 'push' ? ['push', remote, 'HEAD:main'] : ['fetch', remote];
      const ended = await platform.git(name, tree.path, ...args);
      expect([name, service, ended.code]).toEqual([name, service, 128]);
      expect(ended.err).toContain('there is no such app, or this token may not use it');
    }
    expect(await platform.git('eve', tree.path, 'fetch', `${platform.url}/absent`)).toMatchObject({
      code: 128,
    });
    expect((await readdir(platform.repositories)).sort()).toEqual(['hello.git']);
  });

  it('of who may create apps makes one, and its pusher the admin of it', async () => {
    const tree = await workTree();
    const remote = `${platform.url}/fresh`;
    expect((await platform.git('eve', tree.path, 'push', remote, 'HEAD:main')).code).toBe(128);
    await platform.api.platform.people.changeUser('eve', { mayCreateApps: true }, 'op');
    const pushed = await platform.git('eve', tree.path, 'push', remote, 'HEAD:main');
    expect([pushed.code, pushed.err]).toEqual([0, expect.stringContaining('v1 of fresh is live')]);
    expect(await platform.api.platform.people.members('fresh')).toEqual([{ user: 'eve', role: 'admin' }]);
  });

  it('is given bytes that are no pack, and ends', async () => {
    const ended = await platform.run('dave', "git-receive-pack 'hello'", { input: randomBytes(100_000) });
    expect(ended.code).not.toBe(0);
    const repository = await readdir(`${platform.api.repositories.path('hello')}/objects`);
    expect(repository.filter((name) => name.includes('incoming'))).toEqual([]);
  });

  it.each([
    "git-receive-pack '../platform'",
    "git-receive-pack '/../../../etc'",
    "git-receive-pack 'hello/../secret'",
    "git-receive-pack 'hello.git/../../platform.git'",
    "git-upload-pack '--upload-pack=id'",
    "git-upload-pack --upload-pack=/bin/sh 'hello'",
    "git-receive-pack 'hello'; id",
    'git-receive-pack "$(id)"',
    'git-receive-pack `id`',
    "git-receive-pack 'hello' && id",
    "git-upload-archive 'hello'",
    'git-shell',
    'sh -c id',
    'bash',
    '/bin/sh',
    'scp -f /etc/passwd',
    'id; id',
    'PATH=/tmp id',
    '../../bin/sh',
    '$(id)',
  ])('and nothing else is started by: %s', async (command) => {
    const ended = await platform.run('dave', command);
    expect([command, ended.code === 0, ended.out]).toEqual([command, false, '']);
    expect(ended.err).toContain(' !     ');
    expect(ended.err).not.toContain('uid=');
  });

  it('and nothing of a command that is too long', async () => {
    for (const length of [16 * 1024 + 1, 100_000]) {
      const ended = await platform.run('dave', `releases ${'x'.repeat(length)}`);
      expect([length, ended.code === 0, ended.out]).toEqual([length, false, '']);
    }
  });
});

describe.skipIf(missing !== undefined)('a command', () => {
  it('is the command line of that user, with its output and its exit codes', async () => {
    const whoami = await platform.run('dave', 'whoami --json');
    expect([whoami.code, JSON.parse(whoami.out)]).toMatchObject([0, { user: 'dave', apps: ['hello'] }]);
    expect(await platform.run('dave', 'apps:info -a hello')).toMatchObject({
      code: 0,
      out: expect.stringContaining('app       hello'),
    });
    expect(await platform.run('dave', 'apps:info -a absent')).toMatchObject({ code: 1 });
    expect(await platform.run('dave', 'apps:inof')).toMatchObject({
      code: 2,
      err: expect.stringContaining('did you mean: slipway apps:info'),
    });
    expect(await platform.run('vera', 'config -a hello')).toMatchObject({
      code: 1,
      err: expect.stringContaining('this needs the role developer'),
    });
    expect(await platform.run('dave', 'releases')).toMatchObject({
      code: 2,
      err: expect.stringContaining('which app?'),
    });
  });

  it('passes words as they were quoted', async () => {
    expect((await platform.run('dave', "config:set -a hello 'A=b  c; $(id)'")).code).toBe(0);
    const { out } = await platform.run('dave', 'config:get A -a hello');
    expect(out).toBe('b  c; $(id)\n');
  });

  it('reads standard input, and no file of the platform', async () => {
    const { line } = await makeSshKey();
    expect(await platform.run('dave', 'keys:add', { input: `${line}\n` })).toMatchObject({
      code: 0,
      out: expect.stringContaining('of dave'),
    });
    for (const file of ['/etc/ssh_host_key', '/etc/passwd', '/proc/self/environ', '/slipway/web/ssh.sock']) {
      const ended = await platform.run('dave', `keys:add ${file}`);
      expect([file, ended.code, ended.err]).toEqual([file, 2, expect.stringContaining('cannot be read')]);
    }
  });

  it('that is about one’s own machine says so', async () => {
    for (const command of [
      'login http://127.0.0.1:1',
      'build .',
      'restore /',
      'certs:add a.pem b.pem',
      'volumes:backup data a.tar.gz',
      'volumes:backup data',
      'volumes:restore data a.tar.gz',
    ])
      expect(await platform.run('dave', command)).toMatchObject({
        code: 2,
        err: expect.stringContaining('works with what is on your machine'),
      });
  });

  it('without a name is a greeting, with a terminal too, and no shell', async () => {
    for (const options of [[], ['-tt']]) {
      const ended = await platform.run('dave', undefined, { options, input: 'id\nexit\n' });
      expect(ended.out + ended.err).toContain('Hello dave. Slipway gives no shell');
      expect(ended.out + ended.err).not.toContain('uid=');
    }
  });

  it('gets a terminal for run and enter only', async () => {
    const ended = await platform.run('dave', 'releases -a hello', { options: ['-tt'] });
    expect([ended.code, ended.out]).toEqual([
      2,
      expect.stringContaining('a terminal is for `run` and `enter` only'),
    ]);
    let wish = '';
    platform.api.deployer.converse = (connection) => {
      connection.once('data', (data) => {
        wish = String(data);
        connection.write(frame(FRAME.output, Buffer.from('from within\r\n')));
        connection.end(messageFrame({ exit: { code: 7, outOfMemory: false } }));
      });
    };
    const asked = await platform.run('dave', 'run -a hello sh', { options: ['-tt'] });
    expect([asked.code, asked.out]).toEqual([7, expect.stringContaining('from within')]);
    expect(wish).toContain('"terminal":{"columns":');
  });

  it('sees nothing of the environment of the caller', async () => {
    const argv = [
      ...platform.options('dave'),
      '-o',
      'SetEnv=SLIPWAY_URL=http://x SLIPWAY_SSH= NODE_OPTIONS=--inspect',
    ];
    const child = spawn('ssh', [...argv, 'git@127.0.0.1', 'whoami'], { env: { PATH: process.env.PATH } });
    let out = '';
    child.stdout.on('data', (data) => {
      out += data;
    });
    await new Promise((resolve) => child.on('close', resolve));
    expect(out).toBe('dave: hello\n');
  });
});

describe.skipIf(missing !== undefined)('sshd', () => {
  it('lets in nobody whose key is not known, and no other account', async () => {
    platform.keys.set('stranger', await makeSshKey());
    for (const [name, user] of [
      ['stranger', 'git'],
      ['dave', 'root'],
      ['dave', 'dave'],
      ['dave', 'sshd'],
      ['dave', '-x'],
    ] as const)
      expect([
        name,
        user,
        (await platform.run(name, 'whoami', { user: user === '-x' ? 'git;id' : user, isFresh: true })).code,
      ]).toEqual([name, user, 255]);
  });

  it('forwards nothing', async () => {
    const tries: string[][] = [
      ['-W', '127.0.0.1:22'],
      ['-N', '-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:22'],
      ['-s'],
    ];
    for (const options of tries) {
      const ended = await platform.run('dave', options[0] === '-s' ? 'sftp' : undefined, {
        options,
        isFresh: true,
      });
      expect([options, ended.code]).toEqual([options, expect.toBeOneOf([1, 255])]);
    }
  });

  it('runs as nobody in particular, and sees neither the machine’s files nor its processes', async () => {
    const pid = await firstProcess();
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    expect(/^Uid:\t(\d+)/m.exec(status)?.[1]).not.toBe('0');
    expect(/^CapEff:\t(.*)$/m.exec(status)?.[1]).toMatch(/^0+$/);
    expect(/^NoNewPrivs:\t1$/m.test(status)).toBe(true);
    const root = await readdir(`/proc/${pid}/root/`);
    expect(root.sort()).toEqual(expect.arrayContaining(['dev', 'etc', 'proc', 'slipway', 'usr']));
    for (const name of ['root', 'home', 'tmp', 'var', 'run', 'work']) expect(root).not.toContain(name);
    const processes = (await readdir(`/proc/${pid}/root/proc`)).filter((name) => /^\d+$/.test(name));
    expect(processes.length).toBeLessThan(20);
  });

  it('ends a key’s sessions within seconds of its removal, and lets nobody in with it', async () => {
    const { people } = platform.api.platform;
    const key = await makeSshKey();
    platform.keys.set('lost', key);
    const { fingerprint } = parseSshKey(key.line);
    await people.addKey('dave', parseSshKey(key.line), 'op');
    const { id } = await platform.api.building('hello');
    const followed = platform.run('lost', `builds:output ${id} -f -a hello`);
    const fetching = platform.run('lost', "git-upload-pack 'hello'", { input: Buffer.from('0032want') });
    await until(async () => (await commands()).length > 0);
    await people.removeKey(fingerprint, 'op');
    const [command] = await Promise.all([followed, fetching]);
    expect([command.code, command.err]).toEqual([
      1,
      expect.stringMatching(/this key was removed|the token is missing, wrong or revoked/),
    ]);
    expect((await platform.run('lost', 'whoami', { isFresh: true })).code).toBe(255);
    await until(async () => (await commands()).length === 0);
  });

  it('ends the command of a caller who hangs up', async () => {
    const { id } = await platform.api.building('hello');
    const child = spawn(
      'ssh',
      [...platform.options('dave'), 'git@127.0.0.1', `builds:output ${id} -f -a hello`],
      {
        env: { PATH: process.env.PATH },
        stdio: 'ignore',
      },
    );
    await until(async () => (await commands()).length > 0);
    child.kill('SIGKILL');
    await until(async () => (await commands()).length === 0);
  });

  it('serves others while many hold connections without a key, and lets those go', async () => {
    const sockets = Array.from({ length: 80 }, () => connect(platform.port, '127.0.0.1'));
    try {
      for (const socket of sockets) socket.on('error', () => {}).resume();
      // More than 60 of one address are not even greeted.
      await until(() => sockets.filter((socket) => socket.destroyed || socket.readableEnded).length >= 10);
      for (const socket of sockets) socket.destroy();
      await until(async () => (await platform.run('dave', 'whoami', { isFresh: true })).code === 0);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  it('leaves nothing running when it is stopped', async () => {
    const { id } = await platform.api.building('hello');
    const followed = platform.run('dave', `builds:output ${id} -f -a hello`);
    await until(async () => (await commands()).length > 0);
    await platform.ssh.stop();
    expect((await followed).code).toBe(255);
    expect(await commands()).toEqual([]);
  });
});

/** Processes of the command line in this room. */
async function commands(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (!command.includes('/slipway/app/bin/slipway')) continue;
    if ((await namespaceOf(pid)) === room) found.push(pid);
  }
  return found;
}

/** The first process of the room, of which sshd is one. */
async function firstProcess(): Promise<string> {
  const pid = platform.ssh.pid ?? 0;
  return (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ')[0] ?? '';
}

function namespaceOf(pid: string): Promise<string> {
  return readlink(`/proc/${pid}/ns/pid`).catch(() => '');
}
