/** How an app is, in one word, from what the list of all apps says. Pure. */
import type { AppGlance } from '../api/overview.js';

export const HEALTHS = ['failed', 'down', 'deploying', 'up', 'stopped', 'empty'] as const;
export type Health = (typeof HEALTHS)[number];

/** In the order in which somebody should look at them. */
export const HEALTH_WORDS: Readonly<Record<Health, string>> = {
  failed: 'deploy failed',
  down: 'not all running',
  deploying: 'deploying',
  up: 'up',
  stopped: 'stopped',
  empty: 'not deployed',
};

export const OPEN_STATES: ReadonlySet<string> = new Set(['accepted', 'building', 'ready', 'releasing']);

export function healthOf({ release, latest, wanted, running, stopped }: AppGlance): Health {
  if (latest !== undefined && OPEN_STATES.has(latest.state)) return 'deploying';
  if (latest?.state === 'failed') return 'failed';
  if (stopped) return 'stopped';
  if (release === undefined) return 'empty';
  return running !== undefined && running < wanted ? 'down' : 'up';
}

export function sortApps(apps: readonly AppGlance[]): AppGlance[] {
  const rank = (app: AppGlance): number => Math.min(HEALTHS.indexOf(healthOf(app)), HEALTHS.indexOf('up'));
  return [...apps].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}

/** Every word must be somewhere in the name, the release or what was deployed. */
export function filterApps(
  apps: readonly AppGlance[],
  text: string,
  healths: ReadonlySet<Health>,
): AppGlance[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  return apps.filter((app) => {
    if (healths.size > 0 && !healths.has(healthOf(app))) return false;
    const where = `${app.name} ${app.release?.version ?? ''} ${app.release?.message ?? ''} ${app.release?.by ?? ''}`;
    return words.every((word) => where.toLowerCase().includes(word));
  });
}
