/**
 * Mount points. A runtime makes those that are missing, and they would end in the layer; so they are made here first,
 * and removed after the step, with the time of the directory they were in as it was before. As with BuildKit, /dev, /proc
 * and /sys stay: an image without them has them after its first RUN.
 */
import { type BigIntStats, lstatSync } from 'node:fs';
import { chmod, mkdir, open, rmdir, unlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno, SlipwayError } from '../../errors.js';
import { InsideView, isAtOrBelow } from './inside-view.js';
import { resolveInRoot, statOrUndefined } from './rootfs.js';

type Kind = 'directory' | 'file';

/** Where a step wants a mount. */
export interface MountTarget {
  /** Absolute, inside. */
  readonly path: string;
  readonly type: Kind;
  /** Of a mount point that is made; 0755 or 0644 unless given. */
  readonly mode?: number;
  /** The mounted directory, when mount points of later mounts may be made in it. */
  readonly directory?: string;
  /** Others use what is mounted, or may write to it now: nothing is mounted in it. */
  readonly isShared?: boolean;
}

/** Paths are absolute and resolved, as seen inside. */
interface Stub {
  readonly path: string;
  readonly kind: Kind;
  readonly inode: bigint;
}

/** A directory that got a stub: its modification time before, and once all stubs were there. */
interface Parent {
  readonly inode: bigint;
  readonly beforeNs: bigint;
  afterNs: bigint;
}

const DIRECTORIES: readonly string[] = ['/dev', '/proc', '/sys'];

export class MountPoints {
  readonly #root: string;
  readonly #stubs: Stub[] = [];
  readonly #parents = new Map<string, Parent>();
  /** Where each of the files leads to inside: /etc/resolv.conf is a link in many images. */
  readonly files: Map<string, string> = new Map();
  /** Where each of the mounts leads to inside, by its place in the list. */
  readonly targets: string[] = [];

  private constructor(root: string) {
    this.#root = root;
  }

  /**
   * Makes what is missing of /dev, /proc, /sys, `files` and `mounts`, which come in this order. Throws `step_failed`
   * for what cannot be a mount point.
   */
  static async make(
    root: string,
    files: readonly string[],
    mounts: readonly MountTarget[] = [],
  ): Promise<MountPoints> {
    const points = new MountPoints(root);
    try {
      for (const path of DIRECTORIES) await points.#ensure(path, 'directory');
      const kept = points.#stubs.length;
      for (const path of files) {
        const resolved = await resolveInRoot(root, path);
        // The runtime mounts a fresh file system over these three first: what is made in it is not in the root.
        if (!DIRECTORIES.some((directory) => resolved.startsWith(`${directory}/`))) {
          await points.#ensure(resolved, 'file');
        }
        points.files.set(path, resolved);
      }
      await points.#ensureTargets(mounts);
      for (const [path, parent] of points.#parents) parent.afterNs = points.#stat(path).mtimeNs;
      points.#stubs.splice(0, kept);
      return points;
    } catch (error) {
      await points.remove();
      throw error;
    }
  }

  /** What was made and is removed again; relative, without a leading `/`. */
  get made(): string[] {
    return this.#stubs.map((stub) => stub.path.slice(1));
  }

  /** Removes what was made, unless the step made something else of it: then it is the step's. */
  async remove(): Promise<void> {
    const times = new Map<string, BigIntStats>();
    for (const [path, parent] of this.#parents) {
      const stat = await this.#statUnlinked(path);
      if (stat?.inode === parent.inode) times.set(path, stat.stat);
    }
    for (const stub of this.#stubs.splice(0).reverse()) await this.#removeStub(stub);
    for (const [path, was] of times) {
      const parent = this.#parents.get(path);
      if (parent === undefined || (await this.#statUnlinked(path)) === undefined) continue;
      const mtimeNs = was.mtimeNs === parent.afterNs ? parent.beforeNs : was.mtimeNs;
      await utimes(join(this.#root, path), seconds(was.atimeNs), seconds(mtimeNs));
    }
    this.#parents.clear();
  }

  async #ensureTargets(mounts: readonly MountTarget[]): Promise<void> {
    const view = new InsideView(this.#root);
    for (const directory of DIRECTORIES) view.mount(directory);
    const shared = new Set<string>();
    for (const { path, type, mode, directory, isShared = false } of mounts) {
      const target = await view.resolve(path);
      checkTarget(path, target);
      const place = view.place(target);
      if (place.path !== '/' && shared.has(place.at)) throw insideShared(path, place.at);
      if (place.directory === this.#root) await this.#ensure(target, type, mode);
      else if (place.directory !== undefined) await makeIn(place.directory, place.path, type);
      view.mount(target, directory);
      if (isShared) shared.add(target);
      else shared.delete(target);
      this.targets.push(target);
    }
  }

  async #removeStub(stub: Stub): Promise<void> {
    const found = await this.#statUnlinked(stub.path);
    if (found === undefined || found.inode !== stub.inode) return;
    const host = join(this.#root, stub.path);
    try {
      if (stub.kind === 'directory') await rmdir(host);
      else if (found.stat.isFile() && found.stat.size === 0n) await unlink(host);
    } catch (error) {
      if (!isErrno(error, 'ENOTEMPTY')) throw error;
    }
  }

  async #ensure(path: string, kind: Kind, mode?: number): Promise<void> {
    const stat = await statOrUndefined(join(this.#root, path));
    if (stat !== undefined) {
      if (kind === 'file' ? stat.isFile() : stat.isDirectory()) return;
      throw new SlipwayError('step_failed', `${path} in the image is not a ${kind}`, {
        where: path,
        hint: `something is mounted there while the step runs, which needs a ${kind}; change what the base image or an earlier step made of it`,
      });
    }
    const directory = dirname(path);
    await this.#ensure(directory, 'directory');
    const before = this.#stat(directory);
    const host = join(this.#root, path);
    await makePoint(host, kind);
    if (mode !== undefined) await chmod(host, mode);
    this.#stubs.push({ path, kind, inode: this.#stat(path).ino });
    if (!this.#parents.has(directory)) {
      this.#parents.set(directory, { inode: before.ino, beforeNs: before.mtimeNs, afterNs: before.mtimeNs });
    }
  }

  #stat(path: string): BigIntStats {
    return lstatSync(join(this.#root, path), { bigint: true });
  }

  /** undefined when the path is gone, or is reached through a link by now: that might lead to the host. */
  async #statUnlinked(path: string): Promise<{ inode: bigint; stat: BigIntStats } | undefined> {
    if ((await resolveInRoot(this.#root, path)) !== path) return undefined;
    try {
      const stat = this.#stat(path);
      return { inode: stat.ino, stat };
    } catch (error) {
      if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
      throw error;
    }
  }
}

/** What the runtime makes in /dev itself, and trusts: /dev/null is what hides parts of /proc. */
const DEVICES =
  /^\/dev\/(null|zero|full|random|urandom|tty|console|ptmx|fd|stdin|stdout|stderr|core|pts)(\/|$)/;

/** The kernel's file systems stay what they are; in /dev a step may have mounts, such as /dev/shm. */
function checkTarget(path: string, target: string): void {
  const taken = ['/proc', '/sys'].find((directory) => isAtOrBelow(target, directory));
  if (taken === undefined && target !== '/' && target !== '/dev' && !DEVICES.test(target)) return;
  const leads = target === path ? '' : `, which leads to ${target}`;
  throw new SlipwayError('step_failed', `nothing can be mounted at ${path}${leads}`, {
    where: '--mount',
    hint: 'choose a target outside of /proc and /sys, and neither / nor /dev nor a device in it',
  });
}

/** Links in it may lead anywhere, and be changed until the runtime follows them: to /dev, and so out of the sandbox. */
function insideShared(path: string, mounted: string): SlipwayError {
  return new SlipwayError('step_failed', `${path} leads into what is mounted at ${mounted}`, {
    where: '--mount',
    hint: `write the target as it is without symbolic links, below ${mounted}`,
  });
}

/** A mount point in a directory that is this step's own, and so needs no removing. */
async function makeIn(root: string, path: string, kind: Kind): Promise<void> {
  const host = join(root, path);
  if ((await statOrUndefined(host)) !== undefined) return;
  await mkdir(dirname(host), { recursive: true, mode: 0o755 });
  await makePoint(host, kind);
}

async function makePoint(host: string, kind: Kind): Promise<void> {
  if (kind === 'directory') await mkdir(host, { mode: 0o755 });
  else await (await open(host, 'wx', 0o644)).close();
}

/** utimes(2) by way of a double: microseconds, rounded down, so that a second never becomes the next. */
function seconds(ns: bigint): number {
  return Number(ns / 1000n) / 1e6;
}
