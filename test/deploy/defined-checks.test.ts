/** Checks of requests and connections against servers here; those that need an engine are in target.test.ts. */
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Checked } from '../../deploy/checks/checked.js';
import { passDefined } from '../../deploy/checks/defined.js';
import { redactor } from '../../deploy/redact.js';
import { SwarmTarget } from '../../deploy/swarm/target.js';
import { DockerTarget } from '../../deploy/targets/docker.js';
import { Engine } from '../../deploy/targets/engine.js';
import type { Check } from '../../src/model/check.js';

const open: Server[] = [];
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of open.splice(0)) {
    server.close();
    await once(server, 'close');
  }
});

async function listen(server: Server): Promise<number> {
  open.push(server);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
const web = (listener: RequestListener): Promise<number> => listen(createHttpServer(listener));

const { signal } = new AbortController();
const registry = { host: '127.0.0.1:5000' };
const options = { host: 'a', platform: 'testtest', registry };
/** Never asked anything here. */
const LOCAL = new DockerTarget({ ...options, engine: new Engine('unix:///nonexistent') });
const REMOTE = new DockerTarget({ ...options, engine: new Engine('tcp://127.0.0.1:1') });
const SWARM = new SwarmTarget({ ...options, engine: new Engine('tcp://127.0.0.1:1') });

/** A container that listens on this port. */
function checked(port: number, more: Partial<Checked> = {}): Checked {
  const running = { state: 'running', exitCode: 0, outOfMemory: false, error: '', restarts: 0 } as const;
  return {
    target: LOCAL,
    container: {
      host: 'a',
      id: 'one',
      name: 'one',
      app: 'hello',
      release: 1,
      deployment: 'd',
      instance: { process: 'web', number: 2 },
      state: 'running',
      address: { host: '127.0.0.1', port },
    },
    found: { ...running, port, portIsExposed: true },
    host: 'hello.localhost',
    timeoutMs: 250,
    redact: redactor({ TOKEN: 'correct horse' }),
    signal,
    ...more,
  };
}

async function fault(port: number, check: Check, more: Partial<Checked> = {}): Promise<string> {
  const thrown = await passDefined(checked(port, more), check).then(
    (seen) => ({ code: 'passed', message: seen, hint: '' }),
    (error: { code: string; message: string; hint: string }) => error,
  );
  expect(thrown.code).toBe('unhealthy');
  expect(thrown.hint).not.toBe('');
  return thrown.message;
}

describe('a check by request', () => {
  it('sends what it is told, and takes the answer that is wanted', async () => {
    const seen: unknown[] = [];
    const port = await web((request, response) => {
      seen.push([request.url, request.headers.host, request.headers['x-token']]);
      response.writeHead(418, { 'x-ready': 'yes ' }).end('all is well');
    });
    const check: Check = {
      path: '/health?a=%20',
      status: ['400-499'],
      content: 'is well',
      httpHeaders: [{ name: 'X-Token', value: 'abc' }],
      expectedHeaders: [{ name: 'X-Ready', value: 'yes' }, { name: 'Date' }],
    };
    expect(await passDefined(checked(port, { timeoutMs: 10_000 }), check)).toBe(
      'GET /health?a=%20 answered 418',
    );
    expect(seen).toEqual(Array.from({ length: 3 }, () => ['/health?a=%20', 'hello.localhost', 'abc']));
    await passDefined(checked(port), {
      path: '/',
      status: [418],
      httpHeaders: [{ name: 'Host', value: 'shop.example' }],
      successes: 1,
    });
    expect(seen.slice(3)).toEqual([['/', 'shop.example', undefined]]);
  });

  it.each<[string, RequestListener, Partial<Check>, RegExp]>([
    [
      'a status',
      (_, response) => response.writeHead(404).end('no page'),
      {},
      /answered 404, not 200-399, and said: no page;/,
    ],
    [
      'a redirect that is not wanted',
      (_, response) => response.writeHead(302, { location: '/x' }).end(),
      { status: [200] },
      /answered 302, not 200;/,
    ],
    [
      'a body',
      (_, response) => response.end('starting'),
      { content: 'ready' },
      /answered 200 without "ready" in its body: starting;/,
    ],
    ['an empty body', (_, response) => response.end(), { content: 'ready' }, /in its body: it is empty;/],
    [
      'a header that is not there',
      (_, response) => response.end(),
      { expectedHeaders: [{ name: 'X-A' }] },
      /answered 200 without the header X-A;/,
    ],
    [
      'a header with another value',
      (_, response) => response.setHeader('x-a', 'b').end(),
      { expectedHeaders: [{ name: 'X-A', value: 'c' }] },
      /with the header X-A: b, not c;/,
    ],
    ['an answer that does not come', () => undefined, { timeout: 0.1 }, /no whole answer in 0\.1 s;/],
    [
      'an answer that does not end',
      (_, response) => response.write('ready?'),
      { content: 'ready', timeout: 0.1 },
      /no whole answer in 0\.1 s;/,
    ],
    [
      'a closed connection',
      (request) => request.socket.destroy(),
      {},
      /closed the connection before it had answered;/,
    ],
  ])('says what of the answer was wrong: %s', async (_what, listener, more, reason) => {
    const port = await web(listener);
    const message = await fault(port, { path: '/h', ...more } as Check);
    expect(message).toMatch(reason);
    expect(message).toMatch(/^the check GET \/h of web\.2 did not pass: .*; \d+ looks in [\d.]+ s$/);
  });

  it('says that nothing listens, or that it is no HTTP, under the name that it has', async () => {
    const port = await listen(createServer((socket) => socket.end('+OK ready\r\n')));
    const check: Check = { name: 'ready', path: '/' };
    expect(await fault(port, check)).toMatch(
      /^the check "ready" \(GET \/\) of web\.2 .*does not speak HTTP;/,
    );
    expect(await fault(1, check)).toContain('nothing listens on port 1');
  });

  it('does not believe an app that is well now and then, and says so', async () => {
    let count = 0;
    const port = await web((_, response) => response.writeHead(++count % 3 === 0 ? 503 : 200).end());
    expect(await fault(port, { path: '/' })).toMatch(
      /answered 503, not 200-399; \d+ looks in [\d.]+ s, \d+ of them good but never 3 in a row$/,
    );
    count = 0;
    expect(await passDefined(checked(port, { timeoutMs: 10_000 }), { path: '/', successes: 2 })).toBe(
      'GET / answered 200',
    );
  });

  it('ends after so many failures', async () => {
    let count = 0;
    const port = await web((_, response) => {
      count += 1;
      response.writeHead(500).end();
    });
    expect(await fault(port, { path: '/', attempts: 4, wait: 0 })).toMatch(/; 4 looks in/);
    expect(count).toBe(4);
  });

  it('waits before the first look, and is patient with an app that starts', async () => {
    let count = 0;
    const port = await web((_, response) => response.writeHead(++count < 5 ? 503 : 200).end());
    expect(await passDefined(checked(port, { timeoutMs: 10_000 }), { path: '/', initialDelay: 0.3 })).toBe(
      'GET / answered 200',
    );
    expect(count).toBe(7);
  });

  it('shows nothing of a secret, also where what the app says is cut off', async () => {
    const port = await web((_, response) =>
      response.writeHead(500, { 'x-a': 'correct horse' }).end(`${'x'.repeat(290)}correct horse`),
    );
    const message = await fault(port, { path: '/' });
    expect(message).toContain('xxx');
    expect(message).not.toContain('corr');
    const header = await fault(port, {
      path: '/',
      status: [500],
      expectedHeaders: [{ name: 'X-A', value: 'b' }],
    });
    expect(header).toContain('with the header X-A: ***, not b');
  });

  it('reads so much of a body and no more', async () => {
    const port = await web((_, response) => {
      const more = (): void => {
        if (!response.destroyed && response.write('y'.repeat(65_536))) setImmediate(more);
        else response.once('drain', more);
      };
      more();
    });
    expect(await fault(port, { path: '/', content: 'z', attempts: 1, wait: 0 })).toContain(
      'without "z" in its body',
    );
  });

  it('goes to another port of a container that is here, and says that it cannot elsewhere', async () => {
    const port = await web((_, response) => response.end());
    expect(await passDefined(checked(1, { timeoutMs: 10_000 }), { path: '/', port })).toBe(
      `GET / on port ${port} answered 200`,
    );
    expect(await fault(1, { path: '/', port }, { target: REMOTE })).toContain(
      'on a only port 1 of a container is reached',
    );
  });
});

describe('a check by connection', () => {
  it('takes a server that says nothing', async () => {
    const port = await listen(createServer(() => undefined));
    const check: Check = { listening: true };
    expect(await passDefined(checked(port, { timeoutMs: 10_000 }), check)).toBe(
      'connection to the port passed',
    );
    expect(await passDefined(checked(port, { target: REMOTE, timeoutMs: 10_000 }), check)).toBe(
      'connection to the port passed',
    );
    expect(await fault(1, { listening: true, port: 2 })).toContain(
      'nothing listens on port 2 (nothing listens there)',
    );
  });

  it('does not take the proxy of an engine elsewhere for the app', async () => {
    const port = await listen(createServer((socket) => socket.end()));
    expect(await fault(port, { listening: true }, { target: REMOTE })).toContain(
      'it closes connections at once',
    );
  });

  it('is only for what is reached in a Swarm', async () => {
    const { address: _address, ...container } = checked(1).container;
    const worker = { ...container, instance: { process: 'worker', number: 1 } };
    expect(await fault(1, { listening: true }, { target: SWARM, container: worker })).toContain(
      'only web is reached',
    );
  });
});

describe('a check by command', () => {
  it('is left to the Swarm, where a task that runs has passed it', async () => {
    expect(await passDefined(checked(1, { target: SWARM }), { command: ['bin/ready'] })).toBe(
      'command bin/ready passed',
    );
  });
});
