/**
 * Mount points. A runtime makes those that are missing, and they would end in the layer; so they are made here first,
 * and removed after the step, with the time of the directory they were in as it was before.
 */
import type { BigIntStats } from 'node:fs';
import { lstat, mkdir, rmdir, unlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno, SlipwayError } from '../../errors.js';
import { resolveInRoot, statOrUndefined } from './rootfs.js';

type Kind = 'directory' | 'file';

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

  private constructor(root: string) {
    this.#root = root;
  }

  /** Makes what is missing of /dev, /proc, /sys and `files`. Throws `step_failed` for what cannot be a mount point. */
  static async make(root: string, files: readonly string[]): Promise<MountPoints> {
    const points = new MountPoints(root);
    try {
      for (const path of DIRECTORIES) await points.#ensure(path, 'directory');
      for (const path of files) {
        const resolved = await resolveInRoot(root, path);
        // The runtime mounts a fresh file system over these three first: what is made in it is not in the root.
        if (!DIRECTORIES.some((directory) => resolved.startsWith(`${directory}/`))) {
          await points.#ensure(resolved, 'file');
        }
        points.files.set(path, resolved);
      }
      for (const [path, parent] of points.#parents) parent.afterNs = (await points.#stat(path)).mtimeNs;
      return points;
    } catch (error) {
      await points.remove();
      throw error;
    }
  }

  /** What was made; relative, without a leading `/`. */
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

  async #ensure(path: string, kind: Kind): Promise<void> {
    const stat = await statOrUndefined(join(this.#root, path));
    if (stat !== undefined) {
      if (kind === 'file' ? stat.isFile() : stat.isDirectory()) return;
      throw new SlipwayError('step_failed', `${path} in the image is not a ${kind}`, {
        where: path,
        hint: 'the sandbox mounts it for every step; change what the base image or an earlier step made of it',
      });
    }
    const directory = dirname(path);
    await this.#ensure(directory, 'directory');
    const before = await this.#stat(directory);
    const host = join(this.#root, path);
    if (kind === 'directory') await mkdir(host, { mode: 0o755 });
    else await writeFile(host, '', { flag: 'wx', mode: 0o644 });
    this.#stubs.push({ path, kind, inode: (await this.#stat(path)).ino });
    if (!this.#parents.has(directory)) {
      this.#parents.set(directory, { inode: before.ino, beforeNs: before.mtimeNs, afterNs: before.mtimeNs });
    }
  }

  #stat(path: string): Promise<BigIntStats> {
    return lstat(join(this.#root, path), { bigint: true });
  }

  /** undefined when the path is gone, or is reached through a link by now: that might lead to the host. */
  async #statUnlinked(path: string): Promise<{ inode: bigint; stat: BigIntStats } | undefined> {
    if ((await resolveInRoot(this.#root, path)) !== path) return undefined;
    try {
      const stat = await this.#stat(path);
      return { inode: stat.ino, stat };
    } catch (error) {
      if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
      throw error;
    }
  }
}

/** utimes(2) by way of a double: microseconds, rounded down, so that a second never becomes the next. */
function seconds(ns: bigint): number {
  return Number(ns / 1000n) / 1e6;
}
