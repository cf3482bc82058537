import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import type { SlipwayError } from '../../src/errors.js';
import { parseChallenges } from '../../src/registry/auth.js';
import { connectionFault } from '../../src/registry/faults.js';
import { RegistryHosts } from '../../src/registry/hosts.js';
import { backOffMs, parseRetryAfter } from '../../src/registry/retry.js';
import { type RegistryRequest, Transport, type TransportOptions } from '../../src/registry/transport.js';
import { type Script, type Scripted, startScripted } from './scripted.js';

const QUICK = { firstWaitMs: 1, longestWaitMs: 5, idleMs: 5000, requestMs: 10_000 };
const open: { stop(): void | Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0)) await part.stop();
});

async function scripted(script: Script, options?: { early?: boolean }): Promise<Scripted> {
  const server = await startScripted(script, options);
  open.push(server);
  return server;
}

function transport(options: Partial<TransportOptions> = {}): Transport {
  const made = new Transport({ pushAllowed: [], ...options, timing: { ...QUICK, ...options.timing } });
  open.push({ stop: () => made.close() });
  return made;
}

function get(host: string, parts: Partial<RegistryRequest> = {}): RegistryRequest {
  return {
    place: { registry: host, repository: 'a/b' },
    method: 'GET',
    target: 'manifests/v1',
    actions: 'pull',
    expect: [200],
    where: `${host}/a/b:v1`,
    ...parts,
  };
}

const send = async (
  to: Transport,
  request: RegistryRequest,
  tries?: number,
): Promise<{ status: number; text: string }> => {
  const { status, body } = await to.request(request, to.retries(request.signal, tries));
  return { status, text: body.toString() };
};

const failure = async (promise: Promise<unknown>): Promise<SlipwayError> => {
  try {
    await promise;
  } catch (error) {
    return error as SlipwayError;
  }
  throw new Error('it did not fail');
};

function answers(
  response: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
  body = '',
): void {
  response.writeHead(status, headers);
  response.end(body);
}

describe('retries', () => {
  test('500, 503 and 429 are tried again until they pass', async () => {
    const statuses = [500, 503, 429, 200];
    const server = await scripted((_request, response) =>
      answers(response, statuses.shift() ?? 200, {}, 'fine'),
    );
    expect(await send(transport(), get(server.host))).toEqual({ status: 200, text: 'fine' });
    expect(server.seen).toHaveLength(4);
  });

  test('give up after the number of tries, with what the registry said', async () => {
    const server = await scripted((_request, response) =>
      answers(response, 503, {}, '{"errors":[{"code":"UNAVAILABLE","message":"back \\u001b[31msoon\\n"}]}'),
    );
    const error = await failure(send(transport(), get(server.host), 3));
    expect(server.seen).toHaveLength(3);
    expect(error).toMatchObject({
      code: 'registry_unavailable',
      temporary: true,
      where: `${server.host}/a/b:v1`,
    });
    expect(error.message).toContain(`${server.host} answered 503 (UNAVAILABLE: back  [31msoon`);
  });

  test('wait as long as Retry-After says, and do not wait longer than allowed', async () => {
    let waits = '1';
    const times: number[] = [];
    const server = await scripted((_request, response) => {
      times.push(Date.now());
      if (times.length === 1) answers(response, 429, { 'retry-after': waits });
      else answers(response, 200);
    });
    await send(transport(), get(server.host));
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(990);
    times.length = 0;
    waits = '3600';
    const error = await failure(send(transport(), get(server.host)));
    expect(times).toHaveLength(1);
    expect(error.message).toContain('asks to wait 3600 s');
  });

  test('Retry-After is seconds or a date', () => {
    const now = Date.parse('2024-05-01T10:00:00Z');
    expect(parseRetryAfter('7', now)).toBe(7000);
    expect(parseRetryAfter('Wed, 01 May 2024 10:00:30 GMT', now)).toBe(30_000);
    expect(parseRetryAfter('Wed, 01 May 2024 09:00:00 GMT', now)).toBe(0);
    expect(parseRetryAfter('soon', now)).toBeUndefined();
    expect(parseRetryAfter(undefined, now)).toBeUndefined();
  });

  test('back off exponentially between half and all of a capped time', () => {
    const timing = { firstWaitMs: 100, longestWaitMs: 1000 };
    expect([0, 1, 2, 3, 4, 9].map((tried) => backOffMs(tried, timing, () => 1))).toEqual([
      100, 200, 400, 800, 1000, 1000,
    ]);
    expect(backOffMs(2, timing, () => 0)).toBe(200);
  });

  test('of one operation share a budget', async () => {
    const server = await scripted((_request, response) => answers(response, 500));
    const to = transport({ timing: { budgetRetries: 4, tries: 3 } });
    const retries = to.retries(undefined);
    for (let i = 0; i < 4; i++) await failure(to.request(get(server.host), retries));
    // 3 + 3 tries take the budget of 4 retries; after that there is one try each.
    expect(server.seen).toHaveLength(8);
  });

  test('404 and 400 are final', async () => {
    for (const [status, code] of [
      [404, 'image_not_found'],
      [400, 'registry_denied'],
      [403, 'registry_denied'],
    ] as const) {
      const server = await scripted((_request, response) => answers(response, status));
      expect(await failure(send(transport(), get(server.host)))).toMatchObject({ code, temporary: false });
      expect(server.seen).toHaveLength(1);
    }
  });

  test('a connection that is cut is tried again', async () => {
    let tried = 0;
    const server = await scripted((_request, response) => {
      tried += 1;
      if (tried === 1) response.destroy();
      else if (tried === 2) {
        response.writeHead(200, { 'content-length': '100' });
        response.write('part');
        setImmediate(() => response.destroy());
      } else answers(response, 200, {}, 'whole');
    });
    expect((await send(transport(), get(server.host))).text).toBe('whole');
    expect(tried).toBe(3);
  });

  test('a registry that is not there is a temporary error that names it', async () => {
    const server = await startScripted(() => {});
    await server.stop();
    const error = await failure(send(transport(), get(server.host), 2));
    expect(error).toMatchObject({ code: 'registry_unavailable', temporary: true });
    expect(error.message).toContain(server.host);
    expect(error.hint).toContain('check that the registry runs');
  });

  test.each([
    ['ECONNREFUSED', true, 'registry runs'],
    ['EAI_AGAIN', true, 'registry runs'],
    ['ENOTFOUND', false, 'registry runs'],
    ['EPROTO', false, 'SLIPWAY_INSECURE_REGISTRIES'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', false, 'NODE_EXTRA_CA_CERTS'],
  ])('a connection that fails with %s: worth another try: %s', (code, temporary, hint) => {
    const thrown = Object.assign(new Error(`it failed with ${code}`), { code });
    const fault = connectionFault(thrown, { registry: 'r.example', where: 'r.example/a:b' }, false);
    expect(fault).toMatchObject({ code: 'registry_unavailable', temporary, where: 'r.example/a:b' });
    expect(fault.hint).toContain(hint);
  });
});

describe('time-outs and cancelling', () => {
  test('a registry that falls silent is given up, before and within its answer', async () => {
    for (const within of [false, true]) {
      const server = await scripted((_request, response) => {
        if (!within) return;
        response.writeHead(200, { 'content-length': '10' });
        response.write('half');
      });
      const error = await failure(send(transport({ timing: { idleMs: 50 } }), get(server.host), 2));
      expect(error).toMatchObject({ code: 'registry_unavailable', temporary: true });
      expect(error.message).toContain('silent for 0.05 s');
      expect(server.seen).toHaveLength(2);
    }
  });

  test('a registry that drips is given up in the end', async () => {
    const server = await scripted((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      const drip = setInterval(() => response.write('x'), 10);
      response.on('close', () => clearInterval(drip));
    });
    const error = await failure(send(transport({ timing: { requestMs: 300 } }), get(server.host), 1));
    expect(error.message).toContain('not finished after 0.3 s');
  });

  test('an abort ends a request and a wait between tries at once, with its reason', async () => {
    const silent = await scripted(() => {});
    const failing = await scripted((_request, response) => answers(response, 500));
    const slow = transport({ timing: { firstWaitMs: 60_000, longestWaitMs: 60_000 } });
    for (const server of [silent, failing]) {
      const stop = new AbortController();
      const sending = failure(send(slow, get(server.host, { signal: stop.signal })));
      while (server.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      stop.abort(new Error('cancelled by alice'));
      expect((await sending).message).toBe('cancelled by alice');
    }
    expect(
      (await failure(send(slow, get(silent.host, { signal: AbortSignal.abort(new Error('before')) }))))
        .message,
    ).toBe('before');
    expect(silent.seen).toHaveLength(1);
  });

  test('an answer larger than allowed is not read to its end', async () => {
    for (const declared of [true, false]) {
      let sent = 0;
      const server = await scripted((_request, response) => {
        response.writeHead(200, declared ? { 'content-length': String(1e9) } : {});
        const more = (): void => {
          while (!response.destroyed && sent < 1e9) {
            sent += 65_536;
            if (!response.write(Buffer.alloc(65_536))) break;
          }
        };
        response.on('drain', more);
        more();
      });
      const error = await failure(send(transport(), get(server.host, { maxBytes: 1000 })));
      expect(error.code).toBe('image_invalid');
      expect(error.message).toContain('more than 1000 bytes');
      expect(sent).toBeLessThan(1e8);
    }
  });
});

describe('credentials', () => {
  const credentials = { username: 'bob', password: 'p:w' };
  const BASIC = `Basic ${Buffer.from('bob:p:w').toString('base64')}`;

  test('basic ones are sent when asked for, and from then on', async () => {
    const server = await scripted((request, response) => {
      if (request.headers.authorization === BASIC) answers(response, 200, {}, 'in');
      else answers(response, 401, { 'www-authenticate': 'Basic realm="x"' });
    });
    const to = transport({ credentials: { [server.host]: credentials } });
    expect((await send(to, get(server.host))).text).toBe('in');
    await send(to, get(server.host));
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, BASIC, BASIC]);
  });

  test('that are wrong or missing end in registry_denied without a loop', async () => {
    const server = await scripted((_request, response) =>
      answers(response, 401, { 'www-authenticate': 'Basic realm="x"' }),
    );
    const error = await failure(
      send(transport({ credentials: { [server.host]: credentials } }), get(server.host)),
    );
    expect(error.code).toBe('registry_denied');
    expect(error.hint).toContain('user and password');
    expect(server.seen).toHaveLength(2);
    expect((await failure(send(transport(), get(server.host)))).code).toBe('registry_denied');
    expect(JSON.stringify({ ...error, message: error.message })).not.toContain('p:w');
  });

  /** A registry with a token server in one. Tokens are `t1`, `t2`, …; only the newest is good. */
  async function withTokens(options: { lifeS?: number; realm?: (host: string) => string } = {}) {
    let issued = 0;
    let good = '';
    const server: Scripted = await scripted((request, response) => {
      if (request.url?.startsWith('/token')) {
        issued += 1;
        good = `t${issued}`;
        answers(response, 200, {}, JSON.stringify({ token: good, expires_in: options.lifeS ?? 300 }));
        return;
      }
      if (request.headers.authorization === `Bearer ${good}`) {
        answers(response, 200, {}, 'in');
        return;
      }
      const realm = (options.realm ?? ((host: string) => `http://${host}/token`))(server.host);
      answers(response, 401, {
        'www-authenticate': `Bearer realm="${realm}",service="reg",scope="repository:a/b:pull"`,
      });
    });
    return { server, revoke: () => (good = 'none'), issued: () => issued };
  }

  test('a token is fetched for the challenge with service and scope, kept, and shared by requests at once', async () => {
    const { server, issued } = await withTokens();
    const to = transport({ credentials: { [server.host]: credentials } });
    await send(to, get(server.host));
    expect(server.asked).toEqual([
      'GET /v2/a/b/manifests/v1',
      'GET /token?service=reg&scope=repository%3Aa%2Fb%3Apull',
      'GET /v2/a/b/manifests/v1',
    ]);
    expect(server.seen[1]!.headers.authorization).toBe(BASIC);
    expect(server.seen[2]!.headers.authorization).toBe('Bearer t1');
    await send(to, get(server.host));
    expect(issued()).toBe(1);
    const fresh = transport();
    await Promise.all(Array.from({ length: 8 }, () => send(fresh, get(server.host))));
    expect(issued()).toBe(2);
  });

  test('a token that the registry no longer takes is replaced once', async () => {
    const { server, revoke, issued } = await withTokens();
    const to = transport();
    await send(to, get(server.host));
    revoke();
    expect((await send(to, get(server.host))).text).toBe('in');
    expect(issued()).toBe(2);
  });

  test('a token that has expired is replaced before it is sent', async () => {
    const { server } = await withTokens({ lifeS: 60 });
    let now = 1_000_000;
    const to = transport({ clock: { now: () => now } });
    await send(to, get(server.host));
    now += 56_000;
    await send(to, get(server.host));
    expect(server.seen.filter(({ headers }) => headers.authorization === 'Bearer t1')).toHaveLength(1);
  });

  test('go to no token server that a plain registry names on another host', async () => {
    const thief = await scripted((_request, response) => answers(response, 200, {}, '{"token":"x"}'));
    const { server } = await withTokens({ realm: () => `http://localhost:${thief.port}/token` });
    const error = await failure(
      send(transport({ credentials: { [server.host]: credentials } }), get(server.host)),
    );
    expect(error.code).toBe('registry_denied');
    expect(error.message).toContain('it gets no credentials');
    expect(thief.seen).toEqual([]);
  });

  test.each([
    'ftp://127.0.0.1/x',
    'not a url',
    'http://user:pass@127.0.0.1/token',
    'http://example.com/token',
  ])('a realm that is %s is refused', async (realm) => {
    const { server } = await withTokens({ realm: () => realm });
    expect((await failure(send(transport(), get(server.host)))).code).toBe('registry_denied');
  });

  test('a token server that fails for a while is tried again, one that refuses is not', async () => {
    const statuses = [503, 200];
    let asked = 0;
    const server: Scripted = await scripted((request, response) => {
      if (request.url?.startsWith('/token')) {
        asked += 1;
        answers(response, statuses.shift() ?? 401, {}, '{"access_token":"t"}');
      } else if (request.headers.authorization === 'Bearer t') answers(response, 200);
      else answers(response, 401, { 'www-authenticate': `Bearer realm="http://${server.host}/token"` });
    });
    await send(transport(), get(server.host));
    expect(asked).toBe(2);
    expect((await failure(send(transport(), get(server.host)))).code).toBe('registry_denied');
    expect(asked).toBe(3);
  });

  test('a token that would break a header is refused', async () => {
    const server: Scripted = await scripted((request, response) => {
      if (request.url?.startsWith('/token'))
        answers(response, 200, {}, JSON.stringify({ token: 'a\r\nx: y' }));
      else answers(response, 401, { 'www-authenticate': `Bearer realm="http://${server.host}/token"` });
    });
    expect((await failure(send(transport(), get(server.host)))).message).toContain('no usable token');
  });

  test('challenges are read as RFC 9110 writes them', () => {
    const read = (header: string) =>
      parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
    expect(read('Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"')).toEqual([
      ['bearer', { realm: 'https://a/t', service: 's', scope: 'repository:x:pull,push' }],
    ]);
    expect(read('Negotiate, Basic realm="a \\"b\\", c", BEARER Realm = tok')).toEqual([
      ['negotiate', {}],
      ['basic', { realm: 'a "b", c' }],
      ['bearer', { realm: 'tok' }],
    ]);
    expect(read('')).toEqual([]);
    expect(read('"""')).toEqual([]);
    expect(read(`Bearer ${'a="'.repeat(5000)}`)).toBeDefined();
  });
});

describe('redirects', () => {
  test('are followed, and to another host without the Authorization header', async () => {
    const storage = await scripted((_request, response) => answers(response, 200, {}, 'the blob'));
    const server = await scripted((request, response) => {
      if (request.headers.authorization === undefined)
        answers(response, 401, { 'www-authenticate': 'Basic realm="x"' });
      else if (request.url === '/v2/a/b/blobs/x') answers(response, 307, { location: '/moved?y=1' });
      else
        answers(response, 302, { location: `http://user:pw@localhost:${storage.port}/blob?signature=a%2Fb` });
    });
    const to = transport({ credentials: { [server.host]: { username: 'u', password: 'p' } } });
    expect((await send(to, get(server.host, { target: 'blobs/x' }))).text).toBe('the blob');
    expect(server.asked.slice(1)).toEqual(['GET /v2/a/b/blobs/x', 'GET /moved?y=1']);
    expect(server.seen[2]!.headers.authorization).toMatch(/^Basic /);
    expect(storage.asked).toEqual(['GET /blob?signature=a%2Fb']);
    expect(storage.seen[0]!.headers.authorization).toBeUndefined();
  });

  test('another host cannot ask for the credentials by a challenge', async () => {
    const other = await scripted((_request, response) =>
      answers(response, 401, { 'www-authenticate': 'Basic realm="x"' }),
    );
    const server = await scripted((_request, response) =>
      answers(response, 307, { location: `http://localhost:${other.port}/` }),
    );
    const to = transport({ credentials: { [server.host]: { username: 'u', password: 'p' } } });
    expect((await failure(send(to, get(server.host)))).code).toBe('registry_denied');
    expect(other.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  test('without an end are ended', async () => {
    const server = await scripted((_request, response) => answers(response, 302, { location: '/again' }));
    expect((await failure(send(transport(), get(server.host)))).message).toContain(
      'redirects more than 5 times',
    );
    expect(server.seen).toHaveLength(6);
  });

  test('an upload is not redirected: its bytes go nowhere else', async () => {
    const server = await scripted((_request, response) => answers(response, 307, { location: '/elsewhere' }));
    const to = transport({ pushAllowed: [server.host] });
    const error = await failure(
      send(to, get(server.host, { method: 'PUT', body: { bytes: Buffer.from('x') }, expect: [201] })),
    );
    expect(error.message).toContain('answered 307');
    expect(server.seen).toHaveLength(1);
  });

  test('lead neither from TLS to plain text, nor from outside to this machine', () => {
    const hosts = new RegistryHosts(['plain.example:5000']);
    const may = (from: string, to: string): boolean => hosts.mayFollow(new URL(from), new URL(to));
    expect(may('https://a.example', 'https://b.example')).toBe(true);
    expect(may('https://a.example', 'http://b.example')).toBe(false);
    expect(may('https://a.example', 'http://plain.example:5000')).toBe(false);
    expect(may('http://127.0.0.1:5000', 'http://localhost:9000')).toBe(true);
    expect(may('http://127.0.0.1:5000', 'http://b.example')).toBe(false);
    expect(may('http://127.0.0.1:5000', 'http://plain.example:5000')).toBe(true);
    expect(may('http://127.0.0.1:5000', 'file:///etc/passwd')).toBe(false);
    for (const self of [
      '127.0.0.1',
      '127.9.9.9',
      'localhost',
      '[::1]',
      '0.0.0.0',
      '[::ffff:127.0.0.1]',
      '2130706433',
    ]) {
      expect(may('https://a.example', `https://${self}:6379/`)).toBe(false);
    }
  });
});

describe('plain text', () => {
  test('is spoken to loopback and to the hosts that were named, nobody else', () => {
    const hosts = new RegistryHosts(['plain.example:5000', 'all-ports.example']);
    expect(hosts.origin('127.0.0.1:5000').href).toBe('http://127.0.0.1:5000/');
    expect(hosts.origin('localhost').href).toBe('http://localhost/');
    expect(hosts.origin('[::1]:5000').href).toBe('http://[::1]:5000/');
    expect(hosts.origin('plain.example:5000').href).toBe('http://plain.example:5000/');
    expect(hosts.origin('all-ports.example:81').href).toBe('http://all-ports.example:81/');
    expect(hosts.origin('plain.example').href).toBe('https://plain.example/');
    expect(hosts.origin('127.evil.example').href).toBe('https://127.evil.example/');
    expect(hosts.origin('localhost.evil.example').href).toBe('https://localhost.evil.example/');
    expect(hosts.origin('docker.io').href).toBe('https://registry-1.docker.io/');
  });
});

describe('the push guard', () => {
  test('lets nothing but GET and HEAD through to a registry that was not named, whatever the caller asks', async () => {
    const server = await scripted((_request, response) => answers(response, 201));
    const to = transport({ pushAllowed: ['127.0.0.1:1'] });
    for (const method of ['POST', 'PUT', 'PATCH'] as const) {
      const error = await failure(send(to, get(server.host, { method, expect: [201] })));
      expect(error.code).toBe('registry_push_not_allowed');
      expect(error.hint).toContain('SLIPWAY_PUSH_REGISTRIES');
      expect(error.message).toContain(server.host);
    }
    expect(server.seen).toEqual([]);
  });

  test('holds for a Location that an allowed registry gives', async () => {
    const other = await scripted((_request, response) => answers(response, 201));
    const to = transport({ pushAllowed: ['127.0.0.1:1'] });
    const target = new URL(`http://${other.host}/upload`);
    const error = await failure(send(to, get('127.0.0.1:1', { method: 'PUT', target, expect: [201] })));
    expect(error.code).toBe('registry_push_not_allowed');
    expect(other.seen).toEqual([]);
  });

  test('cannot be gone around: one file of the room opens connections', () => {
    const room = new URL('../../src/registry/', import.meta.url);
    const opening = readdirSync(room).filter((file) =>
      /from 'node:(https?|http2|net|tls)'|\bfetch\(|undici/.test(
        readFileSync(new URL(file, room), 'utf8').replace(/import \{ isIPv4 \} .*/, ''),
      ),
    );
    expect(opening).toEqual(['wire.ts']);
    expect(
      readFileSync(new URL('wire.ts', room), 'utf8').match(
        /client\.request\(|https?\.request\(|https?\.get\(/g,
      ),
    ).toHaveLength(1);
  });
});

test('paths are built from checked names only', async () => {
  const to = transport();
  for (const repository of ['../../x', 'a/../b', 'a?x', '']) {
    const request = get('127.0.0.1:1', { place: { registry: '127.0.0.1:1', repository } });
    expect((await failure(send(to, request))).code).toBe('invalid_name');
  }
});

test('connections are kept and used again', async () => {
  const ports = new Set<number | undefined>();
  const server = await scripted((request, response) => {
    ports.add(request.socket.remotePort);
    answers(response, 200, {}, createHash('sha256').update('x').digest('hex'));
  });
  const to = transport();
  for (let i = 0; i < 5; i++) await send(to, get(server.host));
  expect(ports.size).toBe(1);
});

test('a kept connection that the registry has closed costs no failure', async () => {
  const server = await scripted((request, response) => {
    answers(response, 200);
    response.once('finish', () => setTimeout(() => request.socket.destroy(), 5));
  });
  const to = transport({ timing: { tries: 2 } });
  for (let i = 0; i < 10; i++) {
    expect((await send(to, get(server.host))).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 4 + (i % 3)));
  }
});
