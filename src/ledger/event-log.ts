/**
 * Events: who changed what, from what to what. They are the commits of the ledgers (decision 55), put in one order: nothing is written
 * beside what was done, so nothing was done that is not here.
 */
import { join } from 'node:path';
import type { HomePaths } from '../config.js';
import { SlipwayError } from '../errors.js';
import type { Git } from '../git/git.js';
import { type ValueChange, valueChanges } from './event-documents.js';
import { type LedgerCommit, newestChange, readHistory } from './history.js';
import { accessPath } from './people-documents.js';

export interface LedgerEvent {
  /** Also the place in the order, to go on from. */
  readonly id: string;
  readonly at: string;
  readonly who: string;
  /** Absent: it is of the platform. */
  readonly app?: string;
  /** `v14: deploy 3fa9c1d: Fix the cart` */
  readonly did: string;
  readonly changes: readonly ValueChange[];
}

/** Whose events: of these apps, and of the platform all or what concerns these apps. */
export interface EventScope {
  readonly apps: readonly string[];
  readonly platform: boolean;
}

export interface EventPage {
  readonly events: readonly LedgerEvent[];
  /** The id to go on before; absent at the beginning of all. */
  readonly next?: string;
}

interface Source {
  /** `platform`, or the app. No app is called like that. */
  readonly ledger: string;
  readonly gitDir: string;
  readonly paths?: readonly string[];
}

interface Place {
  readonly atSeconds: number;
  readonly ledger: string;
  readonly oid: string;
}

type Found = Place & Omit<LedgerCommit, 'oid' | 'atSeconds'>;

const PLATFORM = 'platform';
/** Ledgers that are read at the same time: each is a git. */
const AT_ONCE = 8;
/** More changes in one second than one ledger sees. */
const IN_A_SECOND = 200;
const NEWER_LIMIT = 500;

export class EventLog {
  readonly #git: Git;
  readonly #paths: Pick<HomePaths, 'appRepositories' | 'platformRepository'>;

  constructor(git: Git, paths: Pick<HomePaths, 'appRepositories' | 'platformRepository'>) {
    this.#git = git;
    this.#paths = paths;
  }

  /** The newest first. Throws `bad_request` for what is no id. */
  async before(scope: EventScope, limit: number, id?: string): Promise<EventPage> {
    const place = id === undefined ? undefined : parseId(id);
    const found = await this.#newest(this.#sources(scope), limit + 1, async (source) =>
      this.#read(source, {
        limit: limit + 1 + (place === undefined ? 0 : IN_A_SECOND),
        ...(place === undefined ? {} : { until: place.atSeconds }),
      }).then((commits) => (place === undefined ? commits : olderThan(commits, place))),
    );
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return {
      events: page.map(eventOf),
      ...(found.length > limit && last !== undefined ? { next: idOf(last) } : {}),
    };
  }

  /** What came since, the oldest first, and once more what came in the same second: a ledger that was slower may be among it. */
  async after(scope: EventScope, id: string): Promise<readonly LedgerEvent[]> {
    const { atSeconds } = parseId(id);
    const range = { limit: NEWER_LIMIT, since: atSeconds - 1 };
    const found = await this.#newest(
      this.#sources(scope),
      NEWER_LIMIT,
      (source) => this.#read(source, range),
      atSeconds,
    );
    return found
      .filter((each) => each.atSeconds >= atSeconds && idOf(each) !== id)
      .reverse()
      .map(eventOf);
  }

  /** Reads the ledgers that changed last first, and no more than may hold one of the newest. */
  async #newest(
    sources: readonly Source[],
    limit: number,
    read: (source: Source) => Promise<Found[]>,
    since = 0,
  ): Promise<Found[]> {
    const heads = await inTurns(sources, async (source) => ({
      source,
      at: (await newestChange(this.#git, source.gitDir)) ?? -1,
    }));
    const waiting = heads.filter(({ at }) => at >= since).sort((a, b) => b.at - a.at);
    let found: Found[] = [];
    while (waiting.length > 0) {
      const bound = found[limit - 1];
      if (bound !== undefined && (waiting[0]?.at ?? 0) < bound.atSeconds) break;
      const batch = waiting.splice(0, AT_ONCE).map(({ source }) => read(source));
      found = [...found, ...(await Promise.all(batch)).flat()].sort(newestFirst);
    }
    return found.slice(0, limit);
  }

  async #read(
    { ledger, gitDir, paths }: Source,
    range: { readonly limit: number; readonly until?: number; readonly since?: number },
  ): Promise<Found[]> {
    const commits = await readHistory(this.#git, gitDir, {
      ...range,
      ...(paths === undefined ? {} : { paths }),
    });
    return commits.map((commit) => ({ ...commit, ledger }));
  }

  #sources({ apps, platform }: EventScope): Source[] {
    const gitDir = this.#paths.platformRepository;
    const ofApps = apps.map((app) => ({
      ledger: app,
      gitDir: join(this.#paths.appRepositories, `${app}.git`),
    }));
    if (platform) return [{ ledger: PLATFORM, gitDir }, ...ofApps];
    return apps.length === 0 ? [] : [{ ledger: PLATFORM, gitDir, paths: apps.map(accessPath) }, ...ofApps];
  }
}

/** At the same second by ledger, and in one ledger as they came. */
function newestFirst(a: Place, b: Place): number {
  return b.atSeconds - a.atSeconds || (a.ledger === b.ledger ? 0 : a.ledger < b.ledger ? -1 : 1);
}

function olderThan(commits: readonly Found[], place: Place): Found[] {
  const at = commits.findIndex(({ ledger, oid }) => ledger === place.ledger && oid === place.oid);
  if (at >= 0) return commits.slice(at + 1);
  return commits.filter((each) => newestFirst(each, place) > 0);
}

function eventOf({ who, message, changes, ...place }: Found): LedgerEvent {
  const app = place.ledger === PLATFORM ? appOf(changes) : place.ledger;
  // Who is said beside it.
  const signature = ` by ${who}`;
  return {
    id: idOf(place),
    at: new Date(place.atSeconds * 1000).toISOString(),
    who,
    ...(app === undefined ? {} : { app }),
    did: message.endsWith(signature) ? message.slice(0, -signature.length) : message,
    changes: changes.flatMap(valueChanges),
  };
}

/** Of the platform's ledger, who may do what with an app is the app's. */
function appOf(changes: Found['changes']): string | undefined {
  const [first, ...more] = changes;
  return more.length === 0 ? /^access\/(.+)\.json$/.exec(first?.path ?? '')?.[1] : undefined;
}

function idOf({ atSeconds, ledger, oid }: Place): string {
  return `${atSeconds}.${ledger}.${oid}`;
}

function parseId(id: string): Place {
  const [, seconds, ledger, oid] = /^(\d{1,12})\.([a-z0-9-]{1,40})\.([0-9a-f]{40,64})$/.exec(id) ?? [];
  if (seconds !== undefined && ledger !== undefined && oid !== undefined)
    return { atSeconds: Number(seconds), ledger, oid };
  throw new SlipwayError('bad_request', `${JSON.stringify(id.slice(0, 60))} is not an event`, {
    hint: 'give the id of one: slipway events --json',
  });
}

async function inTurns<T, R>(all: readonly T[], ask: (one: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (let at = 0; at < all.length; at += AT_ONCE)
    answers.push(...(await Promise.all(all.slice(at, at + AT_ONCE).map(ask))));
  return answers;
}
