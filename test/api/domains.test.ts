/** Domains, certificates and maintenance over the API: what is refused, what is kept, and what the deployer is told. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeCertificate } from '../support/certificates.js';
import { json } from './support/deployer.js';
import { type Answer, Platform } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
  for (const app of ['hello', 'shop']) await platform.createApp(app);
});
afterAll(() => platform.stop());
beforeEach(() => {
  platform.deployer.asked.length = 0;
});

const patch = (app: string, body: unknown): Promise<Answer> =>
  platform.call('PATCH', `/v1/apps/${app}/domains`, { body });
const names = async (app: string): Promise<string[]> =>
  (await platform.call('GET', `/v1/apps/${app}/domains`)).body.domains.map(
    (one: { name: string }) => one.name,
  );
const history = (app: string): Promise<string> =>
  platform.git.text(['log', '--format=%s', 'refs/slipway/ledger'], {
    gitDir: platform.repositories.path(app),
  });

describe('domains', () => {
  test('are added, removed and cleared; the deployer is told, and the ledger reads well', async () => {
    const added = await patch('hello', {
      add: ['WWW.Hello.test', 'hello.test', '*.hello.test', 'hello.test'],
    });
    expect(added).toMatchObject({ status: 200, body: { served: true, problems: [] } });
    expect(await names('hello')).toEqual(['hello.localhost', '*.hello.test', 'hello.test', 'www.hello.test']);
    expect(platform.deployer.asked).toEqual(['/apps/hello/route']);
    expect((await patch('hello', { remove: ['hello.test.'] })).status).toBe(200);
    expect((await patch('hello', { remove: ['hello.test'] })).status).toBe(404);
    expect((await patch('hello', {})).status).toBe(400);
    expect((await platform.call('DELETE', '/v1/apps/hello/domains')).status).toBe(200);
    expect(await names('hello')).toEqual(['hello.localhost']);
    expect((await history('hello')).split('\n').slice(0, 3)).toEqual([
      'domains: remove *.hello.test, www.hello.test by admin',
      'domains: remove hello.test by admin',
      'domains: add *.hello.test, hello.test, www.hello.test by admin',
    ]);
  });

  test('are refused by the same words whoever has them, and nothing is changed then', async () => {
    await patch('shop', { add: ['taken.test'] });
    const platformsOwn = [
      'other.localhost',
      '*.x.localhost',
      'a.b.localhost',
      'slipway.test',
      'nobody.localhost',
    ];
    for (const name of ['taken.test', ...platformsOwn]) {
      const answer = await patch('hello', { add: ['free.test', name] });
      expect([name, answer.status]).toEqual([name, 409]);
      expect(answer.body).toMatchObject({ code: 'conflict', message: `the domain ${name} is not free` });
      expect(answer.text).not.toContain('shop');
    }
    for (const name of ['localhost', '-x.test', 'a b.test', '*.test', 'http://x.test'])
      expect((await patch('hello', { add: ['free.test', name] })).body.code, name).toBe('invalid_name');
    expect(await names('hello')).toEqual(['hello.localhost']);
    expect(platform.deployer.asked).toEqual(['/apps/shop/route']);
  });

  test('out of the wildcard of another app are for those who may use both', async () => {
    await platform.createApp('theirs');
    await patch('theirs', { add: ['*.wild.test', 'one.single.test'] });
    const add = (as: 'admin' | 'alice', name: string): Promise<Answer> =>
      platform.call('PATCH', '/v1/apps/hello/domains', { as, body: { add: [name] } });
    for (const name of ['login.wild.test', '*.single.test']) {
      expect([name, (await add('alice', name)).status]).toEqual([name, 409]);
      expect([name, (await add('admin', name)).status]).toEqual([name, 200]);
    }
    expect((await add('alice', 'wild.test')).status).toBe(200);
    await platform.call('DELETE', '/v1/apps/hello/domains');
  });

  test('go to one of two apps that want them at once', async () => {
    const answers = await Promise.all(
      ['hello', 'shop', 'hello', 'shop'].map((app) => patch(app, { add: ['raced.test'] })),
    );
    const owners = (await Promise.all(['hello', 'shop'].map(names)))
      .flat()
      .filter((name) => name === 'raced.test');
    expect(owners).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(2);
  });

  test('are kept when no deployer answers, and that is said', async () => {
    platform.deployer.script = (_request, response) =>
      json(response, 503, { code: 'unavailable', message: 'not now' });
    const answer = await patch('hello', { add: ['later.test'] });
    platform.deployer.script = (_request, response) => json(response, 200, { problems: [] });
    expect(answer).toMatchObject({ status: 200, body: { served: false, problems: ['not now'] } });
    expect(await names('hello')).toContain('later.test');
  });

  test('are named by a release of their own once the app is live, which changes nothing else', async () => {
    await platform.createApp('released');
    expect((await patch('released', { add: ['first.test'] })).body.build).toBeUndefined();
    const { release } = await platform.live('released', 'FROM one');
    expect(release.domains).toEqual(['first.test']);
    const { build } = (await patch('released', { add: ['second.test'] })).body;
    expect((await patch('released', { add: ['second.test'] })).body.build).toBeUndefined();
    const { releases } = await platform.ledger.read('released');
    expect(releases.at(-1)).toMatchObject({
      ...{ image: release.image, config: release.config, processes: release.processes },
      ...{
        deploymentId: build,
        domains: ['first.test', 'second.test'],
        description: 'domains: add second.test',
      },
    });
    // One that is on its way is left alone.
    expect((await patch('released', { add: ['third.test'] })).body.build).toBeUndefined();
  });
});

describe('certificates', () => {
  test('are checked, kept with an encrypted key, replaced and removed', async () => {
    await patch('hello', { add: ['cert.test'] });
    const post = (body: unknown): Promise<Answer> => platform.call('POST', '/v1/apps/hello/certs', { body });
    const [one, next, foreign] = [
      await makeCertificate(['cert.test']),
      await makeCertificate(['cert.test', 'more.test']),
      await makeCertificate(['foreign.test']),
    ];
    expect((await post(foreign)).body.message).toContain('hello has no such domain');
    expect((await post({ ...one, key: next.key })).body.code).toBe('invalid_config');
    const added = await post(one);
    expect(added.status).toBe(201);
    expect(added.text).not.toMatch(/BEGIN|"key"|"chain"/);
    const document = await platform.git.text(['show', 'refs/slipway/ledger:certificates.json'], {
      gitDir: platform.repositories.path('hello'),
    });
    expect(document).not.toContain('PRIVATE');
    const secret = one.key.split('\n')[1] ?? '';
    expect(document).not.toContain(secret);
    const { domains } = (await platform.call('GET', '/v1/apps/hello/domains')).body;
    expect(domains).toContainEqual({
      name: 'cert.test',
      url: 'https://cert.test:8443',
      certificate: added.body.id,
    });
    const replaced = await post(next);
    expect(replaced.body.certificates.map((each: { id: string }) => each.id)).toEqual([replaced.body.id]);
    const path = `/v1/apps/hello/certs/${replaced.body.id}`;
    expect((await platform.call('DELETE', path)).body.certificates).toEqual([]);
    expect((await platform.call('DELETE', path)).status).toBe(404);
    expect((await history('hello')).split('\n')[0]).toBe(`certificates: remove ${replaced.body.id} by admin`);
  });

  test('are fetched when that is asked for', async () => {
    const set = (automatic: unknown): Promise<Answer> =>
      platform.call('PATCH', '/v1/apps/hello/certs', { body: { automatic } });
    expect((await set(true)).body).toMatchObject({ automatic: true });
    expect((await set('yes')).status).toBe(400);
    expect((await set(false)).body).toMatchObject({ automatic: false });
  });
});

describe('maintenance', () => {
  test('is switched on with a text and off again', async () => {
    const put = (body: unknown): Promise<Answer> =>
      platform.call('PUT', '/v1/apps/hello/maintenance', { body });
    const get = async (): Promise<unknown> => (await platform.call('GET', '/v1/apps/hello/maintenance')).body;
    expect(await get()).toEqual({ maintenance: null });
    expect((await put({})).body.maintenance).toMatchObject({
      by: 'admin',
      text: expect.stringContaining('hello'),
    });
    expect((await put({ text: 'Zurück um 12.' })).body.maintenance.text).toBe('Zurück um 12.');
    for (const text of ['', ' ', 'a\nb', 'a\u0000b', 'x'.repeat(501)])
      expect((await put({ text })).status).toBe(400);
    expect(await get()).toMatchObject({ maintenance: { text: 'Zurück um 12.' } });
    await platform.call('DELETE', '/v1/apps/hello/maintenance');
    expect(await get()).toEqual({ maintenance: null });
    expect((await history('hello')).split('\n').slice(0, 2)).toEqual([
      'maintenance off by admin',
      'maintenance on by admin',
    ]);
  });
});
