/** One-off commands, and the inside of what runs. The deployer does it; this says who may, and passes it on. */
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { SlipwayError } from '../errors.js';
import { checkUpgrade, takeConnection } from '../upgrades.js';
import { checkOneOff } from './one-off-views.js';
import { type AppParams, type Query, wholeNumber } from './request.js';
import { type ApiTools, identityOf, requireApp } from './tools.js';

interface Named {
  Params: AppParams & { readonly name: string };
}

/** A probe so often, in ms, finds out that the other side is gone. */
const KEEP_ALIVE_MS = 30_000;
/** For a client that does not close its side. */
const LINGER_MS = 5000;
const PROCESS = /^[A-Za-z][A-Za-z0-9_-]{0,29}(\.[1-9]\d{0,4})?$/;
const RUN = /^run\.\d{6}$/;

export function oneOffRoutes(api: FastifyInstance, tools: ApiTools): void {
  const { deployer } = tools;
  for (const what of ['run', 'enter'] as const) {
    api.get<{ Params: AppParams }>(
      `/apps/:app/${what}`,
      { exposeHeadRoute: false },
      async (request, reply) => {
        const app = await requireApp(tools, request, request.params.app);
        checkUpgrade(request);
        const connection = await deployer.attach(app, what, identityOf(request).name);
        join(takeConnection(request, reply), connection);
      },
    );
  }

  api.get<{ Params: AppParams }>('/apps/:app/runs', async (request) =>
    deployer.runs(await requireApp(tools, request, request.params.app)),
  );
  api.post<{ Params: AppParams }>('/apps/:app/runs', async (request, reply) => {
    const app = await requireApp(tools, request, request.params.app);
    checkOneOff(request.body);
    return reply.code(201).send(await deployer.runDetached(app, request.body, identityOf(request).name));
  });
  api.post<Named>('/apps/:app/runs/:name/stop', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    return deployer.stopRun(app, checkRun(request.params.name));
  });
  api.get<Named & { Querystring: { lines?: Query; follow?: Query } }>(
    '/apps/:app/runs/:name/logs',
    { exposeHeadRoute: false },
    async (request, reply) => {
      const app = await requireApp(tools, request, request.params.app);
      const run = checkRun(request.params.name);
      const lines = wholeNumber(request.query.lines, 'lines', { min: 1, max: 10_000, absent: 100 });
      const follow = wholeNumber(request.query.follow, 'follow', { min: 0, max: 1, absent: 0 }) === 1;
      const output = await deployer.logs(app, { lines, follow, run });
      const sent = reply.type('text/plain; charset=utf-8').header('x-accel-buffering', 'no').send(output);
      reply.raw.flushHeaders();
      return sent;
    },
  );

  api.get<Named>('/apps/:app/ps/:name', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    return deployer.inspect(app, checkProcess(request.params.name));
  });
  api.get<Named>('/apps/:app/ps/:name/top', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    return deployer.top(app, checkProcess(request.params.name));
  });
  api.get<{ Params: AppParams }>('/apps/:app/usage', async (request) =>
    deployer.usage(await requireApp(tools, request, request.params.app)),
  );
}

/** Until one of them ends; what the deployer said last still arrives, also at a client that goes on sending. */
export function join(client: Duplex, deployer: Duplex): void {
  if ('setKeepAlive' in client) (client as Duplex & KeepsAlive).setKeepAlive(true, KEEP_ALIVE_MS);
  client.pipe(deployer);
  deployer.pipe(client);
  client.once('close', () => deployer.destroy());
  deployer.on('error', () => deployer.destroy());
  deployer.once('close', () => {
    client.unpipe(deployer);
    // Closed with bytes that nobody has read, the kernel would cut the connection before the last ones have arrived.
    client.resume();
    client.end();
    setTimeout(() => client.destroy(), LINGER_MS).unref();
  });
  if (client.destroyed) deployer.destroy();
}

interface KeepsAlive {
  setKeepAlive(on: boolean, ms: number): void;
}

function checkRun(name: string): string {
  if (RUN.test(name)) return name;
  throw new SlipwayError(
    'bad_request',
    `${JSON.stringify(name.slice(0, 40))} is not a one-off command's name`,
    {
      hint: 'it looks like run.482913; see: slipway run:list',
    },
  );
}

function checkProcess(name: string): string {
  if (PROCESS.test(name)) return name;
  throw new SlipwayError('bad_request', `${JSON.stringify(name.slice(0, 40))} is not a process`, {
    hint: 'it looks like web.1; see: slipway ps',
  });
}
