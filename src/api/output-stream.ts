/**
 * A build's log as server-sent events (HTML Living Standard, section 9.2): `log` with base64 bytes, whose id is the offset
 * after them, so that Last-Event-ID resumes at the exact byte; and one `end` with the build as it ended.
 */
import { once } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { followLog } from '../logs/log-reader.js';
import { type Deployment, isFinal } from '../model/deployment.js';
import type { ApiTools } from './tools.js';
import { buildView } from './views.js';

export interface FollowTimes {
  /** A sign of life so often, in ms, that no proxy between takes the stream for dead. */
  readonly pingMs: number;
  /** A follower that takes nothing for so long, in ms, is let go; it resumes where it was. */
  readonly stallMs: number;
}

/** Of all followers; see src/metrics. */
export interface FollowerNumbers {
  readonly followers: { inc(): void; dec(): void };
  readonly followerLag: { observe(seconds: number): void };
}

/** Resolves when the build has ended and everything is sent, or the follower is gone. Never rejects. */
export async function streamOutput(
  tools: Pick<ApiTools, 'store'>,
  build: Deployment,
  offset: number,
  times: FollowTimes,
  numbers: FollowerNumbers,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const headers = reply.getHeaders();
  reply.hijack();
  const out = reply.raw;
  const gone = new AbortController();
  out.once('close', () => gone.abort());
  // Gone before the first byte: there will be no `close` any more.
  if (out.destroyed) return;
  out.writeHead(200, { ...headers, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' } as Record<
    string,
    string
  >);
  // A build that is silent for now is being followed all the same.
  out.flushHeaders();
  const send = async (text: string): Promise<void> => {
    if (gone.signal.aborted) return;
    if (out.write(text)) return numbers.followerLag.observe(0);
    const since = performance.now();
    const limit = AbortSignal.timeout(times.stallMs);
    await once(out, 'drain', { signal: AbortSignal.any([gone.signal, limit]) }).catch(() => {
      if (limit.aborted) out.destroy();
    });
    numbers.followerLag.observe((performance.now() - since) / 1000);
  };
  const ping = setInterval(() => {
    if (!out.writableNeedDrain) out.write(': \n\n');
  }, times.pingMs);
  numbers.followers.inc();
  try {
    const ended = lastState(tools, build, gone.signal);
    const path = tools.store.logPath(build.app, build.id);
    for await (const { offset: at, data } of followLog(path, offset, ended, gone.signal))
      await send(`id: ${at + data.length}\nevent: log\ndata: ${data.toString('base64')}\n\n`);
    const last = await ended;
    if (last !== undefined && isFinal(last.state))
      await send(`event: end\ndata: ${JSON.stringify(buildView(last))}\n\n`);
  } catch (error) {
    request.log.warn({ err: error, app: build.app, build: build.id }, 'a log stream broke');
  } finally {
    numbers.followers.dec();
    clearInterval(ping);
    out.end();
    // Without an `end` event the follower asks again from where it is.
    gone.abort();
  }
}

async function lastState(
  tools: Pick<ApiTools, 'store'>,
  build: Deployment,
  signal: AbortSignal,
): Promise<Deployment | undefined> {
  let last: Deployment | undefined;
  for await (const state of tools.store.watch(build.app, build.id, signal)) last = state;
  return last;
}
