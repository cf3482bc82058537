/**
 * Backends of HAProxy that are made ahead, since a running HAProxy takes no new ones: an app that is new to the edge is given one by a
 * line in a table, without a reload. None is given to a second app, whose counters would be the first one's too; those that are used up
 * go with the next reload. Pure. See decision 50.
 */
import type { EdgeApp, EdgeState } from './state.js';

export interface Berth {
  /** Never that of another one, in the life of this edge. */
  readonly number: number;
  /** The host that it was given to. */
  readonly host?: string;
}

/** How many wait after a reload, and how few may wait before the next one. */
const SPARE = 32;
const FEW = 8;

/** In capitals, as all backends are called. */
export function berthName({ number }: Berth): string {
  return `APP_${number}`;
}

/** Those that the host was given, the newest last. */
export function berthsOf({ berths = [] }: Pick<EdgeState, 'berths'>, host: string): readonly Berth[] {
  return berths.filter((berth) => berth.host === host);
}

/** The one where requests to an app's host go. */
export function berthOf(state: Pick<EdgeState, 'berths'>, { host }: EdgeApp): Berth | undefined {
  return berthsOf(state, host).at(-1);
}

/** The app that a berth serves now. */
export function appIn(state: EdgeState, berth: Berth): EdgeApp | undefined {
  const app = state.apps.find(({ host }) => host === berth.host);
  return app !== undefined && berthOf(state, app)?.number === berth.number ? app : undefined;
}

/** `next` with a berth for each of its apps; the same when they have one. An app that comes again gets another one. */
export function withBerths(now: EdgeState, next: EdgeState): EdgeState {
  const known = new Set(now.apps.map(({ host }) => host));
  const homeless = next.apps.filter((app) => !known.has(app.host) || berthOf(next, app) === undefined);
  if (homeless.length === 0) return next;
  const free = (next.berths ?? []).filter(({ host }) => host === undefined);
  const stocked = free.length >= homeless.length ? next : stock(next, homeless);
  const given = new Map(
    (stocked.berths ?? [])
      .filter(({ host }) => host === undefined)
      .slice(0, homeless.length)
      .map(({ number }, index) => [number, homeless[index]?.host]),
  );
  const berths = (stocked.berths ?? []).map((berth): Berth => {
    const host = given.get(berth.number);
    return host === undefined ? berth : { ...berth, host };
  });
  return { ...stocked, generation: now.generation + 1, berths };
}

/** The next state, with enough that wait; the same when few enough were taken. */
export function withSpareBerths(state: EdgeState): EdgeState {
  const free = (state.berths ?? []).filter(({ host }) => host === undefined);
  if (free.length >= FEW) return state;
  return { ...stock(state, []), generation: state.generation + 1 };
}

/** A reload is needed for new ones, and with it the counters begin anew: what was used up need not be kept. */
function stock(state: EdgeState, homeless: readonly EdgeApp[]): EdgeState {
  const { berths = [] } = state;
  const newcomers = new Set(homeless.map(({ host }) => host));
  const kept = berths.filter((berth) => {
    const app = appIn(state, berth);
    return berth.host === undefined || (app !== undefined && !newcomers.has(app.host));
  });
  const last = Math.max(0, ...berths.map(({ number }) => number));
  const waiting = kept.filter(({ host }) => host === undefined).length;
  const count = Math.max(0, SPARE + homeless.length - waiting);
  return {
    ...state,
    berths: [...kept, ...Array.from({ length: count }, (_, index) => ({ number: last + 1 + index }))],
  };
}
