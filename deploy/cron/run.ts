/**
 * One run of a cron entry: its command with the image and config of the live release, in a container of its own, until it ends or its
 * time is over. Then what it wrote and how it ended are kept, and the container goes. Every step may be repeated: a deployer that
 * takes over finds the container by its name, on the host that was written down before it was started.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Slots } from '../../src/build/slots.js';
import type { Clock } from '../../src/clock.js';
import { SlipwayError, toSlipwayError } from '../../src/errors.js';
import type { CronEntry } from '../../src/model/cron.js';
import { mountsOfAll, withContents } from '../../src/model/volume.js';
import {
  type CronEnd,
  type CronPlace,
  type CronRun,
  type CronRuns,
  dueOf,
} from '../../src/records/cron-runs.js';
import { whileItAnswers } from '../answering.js';
import { commandEngine, commandSurroundings } from '../commands.js';
import { onHost } from '../everywhere.js';
import { chooseHost, liveRelease, type OneOffParts, refuseMore } from '../one-offs.js';
import { redactor } from '../redact.js';
import type { DockerTarget } from '../targets/docker.js';
import { statusOf } from '../targets/engine.js';
import { logStream } from '../targets/log-stream.js';

export interface CronParts extends OneOffParts {
  readonly runs: CronRuns;
  readonly clock: Clock;
}

/** What was due is begun as long after, by a deployer that was just restarted; later than that it is missed. */
export const LATE_MS = 60_000;
/** For a host that does not answer, and for one that comes back. */
const RETRY_MS = 5000;
/** After its time limit: a run on a host that does not come back is given up. */
const GIVE_UP_MS = 60 * 60_000;
const LOG_LINES = 10_000;
const LOG_CHARS = 1024 * 1024;
const REMOVED = { outcome: 'failed', reason: 'it was stopped and removed' } as const;

/** Also that of its container, for run:list, run:stop and run:logs. */
export function runName({ entry, id }: Pick<CronRun, 'entry' | 'id'>): string {
  return `cron.${entry}.${id}`;
}

export function isLate({ clock }: Pick<CronParts, 'clock'>, run: CronRun): boolean {
  return clock.now() - sinceOf(run) > LATE_MS;
}

interface Begun {
  readonly entry: CronEntry;
  readonly place: CronPlace;
  readonly target: DockerTarget;
  readonly id: string;
  readonly redact: (text: string) => string;
}

export interface CarryOutOptions {
  /** It has not begun, and was not late when it was claimed or taken over. */
  readonly mayBegin: boolean;
  readonly hasBegun: boolean;
  /** At midnight many are due: who waits here for a turn is not late for that. */
  readonly beginnings: Slots;
  readonly signal: AbortSignal;
}

/** To its end, which is written down; when the signal is aborted, to where another one goes on. */
export async function carryOut(
  parts: CronParts,
  run: CronRun,
  { mayBegin, hasBegun: wasBegun, beginnings, signal }: CarryOutOptions,
): Promise<void> {
  const { app, entry } = run;
  let failure: SlipwayError | undefined;
  let beginBefore: number | undefined;
  let hasBegun = wasBegun;
  for (;;) {
    try {
      const begun = await beginnings.take(async () => {
        beginBefore ??= mayBegin ? parts.clock.now() + LATE_MS : 0;
        return beginRun(parts, run, beginBefore, signal);
      });
      if (begun === undefined) {
        if (hasBegun) await endRun(parts, run, REMOVED);
        else await endMissed(parts, run, failure);
        return;
      }
      // From now on it is never begun again.
      hasBegun = true;
      beginBefore = 0;
      await seeToItsEnd(parts, run, begun, signal);
      return;
    } catch (thrown) {
      if (signal.aborted) return;
      failure = toSlipwayError(thrown);
      const { code, message } = failure;
      const isPassing = code === 'engine_unavailable' || failure.temporary;
      if (!isPassing || (await isGivenUp(parts, run))) {
        parts.log.warn({ app, cron: entry, code, err: message }, 'a cron run has no good end');
        const outcome = isPassing || code === 'not_found' ? 'lost' : 'failed';
        await endRun(parts, run, { outcome, reason: message });
        return;
      }
    }
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
  }
}

/** Starts it, or finds it as another deployer has started it. Undefined: it has not begun, and it is too late for that. */
export async function beginRun(
  parts: CronParts,
  run: CronRun,
  beginBefore: number,
  signal: AbortSignal,
): Promise<Begun | undefined> {
  const { ledger, hosts, runs, config, log, clock } = parts;
  const { app } = run;
  const isTooLate = (): boolean => clock.now() > beginBefore;
  const known = (await runs.get(app, run.entry, run.id))?.place;
  if (known === undefined && isTooLate()) return undefined;
  const place = known ?? (await choosePlace(parts, run, signal));
  const { releases, volumes } = await ledger.read(app);
  const release = releases.find(({ number }) => number === place.release);
  const entry = release?.cron?.find(({ name }) => name === run.entry);
  if (release === undefined || entry === undefined)
    throw new SlipwayError('not_found', `v${place.release} of ${app} has no cron entry ${run.entry}`);
  const host = await hosts.get(place.host);
  const target = commandEngine(host);
  const vars = ledger.revealConfig(app, release.config);
  const begun = { entry, place, target, redact: redactor(vars) };
  const name = runName(run);
  return whileItAnswers(target, signal, async (until) => {
    const there = (await target.listOneOffs(app, { signal: until })).find((one) => one.name === name);
    if (there !== undefined) {
      if (there.state === 'created') await target.restart(there.id, { signal: until });
      return { ...begun, id: there.id };
    }
    if (isTooLate()) return undefined;
    await refuseMore(parts, app, release);
    await target.pull(release.image, { signal: until });
    const { number, image } = release;
    const by = run.claim.who ?? 'cron';
    const surroundings = await commandSurroundings(host, app, vars, { signal: until });
    const spec = {
      app,
      release: number,
      name,
      image,
      command: entry.command,
      hasTerminal: false,
      mounts: withContents(volumes, app, mountsOfAll(release.processes)),
      by,
      isLookedFor: true,
    };
    const { id } = await target.startOneOff({ ...spec, ...surroundings }, { signal: until });
    log.info({ app, run: name, host: place.host, limitMs: timeoutOf(config, entry) }, 'a cron run begins');
    return { ...begun, id };
  }).catch((error: unknown) => {
    throw onHost(place.host, error);
  });
}

/** Written down before anything is started, so that whoever comes later looks there, and nowhere else. */
async function choosePlace(parts: CronParts, run: CronRun, signal: AbortSignal): Promise<CronPlace> {
  const release = await liveRelease(parts, run.app);
  const host = await chooseHost(parts, run.app, release, signal);
  return parts.runs.place(run, { host: host.name, release: release.number, at: parts.clock.now() });
}

async function seeToItsEnd(
  parts: CronParts,
  run: CronRun,
  { entry, place, target, id, redact }: Begun,
  signal: AbortSignal,
): Promise<void> {
  const { config, clock } = parts;
  const limitMs = timeoutOf(config, entry);
  const restMs = Math.max(1, place.at + limitMs - clock.now());
  const late = AbortSignal.timeout(restMs);
  const end = await whileItAnswers(target, signal, async (until): Promise<Omit<CronEnd, 'at'>> => {
    try {
      const { exitCode, outOfMemory } = await target.wait(id, {
        signal: AbortSignal.any([until, late]),
        timeoutMs: restMs + RETRY_MS,
      });
      if (exitCode === 0) return { outcome: 'ok', exitCode };
      return { outcome: 'failed', exitCode, ...(outOfMemory ? { reason: 'out of memory' } : {}) };
    } catch (error) {
      until.throwIfAborted();
      if (statusOf(error) === 404) return REMOVED;
      if (!late.aborted) throw error;
      await target.halt(id, config.limits.stopGraceMs, { signal: until });
      return { outcome: 'timeout', reason: `it took longer than ${limitMs / 1000} s` };
    }
  });
  const text = await whileItAnswers(target, signal, (until) => outputOf(target, id, until)).catch(
    (error: unknown) => {
      // Somebody is just removing it, or has.
      if (statusOf(error) === 404 || statusOf(error) === 409) return undefined;
      throw error;
    },
  );
  await endRun(parts, run, end, text === undefined ? undefined : redact(text));
  // What cannot be removed now, the reconciler finds.
  await target.remove(id).catch(() => undefined);
}

/** The last of what it wrote. */
async function outputOf({ engine }: DockerTarget, id: string, signal: AbortSignal): Promise<string> {
  const stream = await logStream(engine, id, { lines: LOG_LINES, follow: false, signal });
  const text = Buffer.concat(await stream.toArray()).toString('utf8');
  return text.length <= LOG_CHARS ? text : text.slice(text.indexOf('\n', text.length - LOG_CHARS) + 1);
}

async function endMissed(parts: CronParts, run: CronRun, failure: SlipwayError | undefined): Promise<void> {
  const reason = failure?.message ?? 'no deployer was there to begin it';
  parts.log.warn({ app: run.app, cron: run.entry, reason }, 'a cron run was missed');
  await endRun(parts, run, { outcome: 'missed', reason });
}

export async function endRun(
  { runs, clock, log }: Pick<CronParts, 'runs' | 'clock' | 'log'>,
  run: CronRun,
  end: Omit<CronEnd, 'at'>,
  text?: string,
): Promise<void> {
  const { app, entry, id } = run;
  await runs.end(run, { ...end, at: clock.now() }, text).catch((thrown: unknown) => {
    // The app was destroyed, and its records with it.
    const { code, message } = toSlipwayError(thrown);
    log.warn(
      { app, cron: entry, run: id, code, err: message },
      'the end of a cron run is written down nowhere',
    );
  });
}

async function isGivenUp(parts: CronParts, run: CronRun): Promise<boolean> {
  const { releases } = await parts.ledger.read(run.app);
  const entry = releases.flatMap(({ cron = [] }) => cron).findLast(({ name }) => name === run.entry);
  const limitMs = entry === undefined ? 0 : timeoutOf(parts.config, entry);
  return parts.clock.now() - sinceOf(run) > limitMs + GIVE_UP_MS;
}

function sinceOf({ id, claim }: CronRun): number {
  return dueOf(id) ?? claim.at;
}

function timeoutOf({ limits }: CronParts['config'], { timeoutMs }: CronEntry): number {
  return timeoutMs ?? limits.cronTimeoutMs;
}
