/** The cgroups of steps: where they are, what happened in them, and removing one whose container is gone. */
import { access, readdir, readFile, rmdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../clock.js';
import { isErrno, SlipwayError } from '../../errors.js';

export const MOUNT = '/sys/fs/cgroup';
/** linux/magic.h CGROUP2_SUPER_MAGIC */
export const CGROUP2_MAGIC = 0x63677270;

export interface CgroupEvents {
  readonly oomKills: number;
  readonly forksRefused: number;
}

export class Cgroups {
  readonly unified: boolean;
  /** One directory per hierarchy. */
  readonly #roots: readonly string[];

  private constructor(unified: boolean, roots: readonly string[]) {
    this.unified = unified;
    this.#roots = roots;
  }

  /** Throws `unavailable` where cgroups are not mounted: then nothing could be limited. */
  static async find(): Promise<Cgroups> {
    const { type } = await statfs(MOUNT).catch((error: unknown) => {
      throw new SlipwayError(
        'unavailable',
        `cgroups are not mounted at ${MOUNT}, and RUN steps need limits`,
        {
          hint: 'mount cgroup2 there, as every systemd machine does',
          cause: error,
        },
      );
    });
    if (type === CGROUP2_MAGIC) return new Cgroups(true, [MOUNT]);
    const hierarchies = await readdir(MOUNT, { withFileTypes: true });
    // cpuacct, net_cls and others may be links to a hierarchy that is listed under another name too.
    return new Cgroups(
      false,
      hierarchies.filter((entry) => entry.isDirectory()).map((entry) => join(MOUNT, entry.name)),
    );
  }

  /**
   * The path that a step's container is given. With cgroup v2 it is one level down: the counts of the level above stay
   * readable when the runtime has removed the container's own.
   */
  pathOf(container: string): string {
    return this.unified ? `/${container}/step` : `/${container}`;
  }

  async events(container: string): Promise<CgroupEvents> {
    const [memory, pids] = this.unified ? ['', ''] : ['memory', 'pids'];
    const [oomKills, forksRefused] = await Promise.all([
      readCount(
        join(MOUNT, memory, container, this.unified ? 'memory.events' : 'memory.oom_control'),
        'oom_kill',
      ),
      readCount(join(MOUNT, pids, container, 'pids.events'), 'max'),
    ]);
    return { oomKills, forksRefused };
  }

  /** Whether memory and swap can be limited together; on v2 the root has no such file, so a child is asked. */
  async countsSwap(): Promise<boolean> {
    if (!this.unified) return exists(join(MOUNT, 'memory', 'memory.memsw.limit_in_bytes'));
    const own = /^0::(.*)$/m.exec(await readFile('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
    return own === '/' ? exists('/proc/swaps') : exists(join(MOUNT, own, 'memory.swap.max'));
  }

  /** Names of top-level cgroups for which `wanted` holds. */
  async list(wanted: (name: string) => boolean): Promise<string[]> {
    const names = await Promise.all(this.#roots.map((root) => readdir(root).catch(() => [])));
    return [...new Set(names.flat().filter(wanted))];
  }

  /** Kills every process of a container that is in a cgroup for it (v1). False when there is none. */
  async kill(container: string): Promise<boolean> {
    return killAll(join(MOUNT, 'pids', container));
  }

  /**
   * Kills what is in the container's cgroups and removes them. Takes at most about two seconds; then it gives up.
   * `directories`: all there are, if that is known; the usual end is that nothing is in them any more.
   */
  async remove(container: string, directories?: readonly string[]): Promise<void> {
    const removed = directories && (await Promise.allSettled(directories.map((each) => rmdir(each))));
    if (removed?.every(({ status }) => status === 'fulfilled')) return;
    await Promise.all(this.#roots.map((root) => removeTree(join(root, container))));
  }
}

async function removeTree(directory: string): Promise<void> {
  for (let attempt = 0; attempt < 40; attempt++) {
    const entries = await readdir(directory, { withFileTypes: true }).catch(() => undefined);
    if (entries === undefined) return;
    for (const entry of entries) if (entry.isDirectory()) await removeTree(join(directory, entry.name));
    try {
      await rmdir(directory);
      return;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return;
    }
    // Busy: somebody lives in it still, or is dying.
    await killAll(directory);
    await sleep(50);
  }
}

async function killAll(directory: string): Promise<boolean> {
  const processes = await readFile(join(directory, 'cgroup.procs'), 'utf8').catch(() => '');
  const pids = processes.split('\n').filter((line) => line !== '' && line !== '0');
  for (const pid of pids) kill(Number(pid));
  return pids.length > 0;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it ended between the look and the kill
  }
}

/** The number after `key` in a file of `key value` lines; 0 when the file or the key is not there. */
async function readCount(path: string, key: string): Promise<number> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${key} `));
  return Number(line?.slice(key.length + 1) ?? 0);
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
