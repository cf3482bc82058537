/**
 * A route of the API, described once: what it is for, who may use it, what it takes and what it answers. `Routes.add` makes of the
 * description what fastify serves: who asks is known and may, and what is asked is checked, before `handle` sees it. The
 * document of the API (openapi.ts) and the tests of who may do what are made of the same table.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { homePaths } from '../config.js';
import type { Identity } from '../ledger/platform.js';
import type { Action } from '../model/access.js';
import { IdempotencyKeys } from './idempotency.js';
import type { RateLimits } from './rate-limits.js';
import { parseBody, parseNamed } from './request.js';
import { type ApiTools, authenticate, authorize, identityOf } from './tools.js';

/** Who may use it: everybody, whoever has a token, or whoever may do this (with the app of the path). */
export type RouteAccess = 'public' | 'self' | Action;

/** Its chapter in the document. */
export type RouteTag =
  | 'Apps'
  | 'Builds'
  | 'Webhooks'
  | 'Notifications'
  | 'Releases'
  | 'Config'
  | 'Processes'
  | 'Commands'
  | 'Domains'
  | 'Volumes'
  | 'Hosts'
  | 'Retention'
  | 'People'
  | 'Platform';

/** An answer that is no JSON; the handler sends it itself. */
export class Media {
  readonly type: string;
  readonly description: string;

  constructor(type: string, description: string) {
    this.type = type;
    this.description = description;
  }
}

/** By status. With several the handler says which, else it is the one. */
export type Answers = Readonly<Record<number, z.ZodType | Media>>;

type ParamName<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamName<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;
type Params<Path extends string, Schemas> = {
  readonly [Name in ParamName<Path>]: Name extends keyof Schemas ? z.output<Schemas[Name]> : string;
};
type Sent<Answer> = Answer extends z.ZodType<infer T> ? T : FastifyReply;

/** What `handle` gets. */
export interface Call<Path extends string, Schemas, Query, Body> {
  /** Who asks; of a public route nobody. */
  readonly who: Identity;
  readonly params: Params<Path, Schemas>;
  readonly query: Query;
  readonly body: Body;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** What is known of a route without its handler. */
export interface RouteDescription {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** As fastify writes it, below /v1: `/apps/:app`. */
  readonly path: string;
  /** One line, without a full stop. */
  readonly summary: string;
  readonly description?: string;
  readonly tag: RouteTag;
  readonly access: RouteAccess;
  /** Of the parameters that are more than any text. */
  readonly params?: Readonly<Record<string, z.ZodType>>;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly answers: Answers;
  /** It deploys: with an `Idempotency-Key` it is carried out once, however often it is asked for. */
  readonly keyed?: true;
  /** False where a HEAD would wait for the end of a stream to say nothing. */
  readonly head?: false;
}

export interface Route<
  Path extends string,
  Schemas extends Readonly<Record<string, z.ZodType>>,
  Query,
  Body,
  A extends Answers,
> extends RouteDescription {
  readonly path: Path;
  readonly params?: Schemas;
  readonly query?: z.ZodType<Query>;
  readonly body?: z.ZodType<Body>;
  readonly answers: A;
  readonly handle: (call: Call<Path, Schemas, Query, Body>) => Promise<Sent<A[keyof A]>>;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Of a route of the API. */
    described?: RouteDescription;
  }
}

const NOBODY: Identity = {
  name: 'nobody',
  admin: false,
  mayCreateApps: false,
  apps: [],
  may: () => false,
  mayCreate: () => false,
};

export class Routes {
  readonly #api: FastifyInstance;
  readonly #table: RouteDescription[];
  readonly #keys: IdempotencyKeys;

  /** From here on `api` takes only routes that are described. They go into the table, in the order of their registration. */
  constructor(
    api: FastifyInstance,
    tools: Pick<ApiTools, 'ledger' | 'platform' | 'config'>,
    limits: RateLimits,
    table: RouteDescription[] = [],
  ) {
    this.#api = api;
    this.#table = table;
    this.#keys = new IdempotencyKeys(homePaths(tools.config.home).answers);
    api.addHook('onRoute', ({ method, url, config }) => {
      if (config?.described === undefined) throw new Error(`${method} ${url} is not described`);
    });
    // Before the body: who may not is not listened to.
    api.addHook('onRequest', async (request, reply) => {
      const access = request.routeOptions.config.described?.access;
      if (access === 'public') return limits.strangers(request, reply);
      await authenticate(tools.platform, request).catch(async (thrown: unknown) => {
        await limits.strangers(request, reply);
        throw thrown;
      });
      await limits.people(request, reply);
      const { app } = request.params as { readonly app?: string };
      if (access !== undefined) await authorize(tools.ledger, identityOf(request), access, app);
    });
  }

  add<
    const Path extends string,
    const A extends Answers,
    Schemas extends Readonly<Record<string, z.ZodType>> = Record<never, never>,
    Query = unknown,
    Body = unknown,
  >(route: Route<Path, Schemas, Query, Body, A>): void {
    const { handle, ...described } = route;
    checkDescription(described);
    this.#table.push(described);
    const params = z.looseObject(route.params ?? {});
    const statuses = Object.keys(route.answers).map(Number);
    this.#api.route({
      method: route.method,
      url: route.path,
      ...(route.head === undefined ? {} : { exposeHeadRoute: route.head }),
      config: { described },
      handler: async (request, reply) => {
        const call = {
          who: route.access === 'public' ? NOBODY : identityOf(request),
          params: parseNamed(params, request.params) as Params<Path, Schemas>,
          query: (route.query === undefined ? {} : parseNamed(route.query, request.query)) as Query,
          body: (route.body === undefined ? undefined : parseBody(route.body, request.body)) as Body,
          request,
          reply,
        };
        if (statuses.length === 1) reply.code(statuses[0] ?? 200);
        const { 'idempotency-key': key } = request.headers;
        if (route.keyed === undefined || key === undefined) return handle(call);
        const { status, body, isAgain } = await this.#keys.once(
          {
            key: String(key),
            who: call.who.name,
            method: route.method,
            url: request.url,
            body: request.body,
          },
          async () => ({ body: await handle(call), status: reply.statusCode }),
        );
        if (isAgain) reply.header('idempotency-replayed', 'true');
        return reply.code(status).send(body);
      },
    });
  }
}

/** What types cannot say. */
function checkDescription({ method, path, access, params = {} }: RouteDescription): void {
  const names = path.split('/').flatMap((each) => (each.startsWith(':') ? [each.slice(1)] : []));
  const fault = (says: string): Error => new Error(`${method} ${path}: ${says}`);
  const unknown = Object.keys(params).find((name) => !names.includes(name));
  if (unknown !== undefined) throw fault(`its path has no :${unknown}`);
  if (['view', 'deploy', 'admin'].includes(access) && !names.includes('app'))
    throw fault(`"${access}" is of an app, and its path has none`);
  if (access === 'public' && names.includes('app')) throw fault('an app is never everybody’s');
}
