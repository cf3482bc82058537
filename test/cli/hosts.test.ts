/** hosts:… and placement, with a deployer that says what the test wants. */
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { json } from '../api/support/deployer.js';
import { Platform } from '../api/support/platform.js';
import { Terminal } from './support/terminal.js';

let platform: Platform;
let terminal: Terminal;
/** What the deployer was sent. */
let sent: Record<string, unknown>;

beforeAll(async () => {
  platform = await Platform.start();
  await platform.createApp('hello');
  const add = (name: string, labels: Record<string, string>): Promise<unknown> =>
    platform.platform.hosts.add({ name, address: `ssh://deploy@${name}.test`, labels }, 'alice');
  await add('alpha', { zone: 'eu', disk: 'ssd' });
  await add('beta', { zone: 'eu' });
});
beforeEach(async () => {
  terminal = await Terminal.at(await platform.url(), platform.token('admin'));
  platform.deployer.asked.splice(0);
});
afterAll(() => platform.stop());

function answer(status: number, body: unknown): void {
  platform.deployer.script = (request, response) => {
    if (request.url === '/hosts' && request.method === 'GET')
      return json(response, 200, [
        { name: 'alpha', address: 'ssh://deploy@alpha.test:22', version: '24.0.7', containers: 4 },
        { name: 'beta', address: 'ssh://deploy@beta.test:22', problem: 'it does not answer' },
        { name: 'local', address: 'unix:///run/docker.sock', version: '20.10.24', containers: 0 },
      ]);
    void bodyOf(request).then((received) => {
      sent = received;
      json(response, status, body);
    });
  };
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

test('hosts shows each with its state, hosts:info all of one', async () => {
  answer(200, {});
  await platform.platform.hosts.cordon('beta', 'its disk', 'bob');
  const { code, out } = await terminal.run(['hosts']);
  expect([code, out.split('\n')]).toEqual([
    0,
    [
      'NAME   ADDRESS                     LABELS            STATE                  ENGINE    CONTAINERS',
      'alpha  ssh://deploy@alpha.test:22  zone=eu,disk=ssd  ready                  24.0.7    4',
      'beta   ssh://deploy@beta.test:22   zone=eu           unreachable, cordoned',
      'local  unix:///run/docker.sock                       ready                  20.10.24  0',
      '',
    ],
  ]);
  const info = await terminal.run(['hosts:info', 'beta']);
  expect(info.out).toContain('state:      unreachable, cordoned\n');
  expect(info.out).toMatch(/^cordoned: {3}at .* by bob: its disk$/m);
  expect(info.out).toContain('problem:    it does not answer\n');
  await platform.platform.hosts.uncordon('beta', 'bob');
  expect((await terminal.run(['hosts', '--json'])).json).toHaveLength(3);
});

describe('hosts:add', () => {
  const host = { name: 'gamma', address: 'ssh://deploy@10.0.0.5:22', labels: {}, pullPort: 30_123 };

  test('sends what it was given, with the contents of the TLS files', async () => {
    answer(200, { host, warnings: ['the engine does not see the registry'] });
    for (const name of ['ca', 'cert', 'key'])
      await writeFile(join(terminal.directory, `${name}.pem`), `a ${name}`);
    const files = ['--tls-ca', 'ca.pem', '--tls-cert', 'cert.pem', '--tls-key', './key.pem'];
    const labels = ['--label', 'zone=eu', '--label', 'disk=ssd'];
    const argv = ['hosts:add', 'gamma', 'tcp://10.0.0.5:2376', ...labels, ...files, '--no-check'];
    const { code, out, err } = await terminal.run(argv);
    expect(sent).toEqual({
      name: 'gamma',
      address: 'tcp://10.0.0.5:2376',
      labels: { zone: 'eu', disk: 'ssd' },
      tls: { ca: 'a ca', cert: 'a cert', key: 'a key' },
      check: false,
      who: 'admin',
    });
    expect([code, out.split('\n')[1]]).toEqual([0, 'it pulls through SSH, from port 30123 of its loopback']);
    expect(err).toBe(' !     the engine does not see the registry\n');
  });

  test('shows the fingerprint that is to be confirmed', async () => {
    const message = 'nobody has confirmed the host key';
    answer(400, { code: 'bad_request', message, hint: 'slipway hosts:add … --fingerprint SHA256:x' });
    const { code, err } = await terminal.run(['hosts:add', 'gamma', 'ssh://deploy@10.0.0.5']);
    expect([code, err]).toEqual([
      2,
      ` !     ${message}\n !     slipway hosts:add … --fingerprint SHA256:x\n`,
    ]);
    expect(sent).not.toHaveProperty('fingerprint');
  });

  test.each([
    [['--label', 'zone'], '"zone" is not a label'],
    [['--tls-ca', 'none', '--tls-cert', 'none', '--tls-key', 'none'], 'none cannot be read'],
    [['--tls-ca', '/dev/null'], 'TLS needs three files'],
    [['--fingerprint', 'aa:bb'], 'fingerprint: must be as ssh-keygen prints it'],
  ])('with %j is a mistake', async (more, message) => {
    const { code, err } = await terminal.run(['hosts:add', 'gamma', 'tcp://10.0.0.5:2376', ...more]);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
    expect(platform.deployer.asked).toEqual([]);
  });
});

test('hosts:check says what is and what next, and fails when something is wrong', async () => {
  const findings = [
    { what: 'connection', result: 'good', says: 'it answers' },
    { what: 'disk', result: 'unknown', says: 'not to be seen' },
    { what: 'clock', result: 'bad', says: '7.0 s behind ours', hint: 'set it' },
  ];
  answer(200, { name: 'alpha', good: false, findings });
  const bad = await terminal.run(['hosts:check', 'alpha']);
  expect([bad.code, bad.out.split('\n')]).toEqual([
    1,
    [
      'alpha  connection  ok   it answers',
      'alpha  disk        ?    not to be seen',
      'alpha  clock       BAD  7.0 s behind ours',
      '                         → set it',
      '',
    ],
  ]);
  answer(200, { name: 'alpha', good: true, findings: [] });
  const all = await terminal.run(['hosts:check', '--json']);
  expect([all.code, all.json]).toMatchObject([0, [{ good: true }, { good: true }, { good: true }]]);
  expect(platform.deployer.asked.filter((path) => path.endsWith('/check'))).toHaveLength(4);
});

test('labels and cordons are changed', async () => {
  const labelled = await terminal.run(['hosts:label', 'alpha', 'rack=r1', 'disk-']);
  expect(labelled.out).toBe('alpha: rack=r1, zone=eu\n');
  const cordoned = await terminal.run(['hosts:cordon', 'alpha', '--reason', 'its fan']);
  expect(cordoned.out).toBe('alpha is cordoned: new releases are placed elsewhere\n');
  expect((await platform.platform.hosts.get('alpha')).cordoned).toMatchObject({
    by: 'admin',
    reason: 'its fan',
  });
  expect((await terminal.run(['hosts:uncordon', 'alpha'])).code).toBe(0);
  expect((await platform.platform.hosts.get('alpha')).cordoned).toBeUndefined();
  const unknown = await terminal.run(['hosts:cordon', '../x']);
  expect([unknown.code, unknown.err]).toEqual([
    1,
    ' !     there is no host "../x"\n !     see: slipway hosts\n',
  ]);
});

test('hosts:remove says what was removed there, or what may be left', async () => {
  answer(200, { name: 'beta', containers: 2 });
  expect((await terminal.run(['hosts:remove', 'beta'])).out).toBe(
    'beta is forgotten, and its containers of this platform are removed: 2\n',
  );
  answer(200, { name: 'beta', problem: 'it does not answer' });
  const { out, err } = await terminal.run(['hosts:remove', 'beta', '--force']);
  expect([out, err]).toEqual([
    'beta is forgotten\n',
    ' !     what ran there may still run: it does not answer\n !     remove it there by hand: docs/hosts.md, "Removing one", has the command\n',
  ]);
});

test('hosts:key prints one line for authorized_keys', async () => {
  answer(200, { publicKey: 'ssh-ed25519 AAAA slipway-x' });
  expect((await terminal.run(['hosts:key'])).out).toBe('ssh-ed25519 AAAA slipway-x\n');
});

describe('hosts:prepare', () => {
  const says = (text: string): void => {
    platform.deployer.script = (_request, response) => {
      response.writeHead(200);
      response.write(text.slice(0, 12));
      setTimeout(() => response.end(text.slice(12)), 20);
    };
  };

  test('shows what is done there as it is done', async () => {
    says('{"line":"-----> Debian"}\n{"line":"grün\\u001b[2J"}\n{"done":true}\n');
    const done = await terminal.run(['hosts:prepare', 'ssh://root@10.0.0.5']);
    expect([done.code, done.out]).toEqual([0, '-----> Debian\ngrün [2J\n']);
    const asJson = await terminal.run(['hosts:prepare', 'ssh://root@10.0.0.5', '--json']);
    expect(asJson.json.lines).toHaveLength(2);
  });

  test('fails with what went wrong there, or was cut off', async () => {
    says('{"line":"x"}\n{"error":{"code":"unavailable","message":"no root","hint":"use root"}}\n');
    const failed = await terminal.run(['hosts:prepare', 'ssh://deploy@10.0.0.5']);
    expect([failed.code, failed.out, failed.err]).toEqual([1, 'x\n', ' !     no root\n !     use root\n']);
    says('{"line":"x"}\n');
    const cut = await terminal.run(['hosts:prepare', 'ssh://root@10.0.0.5']);
    expect([cut.code, cut.err]).toEqual([1, expect.stringContaining('cut off')]);
  });
});

test('placement is shown and set', async () => {
  expect((await terminal.run(['placement', '-a', 'hello'])).out).toBe(
    'hello is placed on local\nits next release runs on: local\n',
  );
  const onEu = await terminal.run(['placement:set', '--label', 'zone=eu', '-a', 'hello']);
  expect(onEu.out).toBe('hello is placed on hosts with zone=eu\nits next release runs on: alpha, beta\n');
  const named = await terminal.run(['placement:set', '--host', 'beta', '--host', 'alpha', '-a', 'hello']);
  expect(named.out).toContain('hello is placed on alpha, beta\n');
  const none = await terminal.run(['placement:set', '--host', 'none', '-a', 'hello']);
  expect([none.code, none.err]).toEqual([1, expect.stringContaining('the host none, which is not known')]);
  await terminal.run(['placement:set', '--default', '-a', 'hello']);
  expect((await platform.ledger.read('hello')).placement).toBeUndefined();
  for (const argv of [[], ['--default', '--host', 'alpha'], ['--label', 'zone']])
    expect((await terminal.run(['placement:set', ...argv, '-a', 'hello'])).code).toBe(2);
});
