import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { renderEdge } from '../../deploy/edge/config.js';
import {
  type EdgeApp,
  type EdgeServer,
  type EdgeState,
  EMPTY_EDGE,
  withApp,
  withoutApp,
} from '../../deploy/edge/state.js';
import { EdgeStateFile } from '../../deploy/edge/state-file.js';
import { temporaryDirectory } from '../support/directories.js';
import { until } from '../support/until.js';
import { HAPROXY_MISSING, startEdge, type TestEdge } from './support/edge.js';
import { ask, startLoad } from './support/load.js';

if (HAPROXY_MISSING !== undefined) console.warn(`skipped: ${HAPROXY_MISSING}`);

describe.skipIf(HAPROXY_MISSING !== undefined)('the edge', () => {
  const { signal } = new AbortController();
  const allow = async (): Promise<void> => undefined;
  const open: Server[] = [];
  const tunnels: Duplex[] = [];
  let test: TestEdge;

  beforeAll(async () => {
    test = await startEdge();
  });
  afterAll(() => test?.stop());
  afterEach(async () => {
    for (const server of open.splice(0)) await close(server);
  });

  /** Answers with its own name; `/slow` after half a second. */
  const serve = async (name: string): Promise<EdgeServer & { server: Server }> => {
    const server = createServer((request, response) => {
      const answer = (): void =>
        void response.end(request.url === '/headers' ? JSON.stringify(request.headers) : name);
      if (request.url === '/slow') setTimeout(answer, 500);
      else answer();
    });
    server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n');
      tunnels.push(socket);
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.push(server);
    const { port } = server.address() as { port: number };
    return { name: `${name}-127.0.0.1:${port}`, host: '127.0.0.1', port, server };
  };
  const close = async (server: Server): Promise<void> => {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    for (const socket of tunnels.splice(0)) socket.destroy();
    await once(server, 'close');
  };
  const plain = ({ name, host, port }: EdgeServer): EdgeServer => ({ name, host, port });
  const app = (name: string, ...servers: EdgeServer[]): EdgeApp => ({
    app: name,
    host: `${name}.localhost`,
    servers: servers.map(plain),
  });
  const route = (name: string, ...servers: EdgeServer[]): Promise<void> =>
    test.edge.change((now) => withApp(now, app(name, ...servers)), allow);
  const retire = (name: string, ...servers: EdgeServer[]): Promise<void> =>
    test.edge.retire(
      `${name}.localhost`,
      servers.map((server) => server.name),
      { timeoutMs: 10_000, signal },
    );
  const get = (host: string, path = '/'): ReturnType<typeof ask> =>
    ask(undefined, { port: test.port, host, path });
  const names = async (host: string): Promise<string[]> =>
    (await test.edge.running(host)).map((server) => server.name);
  const reloads = async (): Promise<number> => (await test.haproxy.processes()).reloads;

  it('takes over a HAProxy that was started with another configuration', async () => {
    const one = await serve('one');
    await route('hello', one);
    expect((await get('hello.localhost')).body).toBe('one');
    expect((await get(`HELLO.localhost.:${test.port}`)).body).toBe('one');
  });

  it('answers 404 for a host that it does not know, and names it', async () => {
    for (const host of ['nobody.localhost', 'unknown_host', 'UNKNOWN_HOST', '10.0.0.1', '[::1]']) {
      expect((await get(host)).status).toBe(404);
    }
    expect((await get('nobody.localhost:1234')).body).toContain('"nobody.localhost"');
    expect((await get(`${'a'.repeat(300)}.localhost`)).status).toBe(400);
  });

  it('answers 503 for an app without a server, and names the app', async () => {
    await route('empty');
    const { status, body } = await get('empty.localhost');
    expect(status).toBe(503);
    expect(body).toContain('The app empty');
  });

  it('tells the app who asks, whatever the client says of itself', async () => {
    await route('headers', await serve('headers'));
    const reply = await ask(undefined, {
      port: test.port,
      host: `headers.localhost:${test.port}`,
      path: '/headers',
    });
    expect(JSON.parse(reply.body)).toMatchObject({
      host: `headers.localhost:${test.port}`,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': `headers.localhost:${test.port}`,
      'x-forwarded-port': String(test.port),
    });
  });

  it('reuses connections to a server that was added while it ran', async () => {
    const [first, second] = [await serve('first'), await serve('second')];
    await route('reuse', first);
    let connections = 0;
    second.server.on('connection', () => {
      connections += 1;
    });
    await route('reuse', second);
    const load = startLoad({ port: test.port, host: 'reuse.localhost', connections: 2 });
    await until(() => load.requests() > 200);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(connections).toBeLessThan(20);
  });

  it.each([
    { keepAlive: true, method: 'GET' },
    { keepAlive: true, method: 'POST' },
    { keepAlive: false, method: 'POST' },
  ] as const)(
    'loses no request over 20 switches and new apps in between (%o)',
    async ({ keepAlive, method }) => {
      let current = await serve('v0');
      await route('busy', current);
      const load = startLoad({ port: test.port, host: 'busy.localhost', connections: 8, keepAlive, method });
      for (let release = 1; release <= 20; release += 1) {
        const next = await serve(`v${release}`);
        if (release % 3 === 0)
          await route(`app${release}${keepAlive ? 'k' : 'c'}${method.toLowerCase()}`, next);
        // As a new version of Slipway, or very many new apps: in the middle of all.
        if (release % 7 === 0) await test.haproxy.reload();
        await route('busy', next);
        await until(() => load.seen.has(`v${release}`));
        await retire('busy', current);
        await close(current.server);
        current = next;
      }
      await load.stop();
      expect(load.failures).toEqual([]);
      expect(load.requests()).toBeGreaterThan(400);
      expect(await names('busy.localhost')).toEqual([current.name]);
    },
  );

  it('lets a slow request end before its server is removed', async () => {
    const [before, after] = [await serve('before'), await serve('after')];
    await route('slow', before);
    const slow = get('slow.localhost', '/slow');
    await until(async () => (await test.edge.running('slow.localhost')).some((one) => one.sessions > 0));
    await route('slow', after);
    expect((await get('slow.localhost')).body).toBe('after');
    expect(await names('slow.localhost')).toHaveLength(2);
    await retire('slow', before);
    expect(await names('slow.localhost')).toEqual([after.name]);
    expect((await slow).body).toBe('before');
  });

  it('lets a websocket live until the drain time is over, also across a reload', async () => {
    const [before, after] = [await serve('before'), await serve('after')];
    await route('sockets', before);
    const socket = connect(test.port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: sockets.localhost\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n');
    const [hello] = (await once(socket, 'data')) as [Buffer];
    expect(hello.toString()).toContain('101');
    let closed = false;
    socket.on('close', () => {
      closed = true;
    });
    await test.haproxy.reload();
    await route('sockets', after);
    const retired = test.edge.retire('sockets.localhost', [before.name], { timeoutMs: 400, signal });
    socket.write('still here?');
    const [echo] = (await once(socket, 'data')) as [Buffer];
    expect(echo.toString()).toBe('still here?');
    expect(closed).toBe(false);
    await retired;
    await until(() => closed);
  });

  it('sends what comes on a connection from before a reload to the servers of after it', async () => {
    const [before, after] = [await serve('before'), await serve('after')];
    await route('kept-open', before);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const kept = { port: test.port, host: 'kept-open.localhost' };
    expect((await ask(agent, kept)).body).toBe('before');
    await test.haproxy.reload();
    await route('kept-open', after);
    await retire('kept-open', before);
    await close(before.server);
    const { body } = await ask(agent, { ...kept, method: 'POST' });
    agent.destroy();
    expect(body).toBe('after');
  });

  it('turns back to a server that it was draining', async () => {
    const [before, after] = [await serve('before'), await serve('after')];
    await route('back', before);
    await route('back', after);
    expect((await get('back.localhost')).body).toBe('after');
    await route('back', before);
    expect((await get('back.localhost')).body).toBe('before');
    await retire('back', before);
    expect((await get('back.localhost')).body).toBe('before');
  });

  it('gives a share of the requests to a canary, and counts what its servers answer, without a reload', async () => {
    const [old, canary] = [await serve('old'), await serve('canary')];
    await route('shared', old);
    const { reloads } = await test.haproxy.processes();
    const share = async (percent?: number): Promise<void> => {
      const servers = (one: typeof old): EdgeServer => ({ name: one.name, host: one.host, port: one.port });
      const wanted = {
        app: 'shared',
        host: 'shared.localhost',
        servers: [servers(old)],
        ...(percent === undefined ? {} : { share: { percent, servers: [servers(canary)] } }),
      };
      await test.edge.change((state) => withApp(state, wanted), allow);
    };
    const ofTwoHundred = async (): Promise<number> => {
      const asked = Array.from({ length: 200 }, async () => (await get('shared.localhost')).body);
      const bodies = await Promise.all(asked);
      expect(bodies.filter((body) => body !== 'canary' && body !== 'old')).toEqual([]);
      return bodies.filter((body) => body === 'canary').length;
    };
    await share(30);
    const seen = await ofTwoHundred();
    // 60 are expected; as far from it as this is once in a hundred million times.
    expect(seen).toBeGreaterThan(22);
    expect(seen).toBeLessThan(105);
    const answers = await test.edge.answers('shared.localhost');
    expect(answers.get(canary.name)).toEqual({ answers: seen, errors: 0 });
    await close(canary.server);
    // After a second each of them is sent to the other.
    expect(await ofTwoHundred()).toBe(0);
    expect(await test.edge.leftovers()).not.toContainEqual(
      expect.objectContaining({ host: 'shared.localhost' }),
    );
    await share();
    expect((await test.edge.leftovers()).find(({ host }) => host === 'shared.localhost')?.names).toEqual([
      canary.name,
    ]);
    expect((await test.haproxy.processes()).reloads).toBe(reloads);
  });

  it('serves the same after a restart as before, with no deployer about', async () => {
    const one = await serve('kept');
    await route('kept', await serve('old'));
    await route('kept', one);
    await test.kill();
    await expect(get('kept.localhost')).rejects.toThrow();
    await test.start();
    expect((await get('kept.localhost')).body).toBe('kept');
    expect(await names('kept.localhost')).toEqual([one.name]);
  });

  it('makes good what a deployer that was killed had only written down', async () => {
    const [one, two] = [await serve('one'), await serve('two')];
    await test.edge.converge();
    await route('torn', one);
    expect((await get('torn.localhost')).body).toBe('one');
    const file = new EdgeStateFile(test.configFile);
    const state = withApp(await file.read(), app('torn', two));
    expect(await file.commit(state)).toBe(true);
    expect((await get('torn.localhost')).body).toBe('one');
    await test.another().converge();
    expect((await get('torn.localhost')).body).toBe('two');
    expect(await readFile(test.configFile, 'utf8')).toBe(renderEdge(await file.read(), test.settings));
    expect(await test.edge.leftovers()).toContainEqual(
      expect.objectContaining({ host: 'torn.localhost', names: [one.name] }),
    );
    await retire('torn', one);
    expect((await test.edge.leftovers()).map(({ host }) => host)).not.toContain('torn.localhost');
  });

  it('lets two deployers change it at once without losing either change', async () => {
    const one = await serve('one');
    const other = test.another();
    const apps = Array.from({ length: 6 }, (_, index) => `two${index}`);
    await Promise.all(
      apps.map((name, index) =>
        (index % 2 === 0 ? test.edge : other).change((now) => withApp(now, app(name, one)), allow),
      ),
    );
    await test.edge.converge();
    for (const name of apps) expect((await get(`${name}.localhost`)).body).toBe('one');
  });

  it('changes nothing for a caller that has lost the right to', async () => {
    const [one, two] = [await serve('one'), await serve('two')];
    await route('fenced', one);
    const before = await test.edge.state();
    const lost = test.edge.change(
      (now) => withApp(now, app('fenced', two)),
      async () => {
        throw new Error('the lease is lost');
      },
    );
    await expect(lost).rejects.toThrow('the lease is lost');
    expect(await test.edge.state()).toEqual(before);
    expect((await get('fenced.localhost')).body).toBe('one');
  });

  it('forgets an app that was destroyed, and counts anew for another of its name', async () => {
    const one = await serve('gone');
    await route('gone', one);
    await get('gone.localhost');
    expect((await test.edge.traffic('gone.localhost'))?.requests).toBe(1);
    await test.edge.change((now) => withoutApp(now, 'gone'), allow);
    expect((await get('gone.localhost')).status).toBe(404);
    expect(await test.edge.traffic('gone.localhost')).toBeUndefined();
    expect(await test.edge.leftovers()).toContainEqual(
      expect.objectContaining({ host: 'gone.localhost', names: [one.name] }),
    );
    await retire('gone', one);
    expect(await names('gone.localhost')).toEqual([]);
    await route('gone', one);
    expect((await test.edge.traffic('gone.localhost'))?.requests).toBe(0);
    expect((await get('gone.localhost')).body).toBe('gone');
  });

  it('takes new apps without a reload, and without a lost request of the others', async () => {
    const one = await serve('steady');
    await route('steady', one);
    await test.edge.converge();
    const before = await reloads();
    const load = startLoad({ port: test.port, host: 'steady.localhost', connections: 4 });
    const socket = connect(test.port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: steady.localhost\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n');
    await once(socket, 'data');
    for (let count = 0; count < 8; count += 1) {
      await route(`fresh${count}`, await serve(`fresh${count}`));
      expect((await get(`fresh${count}.localhost`)).body).toBe(`fresh${count}`);
      if (count % 3 === 0) await test.edge.change((now) => withoutApp(now, `fresh${count}`), allow);
    }
    expect(await reloads()).toBe(before);
    await until(() => load.requests() > 100);
    await load.stop();
    expect(load.failures).toEqual([]);
    socket.write('still here?');
    expect(String((await once(socket, 'data'))[0])).toBe('still here?');
    socket.destroy();
  });

  it('has more backends made when few are left, and the apps keep theirs', async () => {
    const one = await serve('early');
    await route('early', one);
    for (let count = 0; count < 33; count += 1) await route(`crowd${count}`, one);
    for (const name of ['early', 'crowd0', 'crowd32'])
      expect((await get(`${name}.localhost`)).body).toBe('early');
    await test.edge.converge();
    const before = await reloads();
    await route('after-all', one);
    expect([await reloads(), (await get('after-all.localhost')).body]).toEqual([before, 'early']);
  });

  it('says that it is not reachable, and by which socket, and changes nothing', async () => {
    const [one, two] = [await serve('one'), await serve('two')];
    await route('late', one);
    const before = await test.edge.state();
    await test.kill();
    try {
      await expect(route('late', two)).rejects.toMatchObject({
        code: 'edge_unavailable',
        where: test.masterSocket,
      });
    } finally {
      await test.start();
    }
    expect(await test.edge.state()).toEqual(before);
    expect((await get('late.localhost')).body).toBe('one');
  });
});

describe('the generations of the edge on disk', () => {
  const state = (generation: number): EdgeState => ({ generation, apps: [] });

  it('are made once each, so that a process that slept cannot overwrite a newer one', async () => {
    const path = `${await temporaryDirectory()}/edge/haproxy.cfg`;
    const [one, two] = [new EdgeStateFile(path), new EdgeStateFile(path)];
    expect(await one.read()).toEqual(EMPTY_EDGE);
    expect(await one.commit(state(1))).toBe(true);
    expect(await two.commit(state(1))).toBe(false);
    for (let generation = 2; generation < 30; generation += 1)
      expect(await two.commit(state(generation))).toBe(true);
    // The files of generations 2 to 19 are gone; a late one must not come back.
    expect(await one.commit(state(2))).toBe(false);
    expect((await one.read()).generation).toBe(29);
  });
});
