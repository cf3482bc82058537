/** Requests that nobody honest sends: none may end as a 500, as HTML, or as a connection that is held for ever. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { errorOf, Platform } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start({ times: { bodyMs: 300 } });
  await platform.createApp('hello');
});
afterAll(() => platform.stop());

/** What the server says to these bytes, until it closes. */
async function raw(...parts: string[]): Promise<string> {
  const socket = await dial();
  for (const part of parts) socket.write(part);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('utf8');
}

async function dial(): Promise<Socket> {
  const { hostname, port } = new URL(await platform.url());
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

function bodyOf(answer: string): unknown {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return errorOf(JSON.parse(body), /^content-type: (.*)$/m.exec(head)?.[1]);
}

const WRITES: readonly [string, string][] = [
  ['POST', '/v1/apps'],
  ['POST', '/v1/tokens'],
  ['POST', '/v1/apps/hello/rollback'],
  ['PATCH', '/v1/apps/hello/config'],
];

describe('bodies', () => {
  test.each(WRITES)('%s %s refuses what is not the JSON it takes', async (method, url) => {
    const bodies = [
      '',
      '{',
      '{"a":',
      'null',
      'true',
      '12',
      '"text"',
      '[]',
      '[["name","x"]]',
      '{"name":{}}',
      '{"name":["hello"]}',
      '{"name":1}',
      '{"unknown":1}',
      '{"release":{}}',
      '{"A":1}',
      '{"A":{"b":"c"}}',
      '\0',
      '<xml/>',
      `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
      '{"__proto__":{"admin":true}}',
      '{"__proto__":"x"}',
      '{"constructor":{"prototype":{"admin":true}}}',
      '\uFEFF{}',
    ];
    for (const body of bodies) {
      const answer = await platform.call(method, url, {
        body,
        headers: { 'content-type': 'application/json' },
      });
      // `null` and an empty rollback mean the default; there is nothing to roll back to here.
      const refused = [400, 404];
      expect([body.slice(0, 40), answer.status]).toEqual([body.slice(0, 40), expect.toBeOneOf(refused)]);
      expect(answer.body.code).toMatch(/^(bad_request|invalid_name|no_release)$/);
      expect(answer.text).not.toMatch(/\n {4}at |node_modules|<html/);
    }
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  test('each field that is wrong is named', async () => {
    const answer = await platform.call('POST', '/v1/tokens', { body: { name: '<b>', apps: [], more: 1 } });
    expect(answer.body.message).toContain('name: must be 1 to 64 letters, digits or . _ @ -');
    expect(answer.body.message).toContain('apps: Too small');
    expect(answer.body.message).toContain('more');
    const config = await platform.call('PATCH', '/v1/apps/hello/config', { body: { A: 1, B: 'x' } });
    expect(config.body.message).toBe('the request is not valid: A: must be a string, or null to unset it');
    const rollback = await platform.call('POST', '/v1/apps/hello/rollback', { body: { release: null } });
    expect(rollback.body.message).toBe('the request is not valid: release: must be a release such as "v12"');
  });

  test('a body that is too large is refused with the limit and the setting', async () => {
    const answer = await platform.call('PATCH', '/v1/apps/hello/config', {
      body: { A: 'x'.repeat(1024 * 1024) },
    });
    expect([answer.status, answer.body]).toEqual([
      413,
      {
        code: 'too_large',
        message: 'the request body is larger than 1048576 bytes',
        hint: 'send less at once, or have the operator raise SLIPWAY_LIMIT_API_BODY_BYTES',
      },
    ]);
  });

  test('a large body without a length is cut off at the limit', async () => {
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    const head = `POST /v1/apps HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${platform.token('admin')}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`;
    const answer = await raw(head, ...Array.from({ length: 40 }, () => chunk));
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('a body of another type is refused with the one to use', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'x',
    ]) {
      const answer = await platform.call('POST', '/v1/apps', {
        body: '{"name":"other"}',
        headers: { 'content-type': type },
      });
      expect([type, answer.status, answer.body.code]).toEqual([type, 400, 'bad_request']);
    }
    expect(await platform.ledger.listApps()).toEqual(['hello']);
  });

  test('a body that trickles in is answered, and its connection closed', async () => {
    const socket = await dial();
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.write(
      `POST /v1/apps HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${platform.token('admin')}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n`,
    );
    const trickle = setInterval(() => socket.write(' '), 20);
    await once(socket, 'close');
    clearInterval(trickle);
    const answer = Buffer.concat(chunks).toString('utf8');
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(bodyOf(answer)).toEqual({
      code: 'bad_request',
      message: 'the request body took longer than 0.3 s',
    });
    expect((await platform.call('GET', '/v1/apps')).status).toBe(200);
  });

  test('a client that goes away in the middle of a body leaves nothing', async () => {
    const socket = await dial();
    socket.write(
      `POST /v1/apps HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${platform.token('admin')}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"name":`,
    );
    socket.destroy();
    await once(socket, 'close');
    expect((await platform.call('GET', '/v1/apps')).status).toBe(200);
    expect(await platform.ledger.listApps()).toEqual(['hello']);
  });
});

describe('an error', () => {
  test('is problem details, with its place in the log of the web process', async () => {
    const answer = await platform.call('GET', '/v1/apps/absent');
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    const problem = JSON.parse(answer.text);
    expect(problem).toEqual({
      type: 'urn:slipway:error:not_found',
      title: 'Not found',
      status: 404,
      detail: 'there is no app "absent" that you may use',
      instance: expect.stringMatching(/^urn:uuid:[0-9a-f-]{36}$/),
      code: 'not_found',
      hint: 'see: slipway apps:list',
    });
    const again = await platform.call('GET', '/v1/apps/absent');
    expect(JSON.parse(again.text).instance).not.toBe(problem.instance);
  });

  test('before a request is one has a status of its own', async () => {
    const answer = await raw('SSH-2.0-OpenSSH_9.2\r\n');
    const problem = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));
    expect(problem).toMatchObject({ status: 400, code: 'bad_request', title: 'Bad request' });
  });
});

describe('heads', () => {
  test('a URL and headers beyond 16 KiB are refused in JSON', async () => {
    for (const head of [
      `GET /v1/apps/${'a'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
      `GET /v1/apps HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(20_000)}\r\n\r\n`,
    ]) {
      const answer = await raw(head);
      expect(answer).toMatch(/^HTTP\/1\.1 431 /);
      expect(bodyOf(answer)).toEqual({
        code: 'bad_request',
        message: 'the URL and the headers are larger than 16 KiB',
      });
    }
  });

  test('what is not HTTP is refused in JSON', async () => {
    for (const bytes of [
      'SSH-2.0-OpenSSH_9.2\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      'GET /v1/apps HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n',
      'GET /v1/apps HTTP/1.1\r\nhost: x\r\nbad header: y\r\n\r\n',
      'GET /v1/\x01apps HTTP/1.1\r\nhost: x\r\n\r\n',
    ]) {
      const answer = await raw(bytes);
      expect([bytes, answer.split('\r\n')[0]]).toEqual([bytes, 'HTTP/1.1 400 Bad Request']);
      expect(bodyOf(answer)).toEqual({ code: 'bad_request', message: 'this is not an HTTP request' });
    }
  });

  test('a URL that cannot be decoded is refused in the API’s own format', async () => {
    for (const url of ['/v1/apps/%', '/v1/apps/%zz', '/v1/apps/%ff%fe', '/%']) {
      const answer = await platform.call('GET', url);
      expect([url, answer.status, answer.body.code]).toEqual([url, 400, 'bad_request']);
    }
  });

  test('queries that repeat a name or give another type are refused by name', async () => {
    const urls: [string, string][] = [
      ['/v1/apps/hello/builds?limit=0', 'limit'],
      ['/v1/apps/hello/builds?limit=201', 'limit'],
      ['/v1/apps/hello/builds?limit=-1', 'limit'],
      ['/v1/apps/hello/builds?limit=1.5', 'limit'],
      ['/v1/apps/hello/builds?limit=0x10', 'limit'],
      ['/v1/apps/hello/builds?limit=1e1', 'limit'],
      ['/v1/apps/hello/builds?limit=%201', 'limit'],
      ['/v1/apps/hello/builds?limit=1&limit=2', 'limit'],
      ['/v1/apps/hello/builds?limit[]=1&limit=NaN', 'limit'],
      ['/v1/apps/hello/builds?before=..', 'before'],
      ['/v1/apps/hello/builds?before=b1k5xw3f9aq7m2c&before=b1k5xw3f9aq7m2d', 'before'],
      ['/v1/apps/hello/logs?lines=0', 'lines'],
      ['/v1/apps/hello/logs?lines=10001', 'lines'],
      ['/v1/apps/hello/logs?lines=all', 'lines'],
      ['/v1/apps/hello/logs?follow=yes', 'follow'],
    ];
    for (const [url, name] of urls) {
      const answer = await platform.call('GET', url);
      expect([url, answer.status, answer.body.code]).toEqual([url, 400, 'bad_request']);
      expect(answer.body.message).toContain(`${name} must be`);
    }
    expect(platform.deployer.asked).toEqual([]);
  });

  test('a wrong method changes nothing', async () => {
    for (const method of ['PUT', 'POST', 'DELETE', 'OPTIONS']) {
      const answer = await platform.call(method, '/v1/apps/hello/config', { body: { A: 'b' } });
      expect([method, answer.status, answer.body.code]).toEqual([method, 404, 'not_found']);
    }
    const override = await platform.call('POST', '/v1/apps/hello', {
      headers: { 'x-http-method-override': 'DELETE' },
    });
    expect(override.status).toBe(404);
    expect(await platform.ledger.appExists('hello')).toBe(true);
  });

  test('a fault inside is a 500 that tells the caller nothing of it', async () => {
    platform.server.log.level = 'silent';
    const broken = platform.ledger.listApps;
    platform.ledger.listApps = () => Promise.reject(new Error('at /srv/secret/path line 3'));
    const answer = await platform.call('GET', '/v1/apps');
    platform.ledger.listApps = broken;
    expect([answer.status, answer.body]).toEqual([
      500,
      {
        code: 'internal',
        message: 'Slipway failed; the operator finds the reason in the log of the web process',
      },
    ]);
  });
});
