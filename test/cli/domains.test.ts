/** domains, certs, maintenance and metrics against a real platform, with a deployer that is played by the test. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { json } from '../api/support/deployer.js';
import { Platform } from '../api/support/platform.js';
import { makeCertificate } from '../support/certificates.js';
import { Terminal } from './support/terminal.js';

let platform: Platform;
let terminal: Terminal;

beforeAll(async () => {
  platform = await Platform.start();
  await platform.url();
  await platform.createApp('hello');
});
beforeEach(async () => {
  terminal = await Terminal.at(await platform.url(), platform.token('admin'));
});
afterAll(() => platform.stop());

test('domains are added, listed, removed and cleared', async () => {
  const added = await terminal.run(['domains:add', 'WWW.a.test', 'bücher.test', '-a', 'hello']);
  expect([added.code, added.err]).toEqual([0, '']);
  expect(added.out.split('\n')).toEqual([
    expect.stringMatching(/^DOMAIN +CERTIFICATE +URL$/),
    expect.stringMatching(/^hello\.localhost +none +http:\/\/hello\.localhost:8080$/),
    expect.stringMatching(/^www\.a\.test +none +http:\/\/www\.a\.test:8080$/),
    expect.stringMatching(/^xn--bcher-kva\.test +none +http:/),
    '',
  ]);
  expect(
    (await terminal.run(['domains', 'remove', 'www.a.test', '-a', 'hello', '--json'])).json.removed,
  ).toEqual(['www.a.test']);
  expect((await terminal.run(['domains:clear', '-a', 'hello'])).code).toBe(0);
  expect((await terminal.run(['domains', '-a', 'hello', '--json'])).json).toHaveLength(1);
  const wrong = await terminal.run(['domains:add', 'http://a.test/', '-a', 'hello']);
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('without scheme, port or path')]);
});

test('what the deployer could not do is said, and what is only stored too', async () => {
  platform.deployer.script = (_request, response) =>
    json(response, 200, { problems: ['x.test goes to another app'] });
  const known = await terminal.run(['domains:add', 'x.test', '-a', 'hello']);
  expect([known.code, known.err]).toEqual([0, ' !     x.test goes to another app\n']);
  platform.deployer.script = (_request, response) =>
    json(response, 503, { code: 'unavailable', message: 'not now' });
  const stored = await terminal.run(['domains:remove', 'x.test', '-a', 'hello']);
  expect(stored.err).toContain('in effect as soon as the deployer is back');
  platform.deployer.script = (_request, response) => json(response, 200, { problems: [] });
});

test('a certificate is added from files, listed and removed, and fetching is switched', async () => {
  await terminal.run(['domains:add', 'cert.test', '-a', 'hello']);
  const { certificate, key } = await makeCertificate(['cert.test']);
  const paths = [join(terminal.directory, 'cert.pem'), join(terminal.directory, 'key.pem')] as const;
  await writeFile(paths[0], certificate);
  await writeFile(paths[1], key);
  const added = await terminal.run(['certs:add', ...paths, '-a', 'hello']);
  expect([added.code, added.err]).toEqual([0, '']);
  expect(added.out).toMatch(/^[0-9a-f]{16} +own +\S+ \S+Z +admin +cert\.test$/m);
  const missing = await terminal.run(['certs:add', '/nowhere.pem', paths[1], '-a', 'hello']);
  expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('/nowhere.pem')]);
  const { certificates } = (await terminal.run(['certs', '-a', 'hello', '--json'])).json;
  expect((await terminal.run(['certs:auto', '-a', 'hello'])).out).toContain('fetched and renewed');
  expect((await terminal.run(['certs:auto', '--off', '-a', 'hello'])).out).toContain('not fetched');
  const removed = await terminal.run(['certs:remove', certificates[0].id, '-a', 'hello']);
  expect(removed.out).toContain('no certificates');
});

test('maintenance is switched on and off', async () => {
  expect((await terminal.run(['maintenance', '-a', 'hello'])).out).toBe('hello is not being maintained\n');
  const on = await terminal.run(['maintenance', 'on', 'Back at noon.', '-a', 'hello']);
  expect(on.out).toMatch(
    /^hello is being maintained since \S+ \S+Z by admin; people are told:\n {2}Back at noon\.\n$/,
  );
  expect((await terminal.run(['maintenance', 'off', '-a', 'hello'])).out).toBe(
    'hello is not being maintained\n',
  );
});

test('what the edge counted is shown', async () => {
  const traffic = {
    since: '2030-01-01T00:00:00.000Z',
    requests: 7,
    responses: { '1xx': 0, '2xx': 6, '3xx': 0, '4xx': 0, '5xx': 1 },
    bytesIn: 100,
    bytesOut: 2000,
    underWay: 2,
    failures: { connections: 1, responses: 0, retries: 3 },
    averageMs: { queue: 0, connect: 1, response: 12, total: 14 },
  };
  platform.deployer.script = (_request, response) => json(response, 200, { traffic });
  expect((await terminal.run(['metrics', '-a', 'hello'])).out.split('\n')).toEqual([
    'since      2030-01-01 00:00:00Z',
    'requests   7, 2 under way',
    'answers    1xx 0, 2xx 6, 3xx 0, 4xx 0, 5xx 1',
    'bytes      100 in, 2000 out',
    'failures   1 connections, 0 answers broken off; 3 tried again',
    'on average 14 ms: 0 waiting, 1 to connect, 12 until the answer begins',
    '',
  ]);
  expect((await terminal.run(['metrics', '-a', 'hello', '--json'])).json).toEqual(traffic);
  platform.deployer.script = (_request, response) => json(response, 200, { traffic: null });
  expect((await terminal.run(['metrics', '-a', 'hello'])).out).toBe('nothing of hello is at the edge\n');
});
