/** What runs on all hosts and what it writes, for the web process. A host that cannot be asked is named. */
import { PassThrough } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ProcessView, RunningView } from '../src/api/deployer-client.js';
import { type SlipwayError, toSlipwayError } from '../src/errors.js';
import { checkAppName } from '../src/model/app.js';
import { withTargetOf } from './answering.js';
import { type Look, lookAround } from './everywhere.js';
import type { Hosts } from './hosts.js';
import type { Container } from './targets/container.js';
import { statusOf } from './targets/engine.js';
import { logStream } from './targets/log-stream.js';

const NOT_FOUND = 404;

export function runningRoutes(server: FastifyInstance, hosts: Hosts): void {
  server.get<{ Params: { app: string } }>('/apps/:app/ps', async (request): Promise<RunningView> => {
    const look = await lookAround(hosts, checkAppName(request.params.app));
    const silent = new Map(look.silent);
    const processes = await ofEach(
      look,
      (container) => processView(hosts, container),
      ({ host }, error) => silent.set(host, error),
    );
    return { processes, silent: silentOf({ silent }) };
  });

  server.get<{ Params: { app: string }; Querystring: { lines: string; follow: string } }>(
    '/apps/:app/logs',
    async (request, reply) => {
      const look = await lookAround(hosts, checkAppName(request.params.app));
      const lines = Number(request.query.lines);
      const follow = request.query.follow === '1';
      const sent = reply
        .type('text/plain; charset=utf-8')
        .send(await mergedLogs(hosts, look, { lines, follow }));
      // A silent app is being followed all the same; node would keep the head for the first byte.
      reply.raw.flushHeaders();
      return sent;
    },
  );
}

/** Oldest first. A container may be gone since the look, which is no failure, and its host may have fallen silent, which is told. */
async function ofEach<T>(
  { containers }: Look,
  ask: (container: Container) => Promise<T>,
  onFailure: (container: Container, error: SlipwayError) => void,
): Promise<T[]> {
  const answers = await Promise.all(
    [...containers].sort(byAge).map((container) =>
      ask(container).then(
        (answer) => [answer],
        (thrown: unknown) => {
          if (statusOf(thrown) !== NOT_FOUND) onFailure(container, toSlipwayError(thrown));
          return [];
        },
      ),
    ),
  );
  return answers.flat();
}

function silentOf({ silent }: Pick<Look, 'silent'>): RunningView['silent'] {
  return [...silent].map(([host, { message }]) => ({ host, reason: message }));
}

function byAge(a: Container, b: Container): number {
  const byProcess =
    a.instance.process < b.instance.process ? -1 : a.instance.process > b.instance.process ? 1 : 0;
  return a.release - b.release || byProcess || a.instance.number - b.instance.number;
}

async function processView(hosts: Hosts, container: Container): Promise<ProcessView> {
  const { health, startedAt, restarts } = await withTargetOf(hosts, container, undefined, (target, signal) =>
    target.inspect(container.id, { signal }),
  );
  return {
    process: `${container.instance.process}.${container.instance.number}`,
    release: container.release,
    deployment: container.deployment,
    state: container.state,
    ...(health === undefined ? {} : { health: health.status }),
    host: container.host,
    container: container.id,
    ...(startedAt === undefined ? {} : { startedAt }),
    restarts,
  };
}

function prefixOf({ instance, release }: Container): string {
  return `${instance.process}.${instance.number} v${release}: `;
}

/** Each line with its process and release in front. Whole lines only, so that two containers never share one. */
async function mergedLogs(
  hosts: Hosts,
  look: Look,
  options: { readonly lines: number; readonly follow: boolean },
): Promise<PassThrough> {
  const merged = new PassThrough();
  for (const { host, reason } of silentOf(look))
    merged.write(`slipway: ${host} cannot be asked for its part: ${reason}\n`);
  const sources = await ofEach(
    look,
    async (container) => {
      const { target } = await hosts.get(container.host);
      return { prefix: prefixOf(container), stream: await logStream(target.engine, container.id, options) };
    },
    (container, { message }) =>
      merged.write(`slipway: ${prefixOf(container)}on ${container.host}: ${message}\n`),
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
