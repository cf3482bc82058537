/** The document of the API (OpenAPI 3.1), made of the table of routes: what is described there is here, and nothing else. Pure. */
import { z } from 'zod';
import { PROBLEM_TYPE, ProblemDetails } from './errors.js';
import { Media, type RouteDescription } from './route.js';

export interface ApiDocument {
  readonly openapi: '3.1.0';
  readonly info: Readonly<Record<string, unknown>>;
  readonly servers: readonly { readonly url: string }[];
  readonly tags: readonly { readonly name: string }[];
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  /** By path, then by method in lower case. */
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly responses: Readonly<Record<string, unknown>>;
    readonly securitySchemes: Readonly<Record<string, unknown>>;
  };
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  /** None for what is public. */
  readonly security?: readonly [];
  /** The action that the token must allow. */
  readonly 'x-access': string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>>;
  };
  readonly responses: Readonly<Record<string, Response>>;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
}

export interface Response {
  readonly $ref?: string;
  readonly description?: string;
  readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>>;
}

export interface JsonSchema {
  readonly [key: string]: unknown;
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly description?: string;
}

const STATUS: Readonly<Record<number, string>> = {
  101: 'The connection is upgraded',
  200: 'Done',
  201: 'Made',
  202: 'Accepted: it goes on as a build',
};

export function apiDocument(table: readonly RouteDescription[], url: string): ApiDocument {
  const schemas: Record<string, JsonSchema> = {};
  const toSchema = (schema: z.ZodType, io: 'input' | 'output'): JsonSchema => jsonSchema(schema, io, schemas);
  toSchema(ProblemDetails, 'output');
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of table) {
    const path = `/v1${route.path.replaceAll(/:(\w+)/g, '{$1}')}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, toSchema) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Slipway',
      version: '1',
      description:
        'Everything that the command line and the page do, they do with this. Errors are problem details (RFC 9457); `code` says which, `hint` what to do next.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url }],
    tags: [...new Set(table.map(({ tag }) => tag))].map((name) => ({ name })),
    security: [{ token: [] }],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => a.localeCompare(b))),
      responses: {
        Problem: {
          description: 'What went wrong, and what to do next',
          content: {
            [PROBLEM_TYPE.split(';')[0] ?? '']: { schema: { $ref: '#/components/schemas/Problem' } },
          },
        },
      },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'As `slipway tokens:create` makes them' },
      },
    },
  };
}

const IDEMPOTENCY_KEY: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'With the same key the request is carried out once, and answered alike for a day',
  schema: { type: 'string', minLength: 1, maxLength: 200 },
};

type ToSchema = (schema: z.ZodType, io: 'input' | 'output') => JsonSchema;

function operation(route: RouteDescription, toSchema: ToSchema): Operation {
  const { method, path, summary, description, tag, access, body, answers } = route;
  const words = path.split(/[/:-]+/).filter((word) => word !== '');
  return {
    operationId: [method.toLowerCase(), ...words.map((word) => word[0]?.toUpperCase() + word.slice(1))].join(
      '',
    ),
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [tag],
    ...(access === 'public' ? { security: [] as const } : {}),
    'x-access': access,
    parameters: [
      ...pathParameters(route, toSchema),
      ...queryParameters(route, toSchema),
      ...(route.keyed ? [IDEMPOTENCY_KEY] : []),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.safeParse({}).success,
            content: { 'application/json': { schema: toSchema(body, 'input') } },
          },
        }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [
          status,
          response(Number(status), answer, toSchema),
        ]),
      ),
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}

function response(status: number, answer: z.ZodType | Media, toSchema: ToSchema): Response {
  const description = STATUS[status] ?? 'Done';
  if (!(answer instanceof Media))
    return { description, content: { 'application/json': { schema: toSchema(answer, 'output') } } };
  if (status === 101) return { description: answer.description };
  return { description: answer.description, content: { [answer.type]: { schema: { type: 'string' } } } };
}

function pathParameters({ path, params = {} }: RouteDescription, toSchema: ToSchema): Parameter[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => {
    const schema = params[name];
    return parameter(
      name,
      'path',
      schema === undefined ? { type: 'string' } : toSchema(schema, 'input'),
      true,
    );
  });
}

function queryParameters({ query }: RouteDescription, toSchema: ToSchema): Parameter[] {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = toSchema(query, 'input');
  return Object.entries(properties).map(([name, schema]) =>
    parameter(name, 'query', schema, required.includes(name)),
  );
}

function parameter(
  name: string,
  where: Parameter['in'],
  { description, ...schema }: JsonSchema,
  required: boolean,
): Parameter {
  return {
    name,
    in: where,
    required,
    ...(description === undefined ? {} : { description }),
    schema,
  };
}

/** What has a name goes to `named`, and is referred to. */
function jsonSchema(
  schema: z.ZodType,
  io: 'input' | 'output',
  named: Record<string, JsonSchema>,
): JsonSchema {
  const made = z.toJSONSchema(schema, {
    io,
    target: 'draft-2020-12',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      // zod leaves it out of what is transformed.
      const { default: absent } = z.globalRegistry.get(zodSchema as unknown as z.ZodType) ?? {};
      if (absent !== undefined) jsonSchema.default = absent as number;
      // Answers grow: who reads them passes over what he does not know.
      if (io === 'output' && jsonSchema.additionalProperties === false)
        delete jsonSchema.additionalProperties;
    },
  });
  const text = JSON.stringify(made).replaceAll('"#/$defs/', '"#/components/schemas/');
  const {
    $schema: _,
    $defs = {},
    ...own
  } = JSON.parse(text) as JsonSchema & {
    readonly $defs?: Record<string, JsonSchema>;
  };
  Object.assign(named, $defs);
  return own;
}
