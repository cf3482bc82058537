/** What runs on all hosts and what it writes, for the web process. A host that cannot be asked is named. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ProcessView, RunningView } from '../src/api/deployer-client.js';
import { checkAppName } from '../src/model/app.js';
import { withTargetOf } from './answering.js';
import { type Look, lookAround, onHost } from './everywhere.js';
import type { Hosts } from './hosts.js';
import type { Container } from './targets/container.js';
import { statusOf } from './targets/engine.js';

export function runningRoutes(server: FastifyInstance, hosts: Hosts): void {
  // Of all apps with one question to each host. Null when a host is silent: then nobody knows.
  server.get('/running', async (): Promise<{ running: Record<string, number> | null }> => {
    const { containers, silent } = await lookAround(hosts);
    if (silent.size > 0) return { running: null };
    const running: Record<string, number> = {};
    for (const { app, state } of containers) if (state === 'running') running[app] = (running[app] ?? 0) + 1;
    return { running };
  });

  server.get<{ Params: { app: string } }>('/apps/:app/ps', async (request): Promise<RunningView> => {
    const look = await lookAround(hosts, checkAppName(request.params.app));
    const { answers, silent } = await askEach(look, (container) => processView(hosts, container));
    return { processes: answers, silent: silentOf(silent) };
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

function silentOf(silent: Look['silent']): RunningView['silent'] {
  return [...silent].map(([host, { message }]) => ({ host, reason: message }));
}

/** Since the look a container may have gone, which is no failure, or a host fallen silent, which is that host's alone. */
async function askEach<T>(
  look: Look,
  ask: (container: Container) => Promise<T>,
): Promise<{ answers: T[]; silent: Look['silent'] }> {
  const silent = new Map(look.silent);
  const asked = [...look.containers].sort(byAge).map(async (container): Promise<T[]> => {
    try {
      return [await ask(container)];
    } catch (thrown) {
      if (statusOf(thrown) !== 404) silent.set(container.host, onHost(container.host, thrown));
      return [];
    }
  });
  return { answers: (await Promise.all(asked)).flat(), silent };
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

/** Each line with its process and release in front. Whole lines only, so that two containers never share one. */
async function mergedLogs(
  hosts: Hosts,
  look: Look,
  options: { readonly lines: number; readonly follow: boolean },
): Promise<PassThrough> {
  const merged = new PassThrough();
  const { answers: sources, silent } = await askEach(look, (container) =>
    withTargetOf(hosts, container, undefined, async (target, signal) => ({
      prefix: `${container.instance.process}.${container.instance.number} v${container.release}: `,
      stream: await target.logs(container.id, { ...options, signal }),
    })),
  );
  for (const { host, reason } of silentOf(silent))
    merged.write(`slipway: ${host} cannot be asked for its part: ${reason}\n`);
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
      if (text !== '' && !merged.write(text)) await drained(merged);
    }
    if (rest !== '') merged.write(`${prefix}${rest}\n`);
  });
  void Promise.allSettled(copying).then(() => merged.end());
  return merged;
}

/** Or closed, with nobody to read any more. */
async function drained(stream: PassThrough): Promise<void> {
  if (stream.closed) return;
  const done = new AbortController();
  const { signal } = done;
  await Promise.race([once(stream, 'drain', { signal }), once(stream, 'close', { signal })]).catch(
    () => undefined,
  );
  done.abort();
}
