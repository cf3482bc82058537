/**
 * Which instance of a release runs on which of its hosts. Pure, and always the same answer for the same release: whoever takes a
 * rollout over, and the reconciler after months, looks for each container where it was started.
 */
import { LOCAL_HOST } from '../src/model/host.js';
import type { Release } from '../src/model/release.js';
import type { Instance } from './names.js';

export interface PlacedInstance extends Instance {
  readonly host: string;
}

/**
 * Dealt like cards, one process type after the other: `web.1` on the first host, `web.2` on the second. The next type goes on
 * where the last one ended, so that not every `.1` is on the first host. No host has more than one instance more than another.
 */
export function placeInstances(release: Pick<Release, 'processes' | 'hosts'>): PlacedInstance[] {
  const { processes, hosts = [] } = release;
  const instances = processes.flatMap(({ type, scale }) =>
    Array.from({ length: scale }, (_, index) => ({ process: type, number: index + 1 })),
  );
  return instances.map((instance, index) => ({
    ...instance,
    host: hosts[index % hosts.length] ?? LOCAL_HOST,
  }));
}

/** The hosts that the release needs: without one of them it cannot be rolled out. The others need not even answer. */
export function hostsOf(release: Pick<Release, 'processes' | 'hosts'>): string[] {
  return [...new Set(placeInstances(release).map(({ host }) => host))].sort();
}
