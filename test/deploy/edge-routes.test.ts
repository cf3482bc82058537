import { once } from 'node:events';
import { readFile, rm, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { Agent, request } from 'node:https';
import { dirname, join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseTables } from '../../deploy/edge/haproxy-tables.js';
import {
  type EdgeRoute,
  type EdgeServer,
  EMPTY_EDGE,
  withApp,
  withChallenge,
  withRoute,
} from '../../deploy/edge/state.js';
import { renderCertificates, renderMap, tablesOf } from '../../deploy/edge/tables.js';
import { type MadeCertificate, makeCertificate } from '../support/certificates.js';
import { until } from '../support/until.js';
import { HAPROXY_MISSING, startEdge, type TestEdge } from './support/edge.js';
import { ask, startLoad } from './support/load.js';

if (HAPROXY_MISSING !== undefined) console.warn(`skipped: ${HAPROXY_MISSING}`);

const route = (app: string, more: Partial<EdgeRoute> = {}): EdgeRoute => ({
  app,
  host: `${app}.localhost`,
  domains: [],
  certificates: [],
  ...more,
});

describe('what is set for an app', () => {
  it('is kept beside its servers, and is nothing when nothing is set', () => {
    const one = withRoute(EMPTY_EDGE, route('hello', { domains: ['hello.test'] }));
    expect(one.generation).toBe(1);
    expect(withRoute(one, route('hello', { domains: ['hello.test'] }))).toBe(one);
    const both = withApp(one, { app: 'hello', host: 'hello.localhost', servers: [] });
    expect(both.routes).toEqual(one.routes);
    expect(withRoute(EMPTY_EDGE, route('hello'))).toBe(EMPTY_EDGE);
    expect(withRoute(both, route('hello')).routes).toEqual([]);
  });

  it('leaves a domain to the app that had it first', () => {
    const first = withRoute(EMPTY_EDGE, route('first', { domains: ['a.test'] }));
    const second = withRoute(first, route('aaa', { domains: ['a.test', 'b.test'] }));
    expect([...tablesOf(second).maps['domains.map']]).toEqual([
      ['a.test', 'first.localhost'],
      ['b.test', 'aaa.localhost'],
    ]);
  });

  it('shows a certificate only for names of its own app', () => {
    const certificates = [{ file: 'certificates/x.pem', names: ['*.a.test', 'other.test'] }];
    const state = withRoute(EMPTY_EDGE, route('x', { domains: ['www.a.test', 'a.test'], certificates }));
    const tables = tablesOf(state);
    expect(renderCertificates(tables.certificates)).toBe('certificates/x.pem www.a.test\n');
    expect(renderMap(tables.maps['secured.map'])).toBe('www.a.test 1\n');
    const none = withRoute(EMPTY_EDGE, route('x', { domains: ['b.test'], certificates }));
    expect(tablesOf(none).certificates).toEqual([]);
  });

  it('is read as HAProxy shows it', () => {
    const text =
      '# id (file) description\n0 (domains.map) …\n\n0x54 x.localhost APP_1\n\n0x55 a.test x.localhost\n0x56 b.test y.localhost\n\n\n0x57 x.localhost Zm9v\n\n\n0x58 x.localhost/0 v2-a\n\n# certificates.list\nc/x.pem:1 a.test *.b.test\nc/y.pem:3\n';
    const { maps, certificates } = parseTables(text);
    expect(maps).toEqual({
      'apps.map': [{ key: 'x.localhost', value: 'APP_1', handle: '#0x54' }],
      'domains.map': [
        { key: 'a.test', value: 'x.localhost', handle: '#0x55' },
        { key: 'b.test', value: 'y.localhost', handle: '#0x56' },
      ],
      'secured.map': [],
      'maintenance.map': [{ key: 'x.localhost', value: 'Zm9v', handle: '#0x57' }],
      'challenges.map': [],
      'canaries.map': [{ key: 'x.localhost/0', value: 'v2-a', handle: '#0x58' }],
    });
    expect(certificates).toEqual([
      { entry: 'c/x.pem a.test *.b.test', file: 'c/x.pem', handle: 'c/x.pem:1' },
      { entry: 'c/y.pem', file: 'c/y.pem', handle: 'c/y.pem:3' },
    ]);
  });
});

describe.skipIf(HAPROXY_MISSING !== undefined)('the edge', () => {
  const allow = async (): Promise<void> => undefined;
  const open: Server[] = [];
  let test: TestEdge;

  beforeAll(async () => {
    test = await startEdge();
    for (const app of ['one', 'two']) await serve(app);
  });
  afterAll(async () => {
    await test?.stop();
    for (const server of open) {
      server.closeAllConnections();
      server.close();
    }
  });

  /** Answers with the app's name, at `/headers` with what it was told. */
  const serve = async (app: string): Promise<EdgeServer> => {
    const server = createServer((asked, response) => {
      response.end(asked.url === '/headers' ? JSON.stringify(asked.headers) : app);
    });
    server.on('upgrade', (_request, socket) => {
      socket.on('error', () => undefined);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n');
      socket.pipe(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.push(server);
    const { port } = server.address() as { port: number };
    const one = { name: `${app}-127.0.0.1:${port}`, host: '127.0.0.1', port };
    await test.edge.change((now) => withApp(now, { app, host: `${app}.localhost`, servers: [one] }), allow);
    return one;
  };
  const set = (app: string, more: Partial<EdgeRoute>): Promise<void> =>
    test.edge.change((now) => withRoute(now, route(app, more)), allow);
  const add = async (
    name: string,
    { certificate, key }: MadeCertificate,
    ...names: string[]
  ): Promise<EdgeRoute['certificates'][number]> => ({
    file: await test.edge.addCertificate(name, `${certificate}${key}`),
    names,
  });
  const get = (host: string, path = '/'): ReturnType<typeof ask> =>
    ask(undefined, { port: test.port, host, path });
  const reloads = async (): Promise<number> => (await test.haproxy.processes()).reloads;

  /** Over TLS, by a client that trusts this certificate alone. */
  const getTls = (
    host: string,
    ca: string,
    path = '/',
    agent?: Agent,
  ): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      const call = request(
        {
          host: '127.0.0.1',
          port: test.tlsPort,
          servername: host,
          ca,
          path,
          headers: { host },
          ...(agent === undefined ? { agent: false as const } : { agent }),
        },
        (response) => {
          let body = '';
          response.setEncoding('utf8');
          response.on('data', (part: string) => {
            body += part;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        },
      );
      call.on('error', reject);
      call.end();
    });

  it('leads domains to their app, wildcards one label deep, without a reload', async () => {
    const before = await reloads();
    await set('one', { domains: ['one.test', '*.one.test', '*.shared.test'] });
    await set('two', { domains: ['exact.shared.test'] });
    for (const host of [
      'one.test',
      'ONE.test.',
      'www.one.test',
      `x_1.one.test:${test.port}`,
      'a.shared.test',
    ])
      expect((await get(host)).body, host).toBe('one');
    expect((await get('exact.shared.test')).body).toBe('two');
    for (const host of ['a.b.one.test', 'shared.test', 'one.testx', 'xone.test', '.one.test', 'test'])
      expect((await get(host)).status, host).toBe(404);
    await set('one', { domains: ['one.test'] });
    expect((await get('www.one.test')).status).toBe(404);
    expect((await get('one.localhost')).body).toBe('one');
    expect(await reloads()).toBe(before);
  });

  it('serves HTTPS with HTTP/1.1 and HTTP/2, TLS 1.2 at least, and sends HTTP there', async () => {
    const before = await reloads();
    const made = await makeCertificate(['one.test', '*.one.test', 'two.test']);
    const domains = ['one.test', '*.one.test'];
    await set('one', {
      domains,
      certificates: [await add('one-1', made, 'one.test', '*.one.test', 'two.test')],
    });
    await set('two', { domains: ['two.test'] });
    for (const host of ['one.test', 'www.one.test'])
      expect(await getTls(host, made.certificate), host).toEqual({ status: 200, body: 'one' });
    // Its certificate would do for this name too, but the name is another app's.
    await expect(getTls('two.test', made.certificate)).rejects.toThrow();
    await expect(getTls('a.b.one.test', made.certificate)).rejects.toThrow();
    const old = connectTls({
      port: test.tlsPort,
      servername: 'one.test',
      ca: made.certificate,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    const [error] = (await once(old, 'error')) as [NodeJS.ErrnoException];
    expect(error.message).toMatch(/protocol version/);

    const client = connectHttp2(`https://one.test:${test.tlsPort}`, {
      ca: made.certificate,
      createConnection: () =>
        connectTls({
          port: test.tlsPort,
          servername: 'one.test',
          ca: made.certificate,
          ALPNProtocols: ['h2'],
        }),
    });
    const stream = client.request({ ':path': '/headers' });
    stream.setEncoding('utf8');
    let text = '';
    for await (const part of stream) text += part;
    client.close();
    expect(JSON.parse(text)).toMatchObject({
      'x-forwarded-proto': 'https',
      'x-forwarded-port': String(test.tlsPort),
      'x-forwarded-for': '127.0.0.1',
    });

    const redirected = await get('one.test', '/a%20b?c=d');
    expect(redirected.status).toBe(308);
    expect(redirected.headers.location).toBe(`https://one.test:${test.tlsPort}/a%20b?c=d`);
    expect(redirected.headers['strict-transport-security']).toBeUndefined();
    expect((await get('WWW.one.test')).headers.location).toBe(`https://www.one.test:${test.tlsPort}/`);
    // What has no certificate goes on over HTTP.
    expect((await get('two.test')).body).toBe('two');
    expect((await get('one.localhost')).body).toBe('one');
    expect(await reloads()).toBe(before);
    const files = dirname(test.configFile);
    expect((await stat(join(files, 'certificates', 'one-1.pem'))).mode & 0o777).toBe(0o600);
  });

  it('refuses a certificate that HAProxy cannot use, and serves on', async () => {
    const [one, other] = [await makeCertificate(['bad.test']), await makeCertificate(['bad.test'])];
    for (const [name, made] of [
      ['bad-1', { certificate: one.certificate, key: other.key }],
      ['bad-3', { certificate: 'rubbish\n', key: '' }],
    ] as const)
      await expect(add(name, made, 'bad.test'), name).rejects.toMatchObject({ code: 'invalid_config' });
    expect((await get('two.localhost')).body).toBe('two');
    // One that is tried after those is not disturbed by them.
    await set('two', { domains: ['bad.test'], certificates: [await add('bad-4', one, 'bad.test')] });
    expect((await getTls('bad.test', one.certificate)).body).toBe('two');
  });

  it('answers for an app that is being maintained, with any text, and lets its tunnels live', async () => {
    const text = 'Back at noon: "we" promise; 100% %[src] #1 ünïcödé \\n';
    await set('one', { domains: ['one.test'], maintenance: text });
    const answer = await get('one.test');
    expect(answer.status).toBe(503);
    expect(answer.body).toBe(`${text}\n`);
    expect(answer.headers).toMatchObject({
      'retry-after': '60',
      'content-type': 'text/plain; charset=utf-8',
    });
    expect((await get('one.localhost')).status).toBe(503);
    expect((await get('two.localhost')).body).toBe('two');
    await set('one', { domains: ['one.test'] });
    expect((await get('one.test')).body).toBe('one');
  });

  it('answers a challenge before all else, and leaves others to the app', async () => {
    const made = await makeCertificate(['one.test']);
    await set('one', {
      domains: ['one.test'],
      certificates: [await add('one-2', made, 'one.test')],
      maintenance: 'away',
    });
    await test.edge.change((now) => withChallenge(now, 'to-ken_1', 'to-ken_1.print'), allow);
    const path = '/.well-known/acme-challenge/to-ken_1';
    expect(await get('one.test', path)).toMatchObject({ status: 200, body: 'to-ken_1.print' });
    expect((await getTls('one.test', made.certificate, path)).body).toBe('to-ken_1.print');
    await set('one', { domains: ['one.test'] });
    expect((await get('one.test', '/.well-known/acme-challenge/mine')).body).toBe('one');
    await test.edge.change((now) => withChallenge(now, 'to-ken_1', undefined), allow);
    expect((await get('one.test', path)).body).toBe('one');
  });

  it('serves all of it again after a restart of HAProxy alone', async () => {
    const made = await makeCertificate(['one.test']);
    await set('one', {
      domains: ['one.test', 'plain.test'],
      certificates: [await add('one-3', made, 'one.test')],
    });
    await set('two', { domains: ['two.test'], maintenance: 'away' });
    await test.kill();
    await test.start();
    expect((await getTls('one.test', made.certificate)).body).toBe('one');
    expect((await get('plain.test')).body).toBe('one');
    expect((await get('one.test')).status).toBe(308);
    expect((await get('two.test')).body).toBe('away\n');
    await set('two', {});
    expect((await get('two.localhost')).body).toBe('two');
  });

  it('starts again without a certificate whose file is lost', async () => {
    const made = await makeCertificate(['one.test']);
    const certificates = [await add('one-4', made, 'one.test')];
    await set('one', { domains: ['one.test'], certificates });
    await rm(join(dirname(test.configFile), 'certificates', 'one-4.pem'));
    await test.edge.converge();
    expect(await readFile(join(dirname(test.configFile), 'certificates.list'), 'utf8')).not.toContain(
      'one-4',
    );
    await test.kill();
    await test.start();
    expect((await get('one.test')).body).toBe('one');
    await add('one-4', made, 'one.test');
    await test.edge.converge();
    expect((await getTls('one.test', made.certificate)).body).toBe('one');
  });

  it('counts the requests of an app', async () => {
    const traffic = async (): Promise<[number, number, number]> => {
      const { requests, responses, bytesOut } = (await test.edge.traffic('two.localhost'))!;
      return [requests, responses['2xx'], bytesOut];
    };
    const before = await traffic();
    for (let count = 0; count < 5; count += 1) await get('two.localhost');
    const after = await traffic();
    expect(after.slice(0, 2)).toEqual([before[0] + 5, before[1] + 5]);
    expect(after[2]).toBeGreaterThan(before[2]);
    expect(Date.parse((await test.edge.traffic('one.localhost'))!.since)).toBeLessThanOrEqual(Date.now());
    expect(await test.edge.traffic('nobody.localhost')).toBeUndefined();
  });

  it('corrects tables that somebody has changed by hand', async () => {
    await set('one', { domains: ['one.test'] });
    for (const command of [
      'add map domains.map one.test two.localhost',
      'add map domains.map evil.test two.localhost',
    ])
      await test.haproxy.command(`@1 ${command}`);
    expect((await get('evil.test')).body).toBe('two');
    await test.edge.converge();
    expect((await get('evil.test')).status).toBe(404);
    expect((await get('one.test')).body).toBe('one');
  });

  it('loses no request and no tunnel while domains and certificates change, and the edge is reloaded', async () => {
    const ca = await makeCertificate([], { ca: true, subject: '/CN=authority' });
    const first = await makeCertificate(['kept.test'], { signedBy: ca });
    const agent = new Agent({ keepAlive: true, maxSockets: 2 });
    await set('one', {
      domains: ['kept.test', 'plain.test'],
      certificates: [await add('kept-0', first, 'kept.test')],
    });
    const load = startLoad({ port: test.port, host: 'plain.test' });
    const failures: string[] = [];
    let running = true;
    let count = 0;
    const client = async (reused: boolean): Promise<void> => {
      while (running) {
        count += 1;
        const answer = await getTls(
          'kept.test',
          ca.certificate,
          '/headers',
          reused ? agent : undefined,
        ).catch(String);
        if (typeof answer === 'string' || answer.status !== 200) failures.push(JSON.stringify(answer));
        // Also what is passed on from an old worker came over TLS.
        else if (JSON.parse(answer.body)['x-forwarded-proto'] !== 'https') failures.push(answer.body);
      }
    };
    const clients = [client(true), client(true), client(false)];
    const socket = connectTls({ port: test.tlsPort, servername: 'kept.test', ca: ca.certificate });
    socket.write('GET / HTTP/1.1\r\nHost: kept.test\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n');
    expect(String((await once(socket, 'data'))[0])).toContain('101');
    for (let round = 1; round <= 6; round += 1) {
      const next = await makeCertificate(['kept.test'], { signedBy: ca });
      const seen = count;
      await set('one', {
        domains: ['kept.test', 'plain.test', `new${round}.test`],
        certificates: [await add(`kept-${round}`, next, 'kept.test')],
      });
      if (round % 3 === 0) await test.haproxy.reload();
      await until(() => count > seen + 10);
    }
    running = false;
    await Promise.all(clients);
    await load.stop();
    socket.write('still here?');
    expect(String((await once(socket, 'data'))[0])).toBe('still here?');
    socket.destroy();
    agent.destroy();
    expect(failures).toEqual([]);
    expect(load.failures).toEqual([]);
    expect(load.requests()).toBeGreaterThan(100);
    const list = await test.haproxy.command('@1 show ssl crt-list certificates.list');
    expect(list.split('\n').slice(1)).toEqual(['certificates/kept-6.pem kept.test']);
  });
});
