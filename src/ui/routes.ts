/** Which view an address shows. Pure. */

export const APP_TABS = ['overview', 'releases', 'builds', 'logs', 'metrics', 'config'] as const;
export type AppTab = (typeof APP_TABS)[number];

export type Route =
  | { readonly view: 'apps' | 'hosts' | 'queue' | 'events' | 'keys' | 'nowhere' }
  | { readonly view: 'app'; readonly app: string; readonly tab: AppTab }
  | { readonly view: 'build'; readonly app: string; readonly build: string };

const PLAIN = ['hosts', 'queue', 'events', 'keys'] as const;

export function routeOf(path: string): Route {
  const [first = '', ...rest] = path
    .split('/')
    .filter((part) => part !== '')
    .map(decoded);
  if (first === '' || (first === 'apps' && rest.length === 0)) return { view: 'apps' };
  const plain = PLAIN.find((view) => view === first);
  if (plain !== undefined && rest.length === 0) return { view: plain };
  const [app = '', what = 'overview', build] = rest;
  if (first !== 'apps' || rest.length > 3) return { view: 'nowhere' };
  if (build !== undefined) return what === 'builds' ? { view: 'build', app, build } : { view: 'nowhere' };
  const tab = APP_TABS.find((each) => each === what);
  return tab === undefined ? { view: 'nowhere' } : { view: 'app', app, tab };
}

export function appPath(app: string, tab: AppTab = 'overview'): string {
  const path = `/apps/${encodeURIComponent(app)}`;
  return tab === 'overview' ? path : `${path}/${tab}`;
}

export function buildPath(app: string, build: string): string {
  return `${appPath(app, 'builds')}/${encodeURIComponent(build)}`;
}

/** The path of the API for an app. */
export function apiPath(app: string, rest = ''): string {
  return `/v1/apps/${encodeURIComponent(app)}${rest}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
