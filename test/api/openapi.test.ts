/** The document of the API: every route is in it, and what it says of answers holds for real ones. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiDocument, JsonSchema, Response } from '../../src/api/openapi.js';
import { json } from './support/deployer.js';
import { type Answer, type Call, Platform } from './support/platform.js';

let platform: Platform;
let document: ApiDocument;
let build: string;
/** Answers that were held against the document: `GET /v1/apps 200`. */
const seen = new Set<string>();

beforeAll(async () => {
  platform = await Platform.start();
  for (const app of ['hello', 'shop']) await platform.createApp(app);
  await platform.call('PATCH', '/v1/apps/hello/config', { body: { A: '1' } });
  await platform.live('hello', 'FROM one');
  await platform.live('hello', 'FROM two');
  build = (await platform.push('hello', 'FROM three')).id;
  document = (await platform.call('GET', '/v1/openapi.json', { as: 'nobody' })).body;
});
afterAll(() => platform.stop());

/** Of the answer with this status, with no property that it does not name. */
function validatorOf(path: string, method: string, status: number): ValidateFunction | undefined {
  const responses = document.paths[path]?.[method.toLowerCase()]?.responses ?? {};
  const problem = document.components.responses.Problem as Response;
  const content = (responses[status] ?? problem).content ?? {};
  const schema = content['application/json']?.schema ?? content['application/problem+json']?.schema;
  if (schema === undefined) return undefined;
  const whole = closed({ ...schema, components: { schemas: document.components.schemas } });
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  return ajv.compile(whole);
}

function closed(schema: unknown): JsonSchema {
  return JSON.parse(JSON.stringify(schema), (_key, value) =>
    value?.type === 'object' && value.properties !== undefined && value.additionalProperties === undefined
      ? { ...value, additionalProperties: false }
      : value,
  ) as JsonSchema;
}

/** A call whose answer is held against the document; `path` is written as there. */
async function ask(method: string, path: string, call: Call = {}, rest = ''): Promise<Answer> {
  const url = path
    .replace('{app}', 'hello')
    .replace('{id}', build)
    .replace('{release}', 'v1')
    .replace('{name}', 'web.1');
  const answer = await platform.call(method, `${url}${rest}`, call);
  const validate = validatorOf(path, method, answer.status);
  if (validate === undefined) return answer;
  const valid = validate(JSON.parse(answer.text));
  expect([method, url, answer.status, valid ? [] : validate.errors, answer.text.slice(0, 300)]).toEqual([
    method,
    url,
    answer.status,
    [],
    answer.text.slice(0, 300),
  ]);
  seen.add(`${method} ${path} ${answer.status}`);
  return answer;
}

describe('the document', () => {
  test('has every route that is registered, and is for everybody', async () => {
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const registered = platform.routes
      .filter((route) => route.includes(' /v1/') && !route.startsWith('HEAD '))
      .map((route) => route.replaceAll(/:(\w+)/g, '{$1}'));
    expect(documented.length).toBeGreaterThan(50);
    expect(documented.sort()).toEqual(registered.sort());
  });

  test('is sound: unique ids, every reference leads somewhere, every parameter of a path is described', () => {
    expect(document.openapi).toBe('3.1.0');
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.values(methods).map((operation) => ({ path, operation })),
    );
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations) {
      const named = [...path.matchAll(/{(\w+)}/g)].map(([, name]) => name);
      const described = operation.parameters.filter((each) => each.in === 'path').map(({ name }) => name);
      expect([path, described]).toEqual([path, named]);
      expect(operation.summary).toMatch(/^[A-Z].*[^.]$/);
    }
    const text = JSON.stringify(document);
    for (const [, kind = '', name = ''] of text.matchAll(/"#\/components\/(\w+)\/(\w+)"/g))
      expect([name, Object.keys(document.components[kind as 'schemas'])]).toEqual([
        name,
        expect.arrayContaining([name]),
      ]);
    expect(text).not.toContain('$defs');
  });

  test('says of numbers in a query what they may be', () => {
    const { parameters } = document.paths['/v1/apps/{app}/builds']!.get!;
    expect(parameters.find(({ name }) => name === 'limit')?.schema).toEqual({
      type: 'integer',
      minimum: 1,
      maximum: 200,
      default: 20,
    });
  });
});

describe('real answers are as the document says', () => {
  const deployer = (bodies: Readonly<Record<string, unknown>>): void => {
    platform.deployer.script = (request, response) => {
      const path = request.url?.split('?')[0] ?? '';
      json(response, 200, bodies[path] ?? { processes: [], silent: [], problems: [] });
    };
  };
  const process = {
    process: 'web.1',
    release: 2,
    deployment: 'b1',
    state: 'running',
    host: 'local',
    container: 'c',
    restarts: 0,
  };
  const silent = [{ host: 'beta', reason: 'no answer' }];

  test('of what is looked at', async () => {
    deployer({
      '/apps/hello/ps': { processes: [process], silent },
      '/apps/hello/runs': { runs: [], silent },
      '/apps/hello/usage': { usage: [], silent },
      '/hosts': [{ name: 'local', address: 'unix:///run/docker.sock', version: '26.1', containers: 1 }],
      '/host-key': { publicKey: 'ssh-ed25519 AAAA' },
    });
    for (const path of [
      '/v1/apps',
      '/v1/apps/{app}',
      '/v1/apps/{app}/builds',
      '/v1/apps/{app}/builds/{id}',
      '/v1/apps/{app}/builds/{id}/steps',
      '/v1/apps/{app}/releases',
      '/v1/apps/{app}/releases/{release}',
      '/v1/apps/{app}/config',
      '/v1/apps/{app}/formation',
      '/v1/apps/{app}/placement',
      '/v1/apps/{app}/domains',
      '/v1/apps/{app}/certs',
      '/v1/apps/{app}/maintenance',
      '/v1/apps/{app}/ps',
      '/v1/apps/{app}/runs',
      '/v1/apps/{app}/usage',
      '/v1/apps/{app}/metrics',
      '/v1/hosts',
      '/v1/host-key',
      '/v1/whoami',
      '/v1/tokens',
      '/v1/openapi.json',
    ])
      expect((await ask('GET', path)).status).toBe(200);
    expect((await ask('GET', '/v1/apps/{app}/releases/{release}/diff', {}, '?from=v2')).status).toBe(200);
  });

  test('of what is changed', async () => {
    deployer({ '/apps/hello/runs': { name: 'run.482913', host: 'local', container: 'c' } });
    const asks: [string, string, unknown, number][] = [
      ['POST', '/v1/apps', { name: 'other' }, 201],
      ['PUT', '/v1/apps/{app}/lock', { reason: 'sale' }, 200],
      ['DELETE', '/v1/apps/{app}/lock', undefined, 200],
      ['PUT', '/v1/apps/{app}/releases/{release}/bad', { reason: 'slow' }, 200],
      ['DELETE', '/v1/apps/{app}/releases/{release}/bad', undefined, 200],
      ['PUT', '/v1/apps/{app}/releases/{release}/pin', undefined, 200],
      ['DELETE', '/v1/apps/{app}/releases/{release}/pin', undefined, 200],
      ['PATCH', '/v1/apps/{app}/config', { A: '2' }, 202],
      ['PATCH', '/v1/apps/{app}/formation/scale', { scale: { web: 2 } }, 202],
      ['PATCH', '/v1/apps/{app}/formation/resources', { types: ['web'], limits: { memory: '64m' } }, 202],
      ['POST', '/v1/apps/{app}/restart', undefined, 202],
      ['POST', '/v1/apps/{app}/rollback', { release: 'v1' }, 202],
      ['POST', '/v1/apps/{app}/stop', undefined, 202],
      ['POST', '/v1/apps/{app}/start', undefined, 202],
      ['PATCH', '/v1/apps/{app}/domains', { add: ['www.example.com'] }, 200],
      ['DELETE', '/v1/apps/{app}/domains', undefined, 200],
      ['PUT', '/v1/apps/{app}/maintenance', {}, 200],
      ['DELETE', '/v1/apps/{app}/maintenance', undefined, 200],
      ['PATCH', '/v1/apps/{app}/certs', { automatic: true }, 200],
      ['POST', '/v1/apps/{app}/runs', { command: ['id'] }, 201],
      ['PUT', '/v1/apps/{app}/placement', { placement: null }, 200],
      ['POST', '/v1/tokens', { name: 'ci', apps: ['hello'] }, 201],
    ];
    for (const [method, path, body, status] of asks) {
      const answer = await ask(method, path, body === undefined ? {} : { body });
      expect([method, path, answer.status]).toEqual([method, path, status]);
    }
    build = (await platform.push('hello', 'FROM four')).id;
    expect((await ask('POST', '/v1/apps/{app}/builds/{id}/cancel')).status).toBe(200);
    expect((await ask('DELETE', '/v1/apps/{app}', {}, '?confirm=hello')).status).toBe(200);
  });

  test('of errors', async () => {
    expect((await ask('GET', '/v1/apps', { as: 'nobody' })).status).toBe(401);
    expect((await ask('GET', '/v1/hosts', { as: 'alice' })).status).toBe(403);
    expect((await ask('POST', '/v1/apps', { body: '{' })).status).toBe(400);
    expect((await ask('POST', '/v1/apps', { body: { name: 'shop' } })).status).toBe(409);
    expect(seen.size).toBeGreaterThan(40);
  });
});

describe('the page of the API', () => {
  test('shows every route, asks for no token, and loads and runs nothing', async () => {
    const page = await platform.call('GET', '/docs/api', { as: 'nobody' });
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    for (const methods of Object.values(document.paths))
      for (const { operationId } of Object.values(methods))
        expect(page.text).toContain(`id="${operationId}"`);
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    expect(page.text).not.toMatch(/<script|<link|<img|src=|https?:\/\//);
    for (const [, name] of page.text.matchAll(/href="#([^"]+)"/g))
      expect(page.text).toContain(`id="${name}"`);
  });
});
