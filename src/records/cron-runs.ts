/**
 * The runs of an app's cron entries, in `deployments/<app>/.cron/<entry>/`, where they go with the app's other records. Of each run
 * there are files that say one thing each:
 *
 *   <id>.claim   that it is to be, and which process sees to it
 *   <id>.place   on which host, of which release
 *   <id>.end     how it ended
 *   <id>.log     what it wrote
 *
 * Each gets its name as a whole and only once, so whoever writes first holds: of several deployers one has a run, and one that takes
 * over from a killed one cannot take it anywhere else. The id of a run that was due is that time, so no time is claimed twice.
 */
import { randomBytes } from 'node:crypto';
import { link, open, readdir, readFile, rm, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { homePaths } from '../config.js';
import { makeDirectory, syncDirectory } from '../durable.js';
import { isErrno, SlipwayError } from '../errors.js';
import { checkAppName } from '../model/app.js';
import { isCronName } from '../model/cron.js';

export interface CronClaim {
  /** Of the process, as `ownName` has it. */
  readonly by: string;
  readonly at: number;
  /** Who asked for it; absent: the clock. */
  readonly who?: string;
}

export interface CronPlace {
  readonly host: string;
  readonly release: number;
  readonly at: number;
}

/**
 * `missed`: it was due when no deployer was there. `skipped`: an earlier run was still going on. `timeout`: its time limit ended it.
 * `lost`: nobody knows how it ended.
 */
export type CronOutcome = 'ok' | 'failed' | 'timeout' | 'missed' | 'skipped' | 'lost';

export interface CronEnd {
  readonly outcome: CronOutcome;
  readonly at: number;
  readonly exitCode?: number;
  readonly reason?: string;
}

export interface CronRun {
  readonly app: string;
  readonly entry: string;
  readonly id: string;
  readonly claim: CronClaim;
  readonly place?: CronPlace;
  readonly end?: CronEnd;
}

type Fact = 'claim' | 'place' | 'end' | 'log';

/** Of each entry; older ones that have ended are removed. */
const KEPT = 30;
const ID = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})?Z$/;

/** `20261130T060500Z` for a time that is due. */
export function dueRunId(due: number): string {
  return new Date(due).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

/** With milliseconds, for one that somebody asked for: never one that is due. */
export function askedRunId(now: number): string {
  return new Date(now).toISOString().replace(/[-:.]/g, '');
}

export function isRunId(id: string): boolean {
  return ID.test(id);
}

/** When it was due; undefined for one that somebody asked for. */
export function dueOf(id: string): number | undefined {
  const [, year, month, day, hour, minute, second, ms] = ID.exec(id) ?? [];
  return year === undefined || ms !== undefined
    ? undefined
    : Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

export class CronRuns {
  readonly #directory: string;

  constructor(home: string) {
    this.#directory = homePaths(home).deployments;
  }

  /** False when it is claimed already. */
  async claim(app: string, entry: string, id: string, claim: CronClaim): Promise<boolean> {
    const directory = this.#entryDirectory(app, entry);
    await makeDirectory(directory);
    return writeOnce(this.#path(app, entry, id, 'claim'), toText(claim));
  }

  /** The place that holds. */
  async place({ app, entry, id }: CronRun, place: CronPlace): Promise<CronPlace> {
    const path = this.#path(app, entry, id, 'place');
    await writeOnce(path, toText(place));
    return (await readFact<CronPlace>(path)) ?? place;
  }

  /** The end that holds. What it wrote is on disk before. */
  async end({ app, entry, id }: CronRun, end: CronEnd, log?: string): Promise<CronEnd> {
    if (log !== undefined) await writeOnce(this.#path(app, entry, id, 'log'), log);
    const path = this.#path(app, entry, id, 'end');
    await writeOnce(path, toText(end));
    await this.#prune(app, entry);
    return (await readFact<CronEnd>(path)) ?? end;
  }

  /** Undefined when there is none. */
  async get(app: string, entry: string, id: string): Promise<CronRun | undefined> {
    const read = <T>(fact: Fact): Promise<T | undefined> => readFact<T>(this.#path(app, entry, id, fact));
    const claim = await read<CronClaim>('claim');
    if (claim === undefined) return undefined;
    const [place, end] = [await read<CronPlace>('place'), await read<CronEnd>('end')];
    return {
      app,
      entry,
      id,
      claim,
      ...(place === undefined ? {} : { place }),
      ...(end === undefined ? {} : { end }),
    };
  }

  /** Newest first. */
  async list(app: string, entry: string, limit: number = KEPT): Promise<CronRun[]> {
    const ids = (await this.#facts(app, entry)).map(([id]) => id).slice(0, limit);
    const runs = await Promise.all(ids.map((id) => this.get(app, entry, id)));
    return runs.filter((run) => run !== undefined);
  }

  /** Of those that were due the newest, in ms; undefined when there was none. Reads no file. */
  async lastDue(app: string, entry: string): Promise<number | undefined> {
    for (const [id] of await this.#facts(app, entry)) {
      const due = dueOf(id);
      if (due !== undefined) return due;
    }
    return undefined;
  }

  /** Those that have not ended, of one entry or of all. */
  async open(app: string, entry?: string): Promise<CronRun[]> {
    const runs: CronRun[] = [];
    for (const each of entry === undefined ? await this.#entries(app) : [entry]) {
      for (const [id, facts] of await this.#facts(app, each)) {
        const run = facts.has('end') ? undefined : await this.get(app, each, id);
        if (run !== undefined && run.end === undefined) runs.push(run);
      }
    }
    return runs;
  }

  /** Undefined when it wrote nothing, or nothing that was kept. */
  async log(app: string, entry: string, id: string): Promise<string | undefined> {
    return readIfThere(this.#path(app, entry, id, 'log'));
  }

  async #entries(app: string): Promise<string[]> {
    return (await namesIn(join(this.#directory, checkAppName(app), '.cron'))).filter(isCronName);
  }

  /** Ids with what is said of them, the newest first. */
  async #facts(app: string, entry: string): Promise<[string, Set<string>][]> {
    const facts = new Map<string, Set<string>>();
    for (const name of await namesIn(this.#entryDirectory(app, entry))) {
      const [id = '', fact = ''] = name.split('.');
      if (!isRunId(id)) continue;
      const known = facts.get(id) ?? new Set();
      facts.set(id, known.add(fact));
    }
    return [...facts].sort(([a], [b]) => (a < b ? 1 : -1));
  }

  /** The end goes last: while it is there, so is the rest the next time, and a claim without one would be a run that goes on. */
  async #prune(app: string, entry: string): Promise<void> {
    const ended = (await this.#facts(app, entry)).filter(([, facts]) => facts.has('end'));
    for (const [id] of ended.slice(KEPT))
      for (const fact of ['log', 'place', 'claim', 'end'] as const)
        await rm(this.#path(app, entry, id, fact), { force: true });
  }

  #entryDirectory(app: string, entry: string): string {
    if (!isCronName(entry)) throw new SlipwayError('not_found', `${app} has no cron entry of that name`);
    return join(this.#directory, checkAppName(app), '.cron', entry);
  }

  #path(app: string, entry: string, id: string, fact: Fact): string {
    if (!isRunId(id)) throw new SlipwayError('not_found', `${entry} has no run of that name`);
    return join(this.#entryDirectory(app, entry), `${id}.${fact}`);
  }
}

function toText(fact: CronClaim | CronPlace | CronEnd): string {
  return `${JSON.stringify(fact)}\n`;
}

/** False when there is one already. link(2) gives the name to a file that is on disk as a whole, and to one of several. */
async function writeOnce(path: string, text: string): Promise<boolean> {
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}`);
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
    await link(temporary, path);
  } catch (thrown) {
    if (isErrno(thrown, 'EEXIST')) return false;
    throw thrown;
  } finally {
    await file.close();
    await unlink(temporary);
  }
  await syncDirectory(dirname(path));
  return true;
}

async function readFact<T>(path: string): Promise<T | undefined> {
  const text = await readIfThere(path);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (isErrno(thrown, 'ENOENT')) return undefined;
    throw thrown;
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (thrown) {
    if (isErrno(thrown, 'ENOENT')) return [];
    throw thrown;
  }
}
