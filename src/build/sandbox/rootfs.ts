/**
 * A step's file system seen from the host, where a symbolic link in it would lead out of it. Every path is walked here
 * component by component, confined to the root. Nobody writes to the root while these functions run. They look by
 * synchronous calls: a look is microseconds, and the way through libuv's threads and back many times that.
 */

import { lstatSync, readFileSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { isErrno, SlipwayError } from '../../errors.js';
import { followLinks } from '../../layers/follow-links.js';

/**
 * The path without symbolic links that `path` leads to inside `root`; absolute, as seen inside. What is missing at the
 * end is kept as it is. Throws `step_failed` for a loop of links.
 */
export function resolveInRoot(root: string, path: string): Promise<string> {
  return resolveThrough(path, (inside) => join(root, inside));
}

/** As `resolveInRoot`, with `hostPath` saying where a path inside is on the host; undefined when that is not known. */
export async function resolveThrough(
  path: string,
  hostPath: (inside: string) => string | undefined,
): Promise<string> {
  const inside = await followLinks(
    path,
    async (at) => {
      const host = hostPath(`/${at}`);
      return host === undefined ? undefined : linkTarget(host);
    },
    () => new SlipwayError('step_failed', 'too many symbolic links', { where: path }),
  );
  return `/${inside}`;
}

function linkTarget(path: string): string | undefined {
  return lookAt(path)?.isSymbolicLink() === true ? readlinkSync(path) : undefined;
}

function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (isErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** lstat of a path that has been resolved; undefined when it is not there. */
export async function statOrUndefined(path: string): Promise<Stats | undefined> {
  return lookAt(path);
}

/** Reads a file as a program inside would find it; undefined when there is none. */
export type ReadFile = (path: string) => Promise<Buffer | undefined>;

/** A reader of regular files below `root`. Throws `step_failed` for one larger than `maxBytes`. */
export function rootfsReader(root: string, maxBytes: number = 10 * 1024 * 1024): ReadFile {
  return async (path) => {
    const resolved = join(root, await resolveInRoot(root, path));
    const stat = await statOrUndefined(resolved);
    if (stat === undefined || !stat.isFile()) return undefined;
    if (stat.size > maxBytes) {
      throw new SlipwayError('step_failed', `the file is larger than ${maxBytes} bytes`, { where: path });
    }
    return readFileSync(resolved);
  };
}

/**
 * Refuses a root whose /dev, /proc or /sys is anything but a directory or missing: runtimes follow such a link and
 * write to the host (CVE-2026-41579 of runc, CVE-2026-47766 of crun). And a working directory in one of them: a
 * descriptor that the runtime left open would be a way out (CVE-2024-21626). Throws `step_failed`.
 */
export async function checkRootfs(root: string, cwd: string): Promise<void> {
  for (const path of ['/dev', '/proc', '/sys']) {
    const stat = await statOrUndefined(join(root, path));
    if (stat === undefined || stat.isDirectory()) continue;
    throw new SlipwayError('step_failed', `${path} in the image is not a directory`, {
      where: path,
      hint: 'the base image or an earlier step replaced it; steps run only where it is a directory or missing',
    });
  }
  const directory = await resolveInRoot(root, cwd);
  const stat = await statOrUndefined(join(root, directory));
  if (stat !== undefined && !stat.isDirectory()) {
    throw new SlipwayError('step_failed', `${cwd} is not a directory`, { where: 'WORKDIR' });
  }
  if (!cwd.startsWith('/') || /^\/(dev|proc|sys)(\/|$)/.test(directory)) {
    throw new SlipwayError('step_failed', `a step cannot work in ${cwd}`, {
      where: 'WORKDIR',
      hint: 'use a directory outside /dev, /proc and /sys',
    });
  }
}
