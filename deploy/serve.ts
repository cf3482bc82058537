/**
 * The deployer's unix socket: what runs and what it writes, for the web process, which cannot reach a target itself. The
 * other side is src/api/deployer-client.ts.
 */
import { chmod, rm } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { type FastifyBaseLogger, fastify, LogController } from 'fastify';
import type { ProcessView } from '../src/api/deployer-client.js';
import { toSlipwayError } from '../src/errors.js';
import type { Logger } from '../src/log.js';
import { checkAppName } from '../src/model/app.js';
import type { Container } from './targets/container.js';
import type { DockerTarget } from './targets/docker.js';
import { logStream } from './targets/log-stream.js';

export interface ServeOptions {
  readonly socketPath: string;
  readonly target: DockerTarget;
  readonly log: Logger;
}

/** Listens; the answer stops it. */
export async function serveRuntime({ socketPath, target, log }: ServeOptions): Promise<() => Promise<void>> {
  const server = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
  });
  server.setErrorHandler((thrown, _request, reply) => {
    const error = toSlipwayError(thrown);
    if (error.code === 'internal') log.error({ err: thrown }, 'answering the web process failed');
    const { code, message, hint } = error;
    return reply
      .code(error.httpStatus)
      .send(code === 'internal' ? { code, message: 'the deployer failed' } : { code, message, hint });
  });

  server.get<{ Params: { app: string } }>('/apps/:app/ps', async (request) => {
    const containers = await target.list(checkAppName(request.params.app));
    return Promise.all(containers.sort(byAge).map((container) => processView(target, container)));
  });

  server.get<{ Params: { app: string }; Querystring: { lines: string; follow: string } }>(
    '/apps/:app/logs',
    async (request, reply) => {
      const app = checkAppName(request.params.app);
      const lines = Number(request.query.lines);
      const follow = request.query.follow === '1';
      const containers = (await target.list(app)).sort(byAge);
      const sent = reply
        .type('text/plain; charset=utf-8')
        .send(await mergedLogs(target, containers, lines, follow));
      // A silent app is being followed all the same; node would keep the head for the first byte.
      reply.raw.flushHeaders();
      return sent;
    },
  );

  // Left by a deployer that was killed.
  await rm(socketPath, { force: true });
  await server.listen({ path: socketPath });
  await chmod(socketPath, 0o600);
  return () => server.close();
}

function byAge(a: Container, b: Container): number {
  return a.release - b.release || a.instance.number - b.instance.number;
}

async function processView(target: DockerTarget, container: Container): Promise<ProcessView> {
  const { health, startedAt, restarts } = await target.inspect(container.id);
  return {
    process: `${container.instance.process}.${container.instance.number}`,
    release: container.release,
    deployment: container.deployment,
    state: container.state,
    ...(health === undefined ? {} : { health: health.status }),
    host: target.engine.remoteHost ?? 'local',
    container: container.id,
    ...(startedAt === undefined ? {} : { startedAt }),
    restarts,
  };
}

/** Each line with its process and release in front. Whole lines only, so that two containers never share one. */
async function mergedLogs(
  target: DockerTarget,
  containers: readonly Container[],
  lines: number,
  follow: boolean,
): Promise<PassThrough> {
  const merged = new PassThrough();
  const sources = await Promise.all(
    containers.map(async (container) => ({
      prefix: `${container.instance.process}.${container.instance.number} v${container.release}: `,
      stream: await logStream(target.engine, container.id, { lines, follow }),
    })),
  );
  merged.once('close', () => {
    for (const { stream } of sources) stream.destroy();
  });
  const copying = sources.map(async ({ prefix, stream }) => {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const part of stream as AsyncIterable<Buffer>) {
      const whole = (rest + decoder.decode(part, { stream: true })).split('\n');
      rest = whole.pop() ?? '';
      const text = whole.map((line) => `${prefix}${line}\n`).join('');
      if (text !== '' && !merged.write(text))
        await new Promise((resolve) => merged.once('drain', resolve).once('close', resolve));
    }
    if (rest !== '') merged.write(`${prefix}${rest}\n`);
  });
  void Promise.allSettled(copying).then(() => merged.end());
  return merged;
}
