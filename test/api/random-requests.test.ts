/** Requests made up from the document of the API, right ones, almost right ones and nonsense, to every route: none is a 500, and every error is problem details. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PROBLEM_TYPE, ProblemDetails } from '../../src/api/errors.js';
import type { ApiDocument, JsonSchema, Operation } from '../../src/api/openapi.js';
import { json } from './support/deployer.js';
import { Platform, type Who } from './support/platform.js';

const REQUESTS = 600;
const AT_MOST_MS = 20_000;
const BODY_BYTES = 4096;

let platform: Platform;
let operations: readonly { readonly path: string; readonly method: string; readonly operation: Operation }[];
let schemas: ApiDocument['components']['schemas'];
/** What names something that is there. */
let names: string[];
/** A build that has ended. */
let ended: string;

beforeAll(async () => {
  platform = await Platform.start({ limits: { apiBodyBytes: BODY_BYTES } });
  for (const app of ['hello', 'shop']) await platform.createApp(app);
  const builds = [await platform.live('hello', 'FROM one'), await platform.live('hello', 'FROM two')];
  platform.deployer.script = (request, response) =>
    json(
      response,
      200,
      request.url === '/hosts' ? [] : { processes: [], silent: [], problems: [], hosts: [], runs: [] },
    );
  ended = builds[0]!.id;
  names = ['hello', 'shop', 'v1', '2', 'local', 'web', 'web.1', 'run.482913', 'current', ended];
  const document = (await platform.call('GET', '/v1/openapi.json')).body as ApiDocument;
  schemas = document.components.schemas;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
});
afterAll(() => platform.stop());

const NASTY = [
  '',
  ' ',
  '..',
  '../shop',
  '-x',
  '\0',
  '\n',
  '__proto__',
  'constructor',
  'null',
  '%',
  '%00',
  '💣',
];

function text(): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...names) },
    { weight: 3, arbitrary: fc.constantFrom(...NASTY, 'x'.repeat(300), 'x'.repeat(BODY_BYTES)) },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  );
}

/** Values that the schema allows, most of them; now and then any other. */
function anyOf(schema: JsonSchema): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 9, arbitrary: typed(schema) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  );
}

function typed(schema: JsonSchema): fc.Arbitrary<unknown> {
  const { $ref, type, properties, required = [] } = schema;
  if ($ref !== undefined) return typed(schemas[$ref.split('/').at(-1) ?? ''] ?? {});
  if ('const' in schema) return fc.constant(schema.const);
  if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices)) return fc.oneof(...choices.map((each: JsonSchema) => anyOf(each)));
  if (Array.isArray(type)) return fc.oneof(...type.map((each: string) => typed({ ...schema, type: each })));
  if (type === 'array') return fc.array(anyOf((schema.items ?? {}) as JsonSchema), { maxLength: 3 });
  if (type === 'integer' || type === 'number')
    return fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer(), fc.double({ noNaN: true }));
  if (type === 'boolean') return fc.boolean();
  if (type === 'null') return fc.constant(null);
  if (type === 'string') return text();
  if (properties !== undefined) {
    const parts = Object.entries(properties).map(([name, each]) => [name, anyOf(each)] as const);
    const requiredKeys = [...required] as never[];
    return fc.record(Object.fromEntries(parts), { requiredKeys });
  }
  if (type === 'object')
    return fc.dictionary(text(), anyOf((schema.additionalProperties ?? {}) as JsonSchema), { maxKeys: 3 });
  return fc.jsonValue({ maxDepth: 2 });
}

interface Made {
  readonly method: string;
  readonly url: string;
  readonly as: Who;
  readonly body: string | undefined;
  readonly headers: Record<string, string>;
}

function request(): fc.Arbitrary<Made> {
  return fc.constantFrom(...operations).chain(({ path, method, operation }) => {
    const isStream = operation.responses[200]?.content?.['text/event-stream'] !== undefined;
    const known = (name: string): fc.Arbitrary<unknown> | undefined => {
      if (name === 'app') return fc.constantFrom('hello', 'shop', 'absent');
      // One that has not ended would be followed until somebody ends it.
      return isStream && name === 'id' ? fc.constantFrom(ended, ...NASTY) : undefined;
    };
    const values = operation.parameters.map(({ schema, name, in: where }) =>
      fc
        .option((where === 'path' ? known(name) : undefined) ?? anyOf(schema))
        .map((value) => ({ name, where, value })),
    );
    const body = operation.requestBody?.content['application/json']?.schema;
    return fc.record({
      method: fc.constant(method),
      url: fc.tuple(...values).map((all) => urlOf(path, all)),
      as: fc.constantFrom<Who>('admin', 'admin', 'alice', 'reader', 'nobody'),
      body:
        body === undefined
          ? fc.constant(undefined)
          : fc.oneof(
              { weight: 9, arbitrary: anyOf(body).map((value) => JSON.stringify(value)) },
              { weight: 1, arbitrary: fc.string() },
            ),
      headers: fc.dictionary(
        fc.constantFrom('last-event-id', 'idempotency-key', 'accept', 'if-match', 'x-http-method-override'),
        fc.constantFrom('', '0', '-1', 'x', '9'.repeat(30), '*/*', 'DELETE'),
        { maxKeys: 2 },
      ),
    });
  });
}

function urlOf(path: string, values: readonly { name: string; where: string; value: unknown }[]): string {
  const written = (value: unknown): string =>
    encodeURIComponent(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString());
  let url = path;
  const query: string[] = [];
  for (const { name, where, value } of values) {
    if (where === 'path') url = url.replace(`{${name}}`, value === null ? 'x' : written(value));
    else if (where === 'query' && value !== null) query.push(`${name}=${written(value)}`);
  }
  return query.length === 0 ? url : `${url}?${query.join('&')}`;
}

test('no request ends in a 500, and every error is problem details', async () => {
  const property = fc.asyncProperty(request(), async ({ method, url, as, body, headers }) => {
    const answer = await platform.call(method, url, { as, headers, ...(body === undefined ? {} : { body }) });
    if (answer.status < 400) return;
    expect(answer.headers['content-type']).toBe(PROBLEM_TYPE);
    const problem = ProblemDetails.parse(JSON.parse(answer.text));
    expect(problem.status).toBe(answer.status);
    // A registry that a request asks for may not be there; nothing else may fail.
    if (answer.status >= 500) expect([503, 'registry_unavailable']).toEqual([answer.status, problem.code]);
    expect(answer.text).not.toMatch(/\n {4}at |node_modules/);
  });
  await fc.assert(property, { numRuns: REQUESTS, interruptAfterTimeLimit: AT_MOST_MS });
});
