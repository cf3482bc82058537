/** What runs, asked while it changes. Doubles of engines: the real ones do not lose a container between two questions on command. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { fastify } from 'fastify';
import { afterEach, expect, it } from 'vitest';
import type { Host, Hosts } from '../../deploy/hosts.js';
import { LABELS } from '../../deploy/names.js';
import { runningRoutes } from '../../deploy/running.js';
import { DockerTarget } from '../../deploy/targets/docker.js';
import { Engine } from '../../deploy/targets/engine.js';

const open: Server[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
});

/** An engine that lists one container, `web.1`, and answers with this status when it is asked about it. */
async function host(name: string, status: number): Promise<Host> {
  const labels = {
    [LABELS.platform]: 'testtest',
    [LABELS.app]: 'hello',
    [LABELS.release]: '1',
    [LABELS.deployment]: 'd1',
    [LABELS.process]: 'web',
    [LABELS.instance]: '1',
    [LABELS.port]: '8080',
  };
  const listed = [
    {
      Id: 'c'.repeat(64),
      Names: ['/x'],
      Labels: labels,
      State: 'running',
      Ports: [],
      NetworkSettings: { Networks: {} },
    },
  ];
  const server = createServer(({ url = '' }, response) => {
    const isList = url.includes('/containers/json');
    response.statusCode = isList ? 200 : status;
    response.end(JSON.stringify(isList ? listed : { message: 'not now' }));
  }).listen(0, '127.0.0.1');
  open.push(server);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const engine = new Engine(`tcp://127.0.0.1:${port}`, { name });
  const registry = { host: '127.0.0.1:5000' };
  return { name, target: new DockerTarget({ host: name, engine, platform: 'testtest', registry }) };
}

async function asked(all: readonly Host[], path: string): Promise<string> {
  const hosts: Hosts = {
    list: async () => all,
    get: async (name) => all.find((one) => one.name === name) ?? expect.unreachable(),
  };
  const server = fastify();
  runningRoutes(server, hosts);
  const { statusCode, body } = await server.inject(path);
  await server.close();
  expect(statusCode).toBe(200);
  return body;
}

it('leaves out a container that is gone by then, and names the host of one that cannot be asked about', async () => {
  const all = [await host('a', 404), await host('b', 500)];
  expect(JSON.parse(await asked(all, '/apps/hello/ps'))).toEqual({
    processes: [],
    silent: [{ host: 'b', reason: expect.stringContaining('not now') }],
  });
  expect(await asked(all, '/apps/hello/logs?lines=10&follow=0')).toMatch(
    /^slipway: web\.1 v1: on b: .*not now\n$/,
  );
});
