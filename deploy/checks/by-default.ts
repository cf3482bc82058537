/**
 * What is looked at when an app says nothing. In this order: the HEALTHCHECK of its image; for a web process an HTTP answer below 500 on
 * its port, or a port that takes connections and has never spoken HTTP; for others that it lives.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SlipwayError } from '../../src/errors.js';
import { DEFAULT_SUCCESSES } from '../../src/model/check.js';
import { WEB_TYPE } from '../../src/model/process.js';
import { probe } from '../probe.js';
import type { Inspection } from '../targets/container.js';
import { addressOf, type Checked } from './checked.js';
import { lookByCommand } from './command.js';
import { imageCheckFailed } from './failures.js';
import { COMMAND_PAUSES, lookInARow, REQUEST_PAUSES } from './in-a-row.js';

/** How long a container must have lived before a port without HTTP, or no port at all, counts as healthy. */
const SETTLED_MS = 5000;
const LONGEST_START_PERIOD_MS = 10 * 60_000;

/** Resolves with how it was seen to be healthy. Throws `unhealthy`. */
export async function passByDefault(checked: Checked): Promise<string> {
  const { container, found, signal } = checked;
  if (found.health?.status === 'healthy') return 'HEALTHCHECK passed';
  if (found.healthcheck !== undefined) return passHealthcheck(checked, found.healthcheck);
  if (container.instance.process === WEB_TYPE) return passPort(checked);
  return sleep(SETTLED_MS, `${container.instance.process} runs`, { signal });
}

async function passPort(checked: Checked): Promise<string> {
  const { found, host, timeoutMs: allowedMs, signal } = checked;
  const startedAt = performance.now();
  const endsAt = startedAt + allowedMs;
  const settled = (): boolean => performance.now() - startedAt >= SETTLED_MS;
  const { afterPassMs, firstMs, longestMs } = REQUEST_PAUSES;
  let last = `nothing listens on port ${found.port}`;
  let speaksHttp = false;
  let passes = 0;
  for (let pauseMs = firstMs; performance.now() < endsAt; pauseMs = Math.min(pauseMs * 1.5, longestMs)) {
    const address = await addressOf(checked);
    if (address !== undefined) {
      const timeoutMs = Math.max(1, Math.min(allowedMs / 3, endsAt - performance.now()));
      const seen = await probe(address, { host, timeoutMs, signal });
      signal.throwIfAborted();
      passes = seen.kind === 'answered' && seen.status < 500 ? passes + 1 : 0;
      if (seen.kind === 'answered') {
        speaksHttp = true;
        if (passes === DEFAULT_SUCCESSES) return `GET / answered ${seen.status}`;
        last = `GET / on port ${found.port} answers ${seen.status}`;
      }
      if (seen.kind === 'unreachable') last = `nothing listens on port ${found.port} (${seen.why})`;
      if (speaksHttp && seen.kind === 'closed')
        last = `port ${found.port} answered HTTP, but does not answer any more`;
      if (!speaksHttp && speaksTcp(checked, seen.kind)) {
        if (settled()) return `port ${found.port} takes connections`;
        last = `port ${found.port} takes connections, but does not answer`;
      }
    }
    await sleep(passes > 0 ? afterPassMs : pauseMs, undefined, { signal });
  }
  throw unhealthyPort(checked, last);
}

/** A published port is first taken by the engine's proxy, whoever listens behind it: only an answer proves something. */
function speaksTcp({ target }: Checked, kind: string): boolean {
  if (kind === 'other-protocol') return true;
  return !target.publishes && (kind === 'closed' || kind === 'silent');
}

/**
 * Runs the image's own check ourselves, since the engine runs it first after a whole interval (30 s when the
 * Dockerfile says nothing).
 */
async function passHealthcheck(
  checked: Checked,
  { argv, timeoutMs, startPeriodMs }: NonNullable<Inspection['healthcheck']>,
): Promise<string> {
  const allowedMs = checked.timeoutMs + Math.min(startPeriodMs, LONGEST_START_PERIOD_MS);
  const { isGood, what } = await lookInARow(
    {
      successes: DEFAULT_SUCCESSES,
      timeoutMs,
      pauses: COMMAND_PAUSES,
      endsAt: performance.now() + allowedMs,
      signal: checked.signal,
    },
    (leftMs) => lookByCommand(checked, argv, leftMs),
  );
  if (isGood) return 'HEALTHCHECK passed';
  throw imageCheckFailed(`did not pass within ${allowedMs / 1000} s`, what);
}

function unhealthyPort({ found, timeoutMs }: Checked, last: string): SlipwayError {
  return new SlipwayError('unhealthy', `${last}, after ${timeoutMs / 1000} s`, {
    hint: found.portIsExposed
      ? `the app must listen on 0.0.0.0:${found.port} (it is in $PORT), not only on 127.0.0.1`
      : `the image exposes no port, so PORT=${found.port} was tried: name the port by EXPOSE in the Dockerfile, or listen on $PORT`,
  });
}
