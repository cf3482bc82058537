/** What comes of a check when the engine goes in the middle of it. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { checkContainer } from '../../deploy/checks.js';
import { DockerTarget } from '../../deploy/targets/docker.js';
import { Engine } from '../../deploy/targets/engine.js';

let server: Server | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  await (server && once(server, 'close'));
});

/** A double: the real one would have to be killed between two bytes. */
it('is a failure of the engine when its stream of events is cut off', async () => {
  server = createServer((request, response) => {
    if (request.url?.startsWith('/events')) {
      response.flushHeaders();
      setTimeout(() => response.destroy(), 200);
    } else {
      const State = { Status: 'running', ExitCode: 0, Error: '', StartedAt: '2026-01-01T00:00:00Z' };
      response.end(JSON.stringify({ State, Config: { Labels: {} }, RestartCount: 0 }));
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const target = new DockerTarget({
    host: 'a',
    engine: new Engine(`tcp://127.0.0.1:${port}`),
    platform: 'testtest',
    registry: { host: '127.0.0.1:5000' },
  });
  const container = {
    host: 'a',
    id: 'one',
    name: 'one',
    app: 'hello',
    release: 1,
    deployment: 'd',
    instance: { process: 'worker', number: 1 },
    state: 'running' as const,
  };
  const { signal } = new AbortController();
  await expect(
    checkContainer(target, container, { host: 'hello.localhost', timeoutMs: 10_000, signal }),
  ).rejects.toMatchObject({ code: 'engine_unavailable', temporary: true });
});
