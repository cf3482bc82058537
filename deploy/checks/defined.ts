/** One check that an app defines in its app.json. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SlipwayError } from '../../src/errors.js';
import {
  allowedSeconds,
  type Check,
  type CommandCheck,
  DEFAULT_SUCCESSES,
  DEFAULT_TIMEOUT,
  type HttpCheck,
  type ListeningCheck,
  nameCheck,
  waitOf,
} from '../../src/model/check.js';
import type { Checked } from './checked.js';
import { lookByCommand } from './command.js';
import { definedCheckFailed } from './failures.js';
import { lookByRequest } from './http.js';
import { COMMAND_PAUSES, lookInARow, type Pauses, REQUEST_PAUSES, type Seen } from './in-a-row.js';
import { lookByConnection } from './listening.js';
import { lacksLine } from './log.js';

/** One of which looks are taken. */
type LookedAt = HttpCheck | ListeningCheck | CommandCheck;

/** Resolves with how it was seen to pass. Throws `unhealthy` with what was seen last. */
export async function passDefined(checked: Checked, check: Check): Promise<string> {
  const { target, timeoutMs, signal } = checked;
  refuseUnreachable(checked, check);
  if ('uptime' in check)
    return sleep(check.uptime * 1000, `${checked.container.instance.process} has lived ${check.uptime} s`, {
      signal,
    });
  if ('log' in check) {
    const allowedMs = check.timeout === undefined ? timeoutMs : check.timeout * 1000;
    const fault = await lacksLine(checked, check, allowedMs);
    if (fault === undefined) return nameCheck(check);
    throw failed(checked, check, `${fault}, after ${allowedMs / 1000} s`);
  }
  // The Swarm itself runs it: a task that runs has passed it (swarm/services.ts).
  if ('command' in check && !target.executes) return `${nameCheck(check)} passed`;
  return passInARow(checked, check);
}

/** One look at whether it still passes; what it has written, and how long it has lived, stays true. */
export async function stillPasses(checked: Checked, check: Check): Promise<boolean> {
  if ('uptime' in check || 'log' in check || ('command' in check && !checked.target.executes)) return true;
  const { isGood } = await lookBy(checked, check)(checked.timeoutMs);
  return isGood;
}

async function passInARow(checked: Checked, check: Check & LookedAt): Promise<string> {
  const { timeoutMs, signal } = checked;
  const { attempts, successes = DEFAULT_SUCCESSES, timeout = DEFAULT_TIMEOUT, initialDelay = 0 } = check;
  const startedAt = performance.now();
  await sleep(initialDelay * 1000, undefined, { signal });
  const { isGood, what, looks, passes } = await lookInARow(
    {
      successes,
      ...(attempts === undefined ? {} : { attempts }),
      timeoutMs: timeout * 1000,
      pauses: pausesOf(check),
      endsAt: startedAt + allowedSeconds(check, timeoutMs / 1000) * 1000,
      signal,
    },
    lookBy(checked, check),
  );
  if (isGood) return 'path' in check ? `${nameCheck(check)} ${what}` : `${nameCheck(check)} passed`;
  const often = passes === 0 ? '' : `, ${passes} of them good but never ${successes} in a row`;
  const tookMs = Math.round(performance.now() - startedAt);
  throw failed(checked, check, `${what}; ${looks} looks in ${(tookMs / 1000).toFixed(1)} s${often}`);
}

function lookBy(checked: Checked, check: LookedAt): (timeoutMs: number) => Promise<Seen> {
  return (timeoutMs) => {
    if ('path' in check) return lookByRequest(checked, check, timeoutMs);
    if ('listening' in check) return lookByConnection(checked, check, timeoutMs);
    return lookByCommand(checked, check.command, timeoutMs);
  };
}

function pausesOf(check: LookedAt): Pauses {
  const usual = 'command' in check ? COMMAND_PAUSES : REQUEST_PAUSES;
  const waitMs = (waitOf(check) ?? 0) * 1000;
  if (check.wait !== undefined) return { afterPassMs: waitMs, firstMs: waitMs, longestMs: waitMs };
  return check.attempts === undefined ? usual : { ...usual, firstMs: waitMs, longestMs: waitMs };
}

/** On another machine only the published port of a container is reached, and in a Swarm only that of a web process. */
function refuseUnreachable(checked: Checked, check: Check): void {
  const { target, container, found } = checked;
  if (!target.publishes || !('path' in check || 'listening' in check)) return;
  const hint = 'leave the port out, or look from the inside: command, log';
  if (check.port !== undefined && check.port !== found.port)
    throw failed(checked, check, `on ${target.host} only port ${found.port} of a container is reached`, hint);
  if (!target.executes && container.address === undefined)
    throw failed(checked, check, `in the Swarm ${target.host} only web is reached`, hint);
}

function failed({ container }: Checked, check: Check, last: string, hint?: string): SlipwayError {
  const { process, number } = container.instance;
  const name = check.name === undefined ? '' : `${JSON.stringify(check.name)} (`;
  const what = `${name}${nameCheck(check)}${name === '' ? '' : ')'}`;
  return definedCheckFailed(`${what} of ${process}.${number}`, last, hint);
}
