/** Hosts and placement over the API, with a deployer that says what the test wants. */
import { execFile } from 'node:child_process';
import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { releaseDraft } from '../support/release-draft.js';
import { json } from './support/deployer.js';
import { type Answer, Platform } from './support/platform.js';

const FINGERPRINT = `SHA256:${'a'.repeat(43)}`;
const run = promisify(execFile);

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
  for (const app of ['hello', 'shop']) await platform.createApp(app);
});
afterAll(() => platform.stop());
beforeEach(async () => {
  for (const { name } of await platform.platform.hosts.list())
    if (name !== 'local') await platform.platform.hosts.remove(name, 'a test');
  await platform.platform.hosts.uncordon('local', 'a test');
  platform.deployer.asked.splice(0);
  platform.deployer.script = (_request, response) => json(response, 200, []);
});

const know = (name: string, labels: Record<string, string> = {}): Promise<unknown> =>
  platform.platform.hosts.add({ name, address: `tcp://${name}.test:2376`, labels }, 'alice');
const call = (method: string, path: string, body?: unknown): Promise<Answer> =>
  platform.call(method, `/v1${path}`, body === undefined ? {} : { body });

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
}

describe('hosts', () => {
  test('are for admins only', async () => {
    await know('alpha');
    for (const [method, path] of [
      ['GET', '/hosts'],
      ['POST', '/hosts'],
      ['GET', '/hosts/alpha'],
      ['PATCH', '/hosts/alpha'],
      ['DELETE', '/hosts/alpha'],
      ['POST', '/hosts/alpha/check'],
      ['GET', '/host-key'],
      ['POST', '/host-preparations'],
      ['PUT', '/apps/hello/placement'],
    ] as const) {
      const answer = await platform.call(method, `/v1${path}`, { as: 'alice' });
      expect([method, path, answer.status, answer.body.code]).toEqual([method, path, 403, 'forbidden']);
    }
    expect(platform.deployer.asked).toEqual([]);
  });

  test('are listed with how each is now, and without a deployer as they are written down', async () => {
    await know('alpha', { zone: 'eu' });
    platform.deployer.script = (_request, response) =>
      json(response, 200, [
        { name: 'alpha', address: 'tcp://alpha.test:2376', version: '20.10.24', containers: 3 },
        { name: 'local', address: 'unix:///run/docker.sock', problem: 'the Docker Engine cannot be reached' },
      ]);
    expect((await call('GET', '/hosts')).body.hosts).toMatchObject([
      { name: 'alpha', labels: { zone: 'eu' }, version: '20.10.24', containers: 3, addedBy: 'alice' },
      { name: 'local', address: 'unix:///run/docker.sock', problem: 'the Docker Engine cannot be reached' },
    ]);
    platform.deployer.script = (_request, response) => void response.destroy();
    expect((await call('GET', '/hosts')).body.hosts).toMatchObject([
      { name: 'alpha', problem: 'the deployer does not answer' },
      { name: 'local', problem: 'the deployer does not answer' },
    ]);
  });

  test('are added by the deployer, and what opens them is kept nowhere by the web process', async () => {
    let seen: unknown;
    platform.deployer.script = (request, response) =>
      void bodyOf(request).then((body) => {
        seen = body;
        json(response, 200, { host: { name: 'beta' }, warnings: ['in clear'] });
      });
    const tls = { ca: 'a certain CA', cert: 'a certain certificate', key: 'a certain secret key' };
    const wish = { name: 'beta', address: 'tcp://10.0.0.6:2376', labels: { zone: 'eu' }, tls };
    const answer = await call('POST', '/hosts', wish);
    expect([answer.status, answer.body]).toEqual([201, { host: { name: 'beta' }, warnings: ['in clear'] }]);
    expect(seen).toEqual({ ...wish, check: true, who: 'admin' });
    const found = await run('grep', ['-rl', 'a certain', platform.home]).catch(
      (error: { code: number }) => error.code,
    );
    expect(found).toBe(1);
  });

  test.each([
    [{ name: '../x' }, 'invalid_name'],
    [{ name: 'local' }, 'conflict'],
    [{ name: 'alpha' }, 'conflict'],
    [{ address: 'tcp://alpha.test:2376' }, 'conflict'],
    [{ address: 'http://x' }, 'bad_request'],
    [{ address: 'ssh://-oProxyCommand=x@y' }, 'bad_request'],
    [{ labels: { 'a b': 'c' } }, 'bad_request'],
    [{ labels: 'zone' }, 'bad_request'],
    [{ fingerprint: 'aa:bb' }, 'bad_request'],
    [{ fingerprint: FINGERPRINT, more: 1 }, 'bad_request'],
    [{ tls: { ca: 'x' } }, 'bad_request'],
    [{ tls: { ca: 'x', cert: 'x', key: 'x'.repeat(100_000) } }, 'bad_request'],
  ])('with %j are refused before the deployer is asked', async (more, code) => {
    await know('alpha');
    const answer = await call('POST', '/hosts', { name: 'beta', address: 'tcp://beta.test:2376', ...more });
    expect(answer.body.code).toBe(code);
    expect(platform.deployer.asked).toEqual([]);
  });

  test('an error of the deployer comes through with what to do', async () => {
    const error = { code: 'bad_request', message: 'nobody has confirmed the host key', hint: 'compare it' };
    platform.deployer.script = (_request, response) => json(response, 400, error);
    const wish = { name: 'beta', address: 'ssh://deploy@10.0.0.5' };
    const answer = await call('POST', '/hosts', wish);
    expect([answer.status, answer.body]).toEqual([400, error]);
  });

  test('are labelled and cordoned without a deployer', async () => {
    platform.deployer.script = (_request, response) => void response.destroy();
    await know('alpha', { zone: 'eu' });
    const labelled = await call('PATCH', '/hosts/alpha', { labels: { zone: null, disk: 'ssd' } });
    expect(labelled.body).toMatchObject({ name: 'alpha', labels: { disk: 'ssd' } });
    const cordoned = await call('PATCH', '/hosts/alpha', { cordoned: { reason: 'its disk' } });
    expect(cordoned.body.cordoned).toMatchObject({ by: 'admin', reason: 'its disk' });
    expect((await call('GET', '/hosts/alpha')).body).toMatchObject({
      name: 'alpha',
      cordoned: { reason: 'its disk' },
      apps: [],
    });
    expect((await call('PATCH', '/hosts/alpha', { cordoned: null })).body.cordoned).toBeUndefined();
    expect((await call('PATCH', '/hosts/alpha', { address: 'tcp://x:1' })).status).toBe(400);
    for (const name of ['none', '..%2Fx', 'A'])
      expect((await call('PATCH', `/hosts/${name}`, {})).body.code).toBe('not_found');
  });

  test('are not removed from under a live release but by force', async () => {
    await know('alpha');
    const { release } = await platform.ready('shop', 'FROM placed');
    const draft = releaseDraft('shop', { source: release.source, deploymentId: 'placed' });
    const placed = await platform.ledger.appendRelease('shop', { ...draft, hosts: ['alpha'] }, 'alice');
    await platform.ledger.recordOutcome('shop', placed.number, {
      state: 'live',
      at: new Date().toISOString(),
    });
    platform.deployer.script = (_request, response) => json(response, 200, { name: 'alpha', containers: 2 });
    expect((await call('GET', '/hosts/alpha')).body.apps).toEqual(['shop']);
    platform.deployer.asked.splice(0);
    expect((await call('DELETE', '/hosts/alpha')).body).toEqual({
      code: 'conflict',
      message: 'alpha runs the live release of shop',
      hint: expect.stringContaining('--force'),
    });
    expect(platform.deployer.asked).toEqual([]);
    await know('beta');
    await platform.createApp('named');
    await platform.ledger.setPlacement('named', { hosts: ['beta', 'local'] }, 'alice');
    expect((await call('DELETE', '/hosts/beta')).body.message).toBe('the placement of named names beta');
    expect(platform.deployer.asked).toEqual([]);
    expect((await call('DELETE', '/hosts/alpha?force=1')).body).toEqual({ name: 'alpha', containers: 2 });
    expect(platform.deployer.asked).toEqual(['/hosts/alpha/remove']);
    expect((await call('DELETE', '/hosts/none')).status).toBe(404);
  });

  test('are checked, and prepared while one watches', async () => {
    await know('alpha');
    const report = { name: 'alpha', good: false, findings: [] };
    platform.deployer.script = (_request, response) => json(response, 200, report);
    expect((await call('POST', '/hosts/alpha/check')).body).toEqual(report);
    platform.deployer.script = (_request, response) => void response.end('{"line":"x"}\n{"done":true}\n');
    const answer = await call('POST', '/host-preparations', { address: 'ssh://root@10.0.0.5' });
    expect([answer.status, answer.text]).toEqual([200, '{"line":"x"}\n{"done":true}\n']);
    platform.deployer.script = (_request, response) => json(response, 200, { publicKey: 'ssh-ed25519 AAAA' });
    expect((await call('GET', '/host-key')).body).toEqual({ publicKey: 'ssh-ed25519 AAAA' });
  });
});

describe('the placement of an app', () => {
  const place = (placement: unknown): Promise<Answer> => call('PUT', '/apps/hello/placement', { placement });

  test('is shown to who may use the app, with where the next release runs', async () => {
    await know('alpha', { zone: 'eu' });
    await know('beta', { zone: 'eu' });
    const first = await platform.call('GET', '/v1/apps/hello/placement', { as: 'reader' });
    expect(first.body).toEqual({ placement: null, hosts: ['local'] });
    expect((await place({ hosts: ['beta', 'alpha', 'beta'] })).body).toEqual({
      placement: { hosts: ['alpha', 'beta'] },
      hosts: ['alpha', 'beta'],
    });
    const eu = { label: { name: 'zone', value: 'eu' } };
    expect((await place(eu)).body).toEqual({ placement: eu, hosts: ['alpha', 'beta'] });
    await platform.platform.hosts.cordon('alpha', undefined, 'alice');
    expect((await call('GET', '/apps/hello/placement')).body.hosts).toEqual(['beta']);
    await platform.platform.hosts.cordon('beta', undefined, 'alice');
    expect((await call('GET', '/apps/hello/placement')).body).toEqual({
      placement: eu,
      hosts: [],
      problem: expect.stringContaining('cordoned'),
    });
    expect((await place(null)).body).toEqual({ placement: null, hosts: ['local'] });
  });

  test.each([
    [{ hosts: ['none'] }, 'no_host'],
    [{ hosts: ['../x'] }, 'invalid_name'],
    [{ hosts: [] }, 'bad_request'],
    [{ label: { name: 'zone', value: 'nowhere' } }, 'no_host'],
    [{ label: { name: '__proto__', value: 'x' } }, 'bad_request'],
    [{ hosts: ['local'], label: { name: 'zone', value: 'eu' } }, 'bad_request'],
    ['local', 'bad_request'],
    [undefined, 'bad_request'],
  ])('%j is refused, and the former one stays', async (placement, code) => {
    await place(null);
    expect((await place(placement)).body.code).toBe(code);
    expect((await platform.ledger.read('hello')).placement).toBeUndefined();
  });
});
