/** One-off commands, and the inside of what runs. The deployer does it; this says who may, and passes it on. */
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import { ATTACH_PROTOCOL } from '../frames.js';
import { checkUpgrade, takeConnection } from '../upgrades.js';
import { Container, checkOneOff, OneOff, OneOffBody, OneOffs, Started, Top, Usage } from './one-off-views.js';
import { tail } from './request.js';
import { Media, type Routes } from './route.js';
import type { ApiTools } from './tools.js';

/** A probe so often, in ms, finds out that the other side is gone. */
const KEEP_ALIVE_MS = 30_000;
/** For a client that does not close its side. */
const LINGER_MS = 5000;
const PROCESS = /^[A-Za-z][A-Za-z0-9_-]{0,29}(\.[1-9]\d{0,4})?$/;
const RUN = /^run\.\d{6}$/;

const runName = z
  .string()
  .transform(checkRun)
  .meta({ description: 'A one-off command', example: 'run.482913', pattern: RUN.source });
const processName = z
  .string()
  .transform(checkProcess)
  .meta({ description: 'A process: web.1', example: 'web.1', pattern: PROCESS.source });

export function oneOffRoutes(routes: Routes, tools: ApiTools): void {
  const { deployer } = tools;
  for (const [what, path, summary] of [
    ['run', '/apps/:app/run', 'Run a command in a container of its own, attached to a connection'],
    ['enter', '/apps/:app/enter', 'Run a command in a container that serves, attached to a connection'],
  ] as const) {
    routes.add({
      method: 'GET',
      path,
      summary,
      description: `The request asks for an upgrade to \`${ATTACH_PROTOCOL}\`.`,
      tag: 'Commands',
      access: 'deploy',
      answers: { 101: new Media(ATTACH_PROTOCOL, 'A connection both ways') },
      head: false,
      handle: async ({ who, params: { app }, request, reply }) => {
        checkUpgrade(request);
        const connection = await deployer.attach(app, what, who.name);
        join(takeConnection(request, reply), connection);
        return reply;
      },
    });
  }

  routes.add({
    method: 'GET',
    path: '/apps/:app/runs',
    summary: 'The one-off commands of an app',
    tag: 'Commands',
    access: 'view',
    answers: { 200: OneOffs },
    handle: async ({ params: { app } }) => deployer.runs(app),
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/runs',
    summary: 'Run a command in a container of its own, detached',
    tag: 'Commands',
    access: 'deploy',
    body: OneOffBody,
    keyed: true,
    answers: { 201: Started },
    handle: async ({ who, params: { app }, body }) => {
      checkOneOff(body);
      return deployer.runDetached(app, body, who.name);
    },
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/runs/:name/stop',
    summary: 'Stop a one-off command',
    tag: 'Commands',
    access: 'deploy',
    params: { name: runName },
    answers: { 200: OneOff },
    handle: async ({ params: { app, name } }) => deployer.stopRun(app, name),
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/runs/:name/logs',
    summary: 'The output of a detached command',
    tag: 'Commands',
    access: 'view',
    params: { name: runName },
    query: tail,
    answers: { 200: new Media('text/plain', 'Lines, and with `follow` those to come') },
    head: false,
    handle: async ({ params: { app, name }, query, reply }) => {
      const output = await deployer.logs(app, { ...query, run: name });
      const sent = reply.type('text/plain; charset=utf-8').header('x-accel-buffering', 'no').send(output);
      reply.raw.flushHeaders();
      return sent;
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/ps/:name',
    summary: 'The container of a process',
    tag: 'Processes',
    access: 'view',
    params: { name: processName },
    answers: { 200: Container },
    handle: async ({ params: { app, name } }) => deployer.inspect(app, name),
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/ps/:name/top',
    summary: 'What runs in the container of a process',
    tag: 'Processes',
    access: 'view',
    params: { name: processName },
    answers: { 200: Top },
    handle: async ({ params: { app, name } }) => deployer.top(app, name),
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/usage',
    summary: 'Memory and processor time of each process',
    tag: 'Processes',
    access: 'view',
    answers: { 200: Usage },
    handle: async ({ params: { app } }) => deployer.usage(app),
  });
}

/** Until one of them ends; what the deployer said last still arrives, also at a client that goes on sending. */
function join(client: Duplex, deployer: Duplex): void {
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
