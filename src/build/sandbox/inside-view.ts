/**
 * A step's file system as it will be once the mounts so far are there: where a path leads to through symbolic links, and
 * which directory of the host holds it.
 */
import { join } from 'node:path';
import { resolveThrough } from './rootfs.js';

interface Mounted {
  /** Absolute and resolved, as seen inside. */
  readonly at: string;
  /** What is mounted; undefined when nobody may look into it or it is not there yet. */
  readonly directory: string | undefined;
}

export class InsideView {
  readonly #mounted: Mounted[];

  constructor(root: string) {
    this.#mounted = [{ at: '/', directory: root }];
  }

  /** `at` is resolved. Without a directory, what is below it stays unknown. */
  mount(at: string, directory?: string): void {
    this.#mounted.push({ at, directory });
  }

  /** The path without symbolic links that `path` leads to; what is missing or unknown is kept as it is. */
  resolve(path: string): Promise<string> {
    return resolveThrough(path, (inside) => {
      const place = this.place(inside);
      return place.directory === undefined ? undefined : join(place.directory, place.path);
    });
  }

  /** The topmost mount that holds a resolved path: where it is, and the path in it; absolute. */
  place(path: string): { at: string; directory: string | undefined; path: string } {
    const mounted = this.#mounted.findLast(({ at }) => isAtOrBelow(path, at));
    const at = mounted?.at ?? '/';
    return { at, directory: mounted?.directory, path: at === '/' ? path : path.slice(at.length) || '/' };
  }
}

export function isAtOrBelow(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}
