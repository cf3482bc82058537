/**
 * A check by command, which in a Swarm only the engine of the task's node can run: as the service's own health check, instead of the
 * image's. A task runs when it has passed once; it is replaced when it fails later on (decision 42). Pure.
 */
import { SlipwayError } from '../../src/errors.js';
import { type Check, DEFAULT_TIMEOUT, waitOf } from '../../src/model/check.js';
import type { ServiceHealthcheck } from './documents.js';

/** Between two looks, where the app says nothing. */
const INTERVAL_SECONDS = 3;

/** Undefined when no check is a command. Throws `release_unusable` when there are several: a service has one health check. */
export function serviceHealthcheck(
  process: string,
  checks: readonly Check[] = [],
  usualMs: number,
): ServiceHealthcheck | undefined {
  const [check, other] = checks.filter((one) => 'command' in one);
  if (check === undefined) return undefined;
  if (other !== undefined)
    throw new SlipwayError('release_unusable', `${process} has several checks by command; a Swarm runs one`, {
      hint: 'make one command of them in healthchecks of app.json, and push again',
    });
  const { command, attempts, timeout = DEFAULT_TIMEOUT, initialDelay = 0 } = check;
  const wait = waitOf(check) || INTERVAL_SECONDS;
  return {
    argv: command,
    intervalMs: wait * 1000,
    timeoutMs: timeout * 1000,
    startPeriodMs: initialDelay * 1000,
    // Once more than fits into the usual time: the rollout gives up first, and says why.
    retries: attempts ?? Math.ceil(usualMs / 1000 / wait) + 1,
  };
}
