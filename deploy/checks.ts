/**
 * Whether a container that was just started does its work. In this order: the HEALTHCHECK of its image; for a web process an HTTP
 * answer below 500 on its port, or a port that takes connections and has never spoken HTTP; for others that it lives.
 * A container that dies fails at once. Nothing is believed that was seen only once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SlipwayError } from '../src/errors.js';
import { WEB_TYPE } from '../src/model/process.js';
import { probe } from './probe.js';
import type { Container, Inspection } from './targets/container.js';
import type { Target } from './targets/target.js';

/** How long a container must have lived before a port without HTTP, or no port at all, counts as healthy. */
const SETTLED_MS = 5000;
/** So often in a row a check must pass: an app that answers now and then is not healthy. */
const PASSES = 3;
/** Every push waits for these; a request costs nothing. */
const PAUSE_BETWEEN_ANSWERS_MS = 15;
const PAUSE_BETWEEN_EXECS_MS = 100;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;
/** Running a command in a container is dearer than asking a port. */
const FIRST_EXEC_PAUSE_MS = 200;
const LONGEST_EXEC_PAUSE_MS = 2000;
const LONGEST_START_PERIOD_MS = 10 * 60_000;

export interface CheckOptions {
  /** The Host header of the request. */
  readonly host: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Resolves when the container is healthy, with how that was seen. Throws `unhealthy` with what was seen last. */
export async function checkContainer(
  target: Target,
  container: Container,
  { host, timeoutMs, signal }: CheckOptions,
): Promise<string> {
  const ended = new AbortController();
  const end = AbortSignal.any([signal, ended.signal]);
  try {
    // The stream is open before the first look, so that no death falls between the two.
    const events = await target.events(end);
    const found = await target.inspect(container.id, { signal });
    failIfDead(found);
    if (found.health?.status === 'healthy') return 'HEALTHCHECK passed';
    const allowedMs = timeoutMs + Math.min(found.healthcheck?.startPeriodMs ?? 0, LONGEST_START_PERIOD_MS);
    const check = {
      target,
      container,
      found,
      host,
      endsAt: performance.now() + allowedMs,
      allowedMs,
      signal: end,
    };
    const passed =
      found.healthcheck !== undefined
        ? passHealthcheck(check, found.healthcheck)
        : container.instance.process === WEB_TYPE
          ? passPort(check)
          : sleep(SETTLED_MS, `${container.instance.process} runs`, { signal: end });
    return await Promise.race([passed, failOnEvent(check, events)]);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    ended.abort();
  }
}

interface Check {
  readonly target: Target;
  readonly container: Container;
  readonly found: Inspection;
  readonly host: string;
  readonly allowedMs: number;
  readonly endsAt: number;
  readonly signal: AbortSignal;
}

async function passPort(check: Check): Promise<string> {
  const { container, found, host, allowedMs, endsAt, signal } = check;
  const startedAt = performance.now();
  const settled = (): boolean => performance.now() - startedAt >= SETTLED_MS;
  let address = container.address;
  let last = `nothing listens on port ${found.port}`;
  let speaksHttp = false;
  let passes = 0;
  for (
    let pauseMs = FIRST_PAUSE_MS;
    performance.now() < endsAt;
    pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)
  ) {
    address ??= (await check.target.get(container.id, { signal })).address;
    if (address !== undefined) {
      const timeoutMs = Math.max(1, Math.min(allowedMs / 3, endsAt - performance.now()));
      const seen = await probe(address, { host, timeoutMs, signal });
      signal.throwIfAborted();
      passes = seen.kind === 'answered' && seen.status < 500 ? passes + 1 : 0;
      if (seen.kind === 'answered') {
        speaksHttp = true;
        if (passes === PASSES) return `GET / answered ${seen.status}`;
        last = `GET / on port ${found.port} answers ${seen.status}`;
      }
      if (seen.kind === 'unreachable') last = `nothing listens on port ${found.port} (${seen.why})`;
      if (speaksHttp && seen.kind === 'closed')
        last = `port ${found.port} answered HTTP, but does not answer any more`;
      if (!speaksHttp && speaksTcp(check, seen.kind)) {
        if (settled()) return `port ${found.port} takes connections`;
        last = `port ${found.port} takes connections, but does not answer`;
      }
    }
    await sleep(passes > 0 ? PAUSE_BETWEEN_ANSWERS_MS : pauseMs, undefined, { signal });
  }
  throw unhealthyPort(check, last);
}

/** A published port is first taken by the engine's proxy, whoever listens behind it: only an answer proves something. */
function speaksTcp({ target }: Check, kind: string): boolean {
  if (kind === 'other-protocol') return true;
  return !target.publishes && (kind === 'closed' || kind === 'silent');
}

/**
 * Runs the image's own check ourselves, since the engine runs it first after a whole interval (30 s when the
 * Dockerfile says nothing).
 */
async function passHealthcheck(
  { target, container, allowedMs, endsAt, signal }: Check,
  { argv, timeoutMs }: NonNullable<Inspection['healthcheck']>,
): Promise<string> {
  let last: string | undefined;
  let passes = 0;
  for (
    let pauseMs = FIRST_EXEC_PAUSE_MS;
    performance.now() < endsAt;
    pauseMs = Math.min(pauseMs * 1.5, LONGEST_EXEC_PAUSE_MS)
  ) {
    const isLast = endsAt - performance.now() < timeoutMs;
    const leftMs = Math.ceil(Math.max(1, Math.min(timeoutMs, endsAt - performance.now())));
    const timeout = AbortSignal.timeout(leftMs);
    try {
      const { exitCode, output } = await target.execute(container.id, argv, {
        signal: AbortSignal.any([signal, timeout]),
      });
      passes = exitCode === 0 ? passes + 1 : 0;
      if (passes === PASSES) return 'HEALTHCHECK passed';
      if (exitCode !== 0) last = `exit code ${exitCode}${output === '' ? '' : `: ${output}`}`;
    } catch (error) {
      if (!timeout.aborted || signal.aborted) throw error;
      passes = 0;
      // One that our own end cuts short says less than those before it.
      if (!isLast || last === undefined) last = `it took longer than ${leftMs / 1000} s`;
    }
    await sleep(passes > 0 ? PAUSE_BETWEEN_EXECS_MS : pauseMs, undefined, { signal });
  }
  throw unhealthyCheck(`did not pass within ${allowedMs / 1000} s`, last ?? 'it did not answer');
}

/** Rejects when the container dies or the engine calls it unhealthy. One `healthy` of the engine proves as little as one pass. */
async function failOnEvent(
  { target, container, signal }: Check,
  events: AsyncIterable<{ id: string; action: string }>,
): Promise<never> {
  for await (const { id, action } of events) {
    if (id !== container.id) continue;
    if (action === 'die' || action === 'destroy') failIfDead(await target.inspect(id, { signal }));
    if (action === 'unhealthy') {
      const { health } = await target.inspect(id, { signal });
      throw unhealthyCheck('failed', health?.lastOutput ?? '');
    }
  }
  signal.throwIfAborted();
  throw target.engine.unavailable('closed its stream of events');
}

function failIfDead(found: Inspection): void {
  if (found.state === 'running') return;
  const because = found.outOfMemory ? ', killed because it was out of memory' : '';
  const why = found.error === '' ? '' : `: ${found.error}`;
  throw new SlipwayError('unhealthy', `the container exited with code ${found.exitCode}${because}${why}`, {
    hint: found.outOfMemory
      ? 'make the app use less memory'
      : 'the process must stay in the foreground; see its last lines above',
  });
}

function unhealthyCheck(how: string, output: string): SlipwayError {
  return new SlipwayError(
    'unhealthy',
    `the HEALTHCHECK of the image ${how}${output === '' ? '' : `; last: ${output}`}`,
    {
      hint: 'the old release keeps serving; correct the app or its HEALTHCHECK and push again',
    },
  );
}

function unhealthyPort({ found, allowedMs }: Check, last: string): SlipwayError {
  return new SlipwayError('unhealthy', `${last}, after ${allowedMs / 1000} s`, {
    hint: found.portIsExposed
      ? `the app must listen on 0.0.0.0:${found.port} (it is in $PORT), not only on 127.0.0.1`
      : `the image exposes no port, so PORT=${found.port} was tried: name the port by EXPOSE in the Dockerfile, or listen on $PORT`,
  });
}
