/** What the edge should do: which host goes to which servers. Pure values; generations order them. */

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
}

export interface EdgeState {
  /** Counts the changes. Of two states the one with the higher generation holds. */
  readonly generation: number;
  /** By app name. */
  readonly apps: readonly EdgeApp[];
}

export const EMPTY_EDGE: EdgeState = { generation: 0, apps: [] };

export function serversOf(state: EdgeState, app: string): readonly EdgeServer[] {
  return state.apps.find((entry) => entry.app === app)?.servers ?? [];
}

/** The next state, in which the app has just these servers; the same state when it has them already. */
export function withApp(state: EdgeState, wanted: EdgeApp): EdgeState {
  const servers = [...wanted.servers].sort((a, b) => compare(a.name, b.name));
  const next = { ...wanted, servers };
  const now = state.apps.find((entry) => entry.app === wanted.app);
  if (now !== undefined && JSON.stringify(now) === JSON.stringify(next)) return state;
  const others = state.apps.filter((entry) => entry.app !== wanted.app);
  return {
    generation: state.generation + 1,
    apps: [...others, next].sort((a, b) => compare(a.app, b.app)),
  };
}

/** The next state, in which nobody knows the app. */
export function withoutApp(state: EdgeState, app: string): EdgeState {
  const apps = state.apps.filter((entry) => entry.app !== app);
  return apps.length === state.apps.length ? state : { generation: state.generation + 1, apps };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
