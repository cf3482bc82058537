/**
 * Names for what is half done, and the cleaning of what a killed process left. A name says which process it belongs to
 * (its id and start time, since ids come back), so two builders can share a store.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree, unmount } from '../../native/index.js';
import { belongsToTheLiving, ownMark } from '../living.js';

export class Temporaries {
  readonly #directory: string;
  readonly #self: Promise<string>;

  constructor(directory: string) {
    this.#directory = directory;
    this.#self = ownMark();
    this.#self.catch(() => {});
  }

  /** Makes the directory and removes what processes that are gone left in it: mounts first, then files. */
  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#directory)) {
      if (!(await belongsToTheLiving(name))) await this.remove(join(this.#directory, name));
    }
  }

  /** A path that nothing else has. Nothing is there yet. */
  async newPath(): Promise<string> {
    return join(this.#directory, `${await this.#self}-${randomBytes(8).toString('hex')}`);
  }

  /** Paths of processes that are still there. */
  async living(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const name of await readdir(this.#directory))
      if (await belongsToTheLiving(name)) found.push(join(this.#directory, name));
    return found;
  }

  /** With what is mounted in it. Fine when it is gone. */
  async remove(path: string): Promise<void> {
    // Most of them were renamed to where they belong, and the table of mounts can be long.
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
    for (const mounted of await mountsBelow(path)) await unmount(mounted);
    await removeTree(path);
  }
}

/** Mount points at and below a path, the innermost first. */
async function mountsBelow(path: string): Promise<readonly string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  return table
    .split('\n')
    .map((line) => unescapeMount(line.split(' ')[4] ?? ''))
    .filter((mounted) => mounted === path || mounted.startsWith(`${path}/`))
    .reverse();
}

/** proc(5) writes space, tab, newline and backslash in octal. */
function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
