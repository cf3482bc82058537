/**
 * What the edge should do: which host goes to which servers, and by what other names an app is known. Pure values; generations order
 * them. A rollout owns an app's servers, the app's ledger its route: neither change touches the other's.
 */

import type { Berth } from './berths.js';

export interface EdgeServer {
  /** Unique within its app; see `serverName`. */
  readonly name: string;
  /** An IPv4 address: HAProxy resolves no names for servers that are added while it runs. */
  readonly host: string;
  readonly port: number;
  /** Name of the host that it is on, when that is another machine: whether it can be reached is watched then. */
  readonly machine?: string;
}

export interface EdgeApp {
  readonly app: string;
  /** The host header that it answers to, in lower case. */
  readonly host: string;
  readonly servers: readonly EdgeServer[];
  /** What goes elsewhere for a while. */
  readonly share?: EdgeShare;
}

/** Of a hundred requests so many go to these servers instead: a canary's. */
export interface EdgeShare {
  /** Below 100. */
  readonly percent: number;
  readonly servers: readonly EdgeServer[];
}

/** A certificate whose file the edge has; see `EdgeStateFile`. */
export interface EdgeCertificate {
  /** Relative to the configuration: `certificates/hello-3fa9….pem`. Other content is another file. */
  readonly file: string;
  /** What it is made out to, wildcards among them. */
  readonly names: readonly string[];
}

/** What people have set for an app, beside what runs. */
export interface EdgeRoute {
  readonly app: string;
  /** The app's own host: the name of its backend. */
  readonly host: string;
  /** Other names that it answers to; `*.example.com` is any one label in front of `example.com`. */
  readonly domains: readonly string[];
  readonly certificates: readonly EdgeCertificate[];
  /** What everybody is told instead of an answer of the app. */
  readonly maintenance?: string;
}

export interface EdgeState {
  /** Counts the changes. Of two states the one with the higher generation holds. */
  readonly generation: number;
  /** By app name. */
  readonly apps: readonly EdgeApp[];
  /** HAProxy's backends for apps, by number. A state from before there were any has none. */
  readonly berths?: readonly Berth[];
  /** By app name. Apps for which nothing is set have none. */
  readonly routes?: readonly EdgeRoute[];
  /** ACME's questions under way (RFC 8555, 8.3): token → what is answered. */
  readonly challenges?: Readonly<Record<string, string>>;
}

export const EMPTY_EDGE: EdgeState = { generation: 0, apps: [] };

export function serversOf(state: EdgeState, app: string): readonly EdgeServer[] {
  return state.apps.find((entry) => entry.app === app)?.servers ?? [];
}

/** With those that get only a share. */
export function allServersOf({ servers, share }: EdgeApp): readonly EdgeServer[] {
  return [...servers, ...(share?.servers ?? [])];
}

/** The next state, in which the app has just these servers; the same state when it has them already. */
export function withApp(state: EdgeState, wanted: EdgeApp): EdgeState {
  const byName = (servers: readonly EdgeServer[]): EdgeServer[] =>
    [...servers].sort((a, b) => compare(a.name, b.name));
  const { share, servers, ...entry } = wanted;
  const next: EdgeApp = {
    ...entry,
    servers: byName(servers),
    ...(share === undefined || share.servers.length === 0
      ? {}
      : { share: { percent: share.percent, servers: byName(share.servers) } }),
  };
  const now = state.apps.find((entry) => entry.app === wanted.app);
  if (now !== undefined && JSON.stringify(now) === JSON.stringify(next)) return state;
  const others = state.apps.filter((entry) => entry.app !== wanted.app);
  return {
    ...state,
    generation: state.generation + 1,
    apps: [...others, next].sort((a, b) => compare(a.app, b.app)),
  };
}

/** The next state, in which nobody knows the app. */
export function withoutApp(state: EdgeState, app: string): EdgeState {
  const apps = state.apps.filter((entry) => entry.app !== app);
  return apps.length === state.apps.length ? state : { ...state, generation: state.generation + 1, apps };
}

/** The next state, in which this is set for the app. A domain that another app has already is left out: who comes first keeps it. */
export function withRoute(state: EdgeState, wanted: EdgeRoute): EdgeState {
  const routes = state.routes ?? [];
  const others = routes.filter((route) => route.app !== wanted.app);
  const taken = new Set(others.flatMap(({ domains }) => domains));
  const next = { ...wanted, domains: wanted.domains.filter((domain) => !taken.has(domain)) };
  const now = routes.find((route) => route.app === wanted.app);
  const isEmpty = next.domains.length + next.certificates.length === 0 && next.maintenance === undefined;
  if (isEmpty ? now === undefined : JSON.stringify(now) === JSON.stringify(next)) return state;
  return {
    ...state,
    generation: state.generation + 1,
    routes: [...others, ...(isEmpty ? [] : [next])].sort((a, b) => compare(a.app, b.app)),
  };
}

/** The next state, in which this question is answered, or no more when there is no answer. */
export function withChallenge(state: EdgeState, token: string, answer: string | undefined): EdgeState {
  const { [token]: now, ...others } = state.challenges ?? {};
  if (now === answer) return state;
  return {
    ...state,
    generation: state.generation + 1,
    challenges: answer === undefined ? others : { ...others, [token]: answer },
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
