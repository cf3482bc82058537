/**
 * The cgroups (v1) of steps whose runtime makes none itself. What limits or counts is of one step alone; what is the same for all
 * of them (the devices) and what limits nothing is made once. The runtime itself is started in them and with it the
 * step: see startConfined. The counts are read, and the cgroups of a step removed, by cgroup.ts.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isErrno } from '../../errors.js';
import { MOUNT } from './cgroup.js';
import { CPU_PERIOD_US, DEVICE_RULES, type MachineLimits } from './spec.js';
import type { StepLimits } from './step.js';

export interface Hierarchy {
  readonly directory: string;
  /** Empty for a named one, such as systemd's. */
  readonly controllers: readonly string[];
}

/** What one step is started with. */
export interface StepCgroup {
  readonly directories: readonly string[];
  readonly settings: readonly (readonly [path: string, value: string])[];
  readonly joins: readonly string[];
  /** What it sees of them, read-only: as a runtime would mount it, since languages look for their limits there. */
  readonly mounts: readonly { readonly source: string; readonly destination: string }[];
}

const NEEDED = ['memory', 'pids', 'cpu', 'devices'];
/** Of these each step has its own. */
const OWN = ['memory', 'pids', 'cpu', 'cpuacct'];
/** Other words among the options of a hierarchy: the kernel's cgroup1_show_options, and security modules. */
const NO_CONTROLLERS =
  /^(rw|ro|seclabel|xattr|clone_children|noprefix|cpuset_v2_mode|favordynmods|release_agent=.*)$/;
/** The runtime waits for the step in the step's own cgroup. */
const RUNTIME_PROCESSES = 1;

/** Pure: the hierarchies in a text of /proc/self/mountinfo (proc(5)). */
export function parseHierarchies(mountinfo: string): Hierarchy[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after] = line.split(' - ');
    const [type, , options = ''] = (after ?? '').split(' ');
    const [, , , root, directory = ''] = before.split(' ');
    if (type !== 'cgroup' || root !== '/' || !directory.startsWith(`${MOUNT}/`)) return [];
    const words = options.split(',');
    if (words.some((word) => word.startsWith('name='))) return [{ directory, controllers: [] }];
    return [
      {
        directory,
        controllers: words.filter((word) => !NO_CONTROLLERS.test(word)),
      },
    ];
  });
}

export class StepCgroups {
  readonly #hierarchies: readonly Hierarchy[];
  readonly #shared: string;
  readonly #swap: boolean;

  private constructor(hierarchies: readonly Hierarchy[], shared: string, swap: boolean) {
    this.#hierarchies = hierarchies;
    this.#shared = shared;
    this.#swap = swap;
  }

  /** Undefined where a controller that steps need is not mounted as v1. */
  static async open(owner: string, machine: MachineLimits): Promise<StepCgroups | undefined> {
    const hierarchies = parseHierarchies(await readFile('/proc/self/mountinfo', 'utf8'));
    const found = new Set(hierarchies.flatMap(({ controllers }) => controllers));
    if (!NEEDED.every((controller) => found.has(controller))) return undefined;
    const cgroups = new StepCgroups(hierarchies, `${owner}-steps`, machine.swapAccounting);
    await Promise.all(
      hierarchies.filter((hierarchy) => !isOwn(hierarchy)).map((each) => cgroups.#share(each)),
    );
    return cgroups;
  }

  of(container: string, { memoryBytes, processes, cpuShares, cpus }: StepLimits): StepCgroup {
    const at = (controller: string): string => {
      const hierarchy = this.#hierarchies.find(({ controllers }) => controllers.includes(controller));
      return join(hierarchy?.directory ?? '', container);
    };
    const own = this.#hierarchies.filter(isOwn);
    const memory = String(memoryBytes);
    const settings: [string, string][] = [
      [join(at('memory'), 'memory.limit_in_bytes'), memory],
      [join(at('pids'), 'pids.max'), String(processes + RUNTIME_PROCESSES)],
    ];
    if (this.#swap) settings.push([join(at('memory'), 'memory.memsw.limit_in_bytes'), memory]);
    if (cpuShares !== undefined) settings.push([join(at('cpu'), 'cpu.shares'), String(cpuShares)]);
    if (cpus !== undefined) {
      settings.push([join(at('cpu'), 'cpu.cfs_period_us'), String(CPU_PERIOD_US)]);
      settings.push([join(at('cpu'), 'cpu.cfs_quota_us'), String(Math.round(cpus * CPU_PERIOD_US))]);
    }
    const places = this.#hierarchies.map((hierarchy) => ({
      hierarchy,
      path: join(hierarchy.directory, isOwn(hierarchy) ? container : this.#shared),
    }));
    return {
      directories: own.map(({ directory }) => join(directory, container)),
      settings,
      joins: places.map(({ path }) => join(path, 'tasks')),
      mounts: places.flatMap(({ hierarchy, path }) =>
        namesOf(hierarchy).map((name) => ({ source: path, destination: join(MOUNT, name) })),
      ),
    };
  }

  /** The name of those that all steps share; to be removed when no step runs. */
  get shared(): string {
    return this.#shared;
  }

  async #share({ directory, controllers }: Hierarchy): Promise<void> {
    const path = join(directory, this.#shared);
    await mkdir(path).catch((error) => {
      if (!isErrno(error, 'EEXIST')) throw error;
    });
    if (controllers.includes('devices')) {
      for (const [file, rule] of DEVICE_RULES) await writeFile(join(path, file), rule);
    }
    // A new one has neither processors nor memory, and nobody can join it.
    if (controllers.includes('cpuset')) {
      for (const file of ['cpuset.cpus', 'cpuset.mems'])
        await writeFile(join(path, file), (await readFile(join(directory, file), 'utf8')).trim());
    }
  }
}

function isOwn({ controllers }: Hierarchy): boolean {
  return controllers.some((controller) => OWN.includes(controller));
}

/** `cpu,cpuacct` is also found as `cpu` and as `cpuacct`. */
function namesOf({ directory, controllers }: Hierarchy): string[] {
  return [...new Set([basename(directory), ...controllers])];
}
