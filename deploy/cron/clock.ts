/**
 * Begins what is due. Each minute all apps are looked at: entries of the live release that were due since the last look are claimed in
 * the records, which is how any number of deployers begin a run once; what a deployer that died had claimed is gone on with.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CronStarted } from '../../src/api/cron-views.js';
import { isAlive } from '../../src/build/sandbox/owner.js';
import { Slots } from '../../src/build/slots.js';
import { SlipwayError, toSlipwayError } from '../../src/errors.js';
import type { AppState } from '../../src/ledger/app-documents.js';
import type { CronEntry } from '../../src/model/cron.js';
import { isStopped } from '../../src/model/process.js';
import { dueBetween, heldSince } from '../../src/model/schedule.js';
import { askedRunId, type CronRun, dueRunId } from '../../src/records/cron-runs.js';
import { liveRelease } from '../one-offs.js';
import { withOwnSignal } from '../own-signal.js';
import { beginRun, type CronParts, carryOut, endRun, isLate, LATE_MS, runName } from './run.js';

const MINUTE_MS = 60_000;
/** An engine takes its time for each. */
const BEGINNINGS = 8;
/** What was due longer ago is not even told. */
const LOOK_BACK_MS = 24 * 60 * MINUTE_MS;

export class CronClock {
  readonly #parts: CronParts;
  readonly #stop = new AbortController();
  /** The runs that this process sees to. */
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #beginnings = new Slots(BEGINNINGS);
  #looking: Promise<void> = Promise.resolve();

  constructor(parts: CronParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#looking = this.#lookEachMinute();
  }

  /** Resolves when this process does nothing more; what runs goes on. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#looking;
    await this.idle();
  }

  /** Resolves when all runs that this process sees to have ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  /** Now, whatever the clock says. Throws `not_found`, `conflict`, `no_host`, and what an engine has to say. */
  async runNow(app: string, name: string, who: string): Promise<CronStarted> {
    const { ledger, clock } = this.#parts;
    const release = await liveRelease(this.#parts, app);
    const entry = release.cron?.find((one) => one.name === name);
    if (entry === undefined)
      throw new SlipwayError('not_found', `the live release of ${app} has no cron entry ${name}`, {
        hint: `see: slipway cron -a ${app}`,
      });
    if ((await ledger.read(app)).formation.stopped !== undefined)
      throw new SlipwayError('conflict', `${app} is stopped`, { hint: `slipway ps:start -a ${app}` });
    const run = await this.#claim(app, entry, askedRunId(clock.now()), who);
    const rival = run === undefined ? undefined : await this.#rivalOf(run, entry);
    if (run === undefined || rival !== undefined) {
      const reason = `${name} is still running since ${rival?.id ?? 'now'}`;
      if (run !== undefined) await endRun(this.#parts, run, { outcome: 'skipped', reason });
      throw new SlipwayError('conflict', reason, {
        hint: `wait for its end, or: slipway run:stop ${rival === undefined ? 'NAME' : runName(rival)} -a ${app}`,
      });
    }
    try {
      const begun = await withOwnSignal(this.#stop.signal, (signal) =>
        beginRun(this.#parts, run, clock.now() + LATE_MS, signal),
      );
      if (begun === undefined) throw new SlipwayError('unavailable', 'it could not be begun in time');
      this.#follow(run, true);
      return { entry: name, run: run.id, name: runName(run), host: begun.place.host };
    } catch (thrown) {
      await endRun(this.#parts, run, { outcome: 'failed', reason: toSlipwayError(thrown).message });
      throw thrown;
    }
  }

  /** What is due now, and what others have left. Trouble with one app does not keep the others waiting. */
  async look(): Promise<void> {
    const { ledger, log } = this.#parts;
    for (const app of await ledger.listApps()) {
      if (this.#stop.signal.aborted) return;
      try {
        await this.#takeOver(app);
        await this.#lookAt(app, await ledger.read(app));
      } catch (thrown) {
        const { code, message } = toSlipwayError(thrown);
        log.warn({ app, code, err: code === 'internal' ? thrown : message }, 'looking at cron failed');
      }
    }
  }

  async #lookEachMinute(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.look().catch((error: unknown) =>
        this.#parts.log.warn({ err: toSlipwayError(error).message }, 'looking at cron failed'),
      );
      const pauseMs = MINUTE_MS - (this.#parts.clock.now() % MINUTE_MS);
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #takeOver(app: string): Promise<void> {
    const own = await this.#parts.followed.name();
    for (const run of await this.#parts.runs.open(app)) {
      const { by } = run.claim;
      if (by === own || !(await isAlive(by))) this.#follow(run);
    }
  }

  async #lookAt(app: string, state: AppState): Promise<void> {
    const { releases, live, formation } = state;
    const release = releases.find(({ number }) => number === live);
    if (release?.cron === undefined || formation.stopped !== undefined || isStopped(release)) return;
    for (const entry of release.cron) {
      const now = this.#parts.clock.now();
      const last = (await this.#parts.runs.lastDue(app, entry.name)) ?? 0;
      const since = Math.max(heldSince(releases, release.number, entry), last, now - LOOK_BACK_MS);
      const missed = since < now ? dueBetween(entry, since, now) : [];
      const newest = missed.pop();
      if (newest === undefined) continue;
      if (missed.length > 0) await this.#tellMissed(app, entry, missed);
      await this.#begin(app, entry, newest);
    }
  }

  async #begin(app: string, entry: CronEntry, due: number): Promise<void> {
    const run = await this.#claim(app, entry, dueRunId(due));
    if (run === undefined) return;
    const rival = isLate(this.#parts, run) ? undefined : await this.#rivalOf(run, entry);
    if (rival === undefined) return this.#follow(run);
    this.#parts.log.warn(
      { app, cron: entry.name, since: rival.id },
      'a cron run is skipped: one still goes on',
    );
    await endRun(this.#parts, run, { outcome: 'skipped', reason: `the run ${rival.id} still goes on` });
  }

  /** One record for all of them. */
  async #tellMissed(app: string, entry: CronEntry, times: readonly number[]): Promise<void> {
    const [first = 0, last = first] = [times[0], times.at(-1)];
    const run = await this.#claim(app, entry, dueRunId(last));
    if (run === undefined) return;
    const many = times.length === 1 ? '' : `${times.length} runs since ${new Date(first).toISOString()}: `;
    const reason = `${many}no deployer was there to begin ${times.length === 1 ? 'it' : 'them'}`;
    this.#parts.log.warn({ app, cron: entry.name, reason }, 'cron runs were missed');
    await endRun(this.#parts, run, { outcome: 'missed', reason });
  }

  /** Undefined when somebody else has it. */
  async #claim(app: string, entry: CronEntry, id: string, who?: string): Promise<CronRun | undefined> {
    const { runs, followed, clock } = this.#parts;
    const by = await followed.name();
    const claim = { by, at: clock.now(), ...(who === undefined ? {} : { who }) };
    const isOurs = await runs.claim(app, entry.name, id, claim);
    return isOurs ? { app, entry: entry.name, id, claim } : undefined;
  }

  /** Asked after the claim: of two at once each sees the other, and none runs beside another. */
  async #rivalOf({ app, entry, id }: CronRun, { overlaps }: CronEntry): Promise<CronRun | undefined> {
    if (overlaps) return undefined;
    return (await this.#parts.runs.open(app, entry)).find((other) => other.id !== id);
  }

  #follow(run: CronRun, hasBegun = false): void {
    const key = `${run.app}/${run.entry}/${run.id}`;
    if (this.#underWay.has(key)) return;
    const options = {
      mayBegin: !hasBegun && !isLate(this.#parts, run),
      hasBegun,
      beginnings: this.#beginnings,
    };
    const done = withOwnSignal(this.#stop.signal, (signal) =>
      carryOut(this.#parts, run, { ...options, signal }),
    )
      .catch((error: unknown) => {
        if (this.#stop.signal.aborted) return;
        this.#parts.log.warn(
          { app: run.app, run: run.id, err: error },
          'a cron run was left to the next look',
        );
      })
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, done);
  }
}
