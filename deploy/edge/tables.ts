/**
 * What the edge looks up in files beside its configuration, and in a running HAProxy in tables that are changed without a reload:
 * which backend an app has, which app a domain is of, which certificates there are, who is being maintained. Pure. Keys and values hold no blank and no line
 * end: domains are checked, what people write is base64.
 */
import { isCovered } from '../../src/model/domain.js';
import { berthName, berthOf } from './berths.js';
import type { EdgeApp, EdgeRoute, EdgeState } from './state.js';

/** File names, relative to the configuration. HAProxy knows its tables by them. */
/** An app's own host → the backend that it was given. */
export const APPS = 'apps.map';
export const DOMAINS = 'domains.map';
export const SECURED = 'secured.map';
export const MAINTENANCE = 'maintenance.map';
export const CHALLENGES = 'challenges.map';
/** `hello.example.com/7` → a server: of the numbers from 0 to 99 that requests draw, those that lead to a canary. */
export const CANARIES = 'canaries.map';
export const CERTIFICATES = 'certificates.list';

export type MapName =
  | typeof APPS
  | typeof DOMAINS
  | typeof SECURED
  | typeof MAINTENANCE
  | typeof CHALLENGES
  | typeof CANARIES;
export const MAP_NAMES: readonly MapName[] = [APPS, DOMAINS, SECURED, MAINTENANCE, CHALLENGES, CANARIES];

export type EdgeMap = ReadonlyMap<string, string>;

export interface EdgeTables {
  readonly maps: Readonly<Record<MapName, EdgeMap>>;
  readonly certificates: readonly CertificateEntry[];
}

/** A line of HAProxy's crt-list. */
export interface CertificateEntry {
  readonly file: string;
  /** It is shown for these names only: what else it is made out to may be another app's. */
  readonly names: readonly string[];
}

export function tablesOf(state: EdgeState): EdgeTables {
  const routes = state.routes ?? [];
  const entries = routes.flatMap(certificateEntries);
  const maintained = routes.flatMap(({ host, maintenance }): [string, string][] =>
    maintenance === undefined ? [] : [[host, Buffer.from(maintenance).toString('base64')]],
  );
  return {
    maps: {
      [APPS]: sorted(
        state.apps.flatMap((app): [string, string][] => {
          const berth = berthOf(state, app);
          return berth === undefined ? [] : [[app.host, berthName(berth)]];
        }),
      ),
      [DOMAINS]: sorted(routes.flatMap(({ host, domains }) => domains.map((domain) => [domain, host]))),
      [SECURED]: sorted(entries.flatMap(({ names }) => names.map((name) => [name, '1']))),
      [MAINTENANCE]: sorted(maintained),
      [CHALLENGES]: sorted(Object.entries(state.challenges ?? {})),
      [CANARIES]: sorted(state.apps.flatMap(drawsOf)),
    },
    certificates: entries,
  };
}

/** Its servers take turns, so that each gets as much as the others. */
function drawsOf({ host, share }: EdgeApp): [string, string][] {
  if (share === undefined) return [];
  const { percent, servers } = share;
  return Array.from({ length: percent }, (_, draw): [string, string] => [
    `${host}/${draw}`,
    servers[draw % servers.length]?.name ?? '',
  ]);
}

/** A certificate that covers none of the app's names is not shown to anybody. */
function certificateEntries({ host, domains, certificates }: EdgeRoute): CertificateEntry[] {
  const own = [host, ...domains];
  return certificates.flatMap(({ file, names }) => {
    const covered = own.filter((domain) => isCovered(domain, names)).sort();
    return covered.length === 0 ? [] : [{ file, names: covered }];
  });
}

export function renderMap(map: EdgeMap): string {
  return [...map].map(([key, value]) => `${key} ${value}\n`).join('');
}

export function renderEntry({ file, names }: CertificateEntry): string {
  return [file, ...names].join(' ');
}

export function renderCertificates(entries: readonly CertificateEntry[]): string {
  return entries.map((entry) => `${renderEntry(entry)}\n`).join('');
}

function sorted(pairs: [string, string][]): EdgeMap {
  return new Map(pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
