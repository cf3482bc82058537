/** The table of routes: each is described, and who may use it is what its description says. */
import { type FastifyInstance, fastify } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type RouteDescription, Routes } from '../../src/api/route.js';
import { Platform, type Who } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
  await platform.createApp('hello');
});
afterAll(() => platform.stop());

function routes(): (RouteDescription & { readonly url: string })[] {
  return platform.described.map((each) => ({
    ...each,
    url: `/v1${each.path}`.replace(':app', 'hello').replaceAll(/:\w+/g, 'x'),
  }));
}

/** Who can do what with the app hello. */
const ALLOWED: Readonly<Record<string, readonly Who[]>> = {
  public: ['admin', 'alice', 'reader'],
  self: ['admin', 'alice', 'reader'],
  view: ['admin', 'alice', 'reader'],
  deploy: ['admin', 'alice', 'reader'],
  admin: ['admin', 'alice'],
  platform: ['admin'],
};

describe('every route', () => {
  test('below /v1 is described, with its HEAD', () => {
    const described = routes().map(({ method, path }) => `${method} /v1${path}`);
    const served = platform.routes.filter((route) => route.includes(' /v1/') && !route.startsWith('HEAD '));
    expect(described.length).toBeGreaterThan(50);
    expect(new Set(described).size).toBe(described.length);
    expect(served.sort()).toEqual(described.sort());
  });

  test('outside of /v1 is one of these, each with a reason to be', () => {
    const others = platform.routes.filter((route) => !route.includes(' /v1/') && !route.startsWith('HEAD '));
    expect(others.sort()).toEqual([
      'DELETE /session',
      'GET /docs/api',
      'GET /healthz',
      'GET /metrics',
      'GET /readyz',
      // By its signature.
      'POST /hooks/:app/:id',
      'POST /session',
    ]);
  });

  test('lets in exactly those whom its access names, and tells the others what they lack', async () => {
    for (const { method, url, access } of routes()) {
      for (const as of ['admin', 'alice', 'reader'] satisfies Who[]) {
        if (ALLOWED[access]?.includes(as)) continue;
        // What cannot be read as a body does not matter: who may not is not listened to.
        const body = method === 'GET' || method === 'DELETE' ? {} : { body: '{' };
        const answer = await platform.call(method, url, { as, ...body });
        expect([method, url, as, answer.status, answer.body.code]).toEqual([
          method,
          url,
          as,
          403,
          'forbidden',
        ]);
        expect(answer.body.hint).toBeTruthy();
      }
    }
  });

  test('listens to those whom its access names', async () => {
    for (const { method, url, access } of routes().filter(({ body }) => body !== undefined)) {
      for (const as of ALLOWED[access] ?? []) {
        const answer = await platform.call(method, url, { as, body: '{' });
        expect([method, url, as, answer.status]).toEqual([method, url, as, 400]);
      }
    }
  });
});

describe('a route', () => {
  const open = async (register: (routes: Routes, api: FastifyInstance) => void): Promise<unknown> => {
    const server = fastify();
    const { config, ledger } = platform;
    const tools = { config, ledger, platform: platform.platform };
    const none = async (): Promise<void> => undefined;
    void server.register(async (api) =>
      register(new Routes(api, tools, { strangers: none, people: none }), api),
    );
    try {
      return await server.ready();
    } finally {
      await server.close();
    }
  };
  const route = {
    method: 'GET',
    path: '/things/:thing',
    summary: 'A thing',
    tag: 'Apps',
    access: 'self',
    answers: { 200: z.object({}) },
    handle: async () => ({}),
  } as const;

  test('that is not described does not register', async () => {
    await expect(open((_, api) => void api.get('/x', () => 'x'))).rejects.toThrow('GET /x is not described');
  });

  test('whose access is of an app has an app in its path, and an app is never public', async () => {
    await expect(open((table) => table.add({ ...route, access: 'deploy' }))).rejects.toThrow(
      'its path has none',
    );
    await expect(
      open((table) => table.add({ ...route, path: '/apps/:app/x', access: 'public' })),
    ).rejects.toThrow('never everybody');
    await expect(open((table) => table.add(route))).resolves.toBeDefined();
  });

  test('describes only parameters that its path has', async () => {
    await expect(
      open((table) => table.add({ ...route, params: { other: z.string() } as never })),
    ).rejects.toThrow('no :other');
  });
});
