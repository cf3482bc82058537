/** Removes what a builder that was killed left on this machine. What a living one uses stays: see owner.ts. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cgroups } from './cgroup.js';
import { runCommand } from './command.js';
import type { Runtime } from './oci-runtime.js';
import { isAlive, ownerOf } from './owner.js';

const NAMESPACES = '/run/netns';

export interface Reaped {
  readonly containers: number;
  readonly namespaces: number;
  readonly processes: number;
  readonly cgroups: number;
  readonly directories: number;
}

/** Each of `directories` holds one directory per sandbox, as `OwnerPaths` lays it out. */
export async function reapLeftovers(
  directories: readonly string[],
  runtime: Runtime,
  cgroups: Cgroups,
): Promise<Reaped> {
  const isDead = deadOwners();
  const left = async (names: readonly string[]): Promise<string[]> => {
    const checked = await Promise.all(names.map(async (name) => ((await isDead(name)) ? [name] : [])));
    return checked.flat();
  };

  let containers = 0;
  const roots: string[] = [];
  for (const directory of directories) {
    const names = await left(await readdir(directory).catch(() => []));
    roots.push(...names.map((name) => ownerPaths(directory, name).root));
  }
  for (const root of roots) {
    const { stateDir } = pathsIn(root);
    for (const container of await readdir(stateDir).catch(() => [])) {
      await runtime.delete({ stateDir, id: container });
      containers++;
    }
  }
  // After `delete`, since it needs them; and also those that the runtime knows nothing of yet.
  const groups = await left(await cgroups.list((name) => ownerOf(name) !== undefined));
  for (const group of groups) await cgroups.remove(group);
  const processes = await killSlirps(isDead);
  const namespaces = await left(await readdir(NAMESPACES).catch(() => []));
  for (const name of namespaces) await runCommand('ip', ['netns', 'delete', name]);
  for (const root of roots) await rm(root, { recursive: true, force: true });
  return {
    containers,
    namespaces: namespaces.length,
    processes,
    cgroups: groups.length,
    directories: roots.length,
  };
}

export interface OwnerPaths {
  readonly root: string;
  /** The runtime's own. */
  readonly stateDir: string;
  readonly bundlesDir: string;
}

/** `name` begins with the owner's. */
export function ownerPaths(directory: string, name: string): OwnerPaths {
  return pathsIn(join(directory, name));
}

function pathsIn(root: string): OwnerPaths {
  return { root, stateDir: join(root, 'state'), bundlesDir: join(root, 'bundles') };
}

/** Whether a name is ours and its owner is gone; each owner is looked up once. */
function deadOwners(): (name: string) => Promise<boolean> {
  const known = new Map<string, Promise<boolean>>();
  return async (name) => {
    const owner = ownerOf(name);
    if (owner === undefined) return false;
    const dead = known.get(owner) ?? isAlive(owner).then((alive) => !alive);
    known.set(owner, dead);
    return dead;
  };
}

/** They end by themselves when their owner does; this is for one that hangs. */
async function killSlirps(isDead: (name: string) => Promise<boolean>): Promise<number> {
  let killed = 0;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (!words[0]?.endsWith('slirp4netns')) continue;
    const namespace = words.find((word) => word.startsWith(`${NAMESPACES}/`));
    if (namespace === undefined || !(await isDead(namespace.slice(NAMESPACES.length + 1)))) continue;
    try {
      process.kill(Number(pid), 'SIGKILL');
      killed++;
    } catch {
      // it ended meanwhile
    }
  }
  return killed;
}
