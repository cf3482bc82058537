/**
 * The edge's state on disk, shared by all deployers of this machine without a lock: each generation is a file of its
 * own, and link(2) lets only one process make it. A deployer that slept through a change therefore cannot overwrite
 * it: its next generation exists already.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isErrno, SlipwayError } from '../../src/errors.js';
import { type EdgeState, EMPTY_EDGE } from './state.js';

/** Older ones are for people who want to see what changed. */
const KEPT = 10;

export class EdgeStateFile {
  readonly #configFile: string;
  readonly #directory: string;

  /** `configFile` is HAProxy's; the generations lie beside it. */
  constructor(configFile: string) {
    this.#configFile = configFile;
    this.#directory = join(dirname(configFile), 'generations');
  }

  /** The highest generation; the empty state on a new home. */
  async read(): Promise<EdgeState> {
    for (;;) {
      const [newest] = await this.#generations();
      if (newest === undefined) return EMPTY_EDGE;
      const text = await readText(this.#path(newest));
      // Cleared away meanwhile, so there are newer ones.
      if (text !== undefined) return parse(text, this.#path(newest));
    }
  }

  /** Makes this the newest generation. False when another process has made one meanwhile. */
  async commit(state: EdgeState): Promise<boolean> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const path = this.#path(state.generation);
    const staged = await this.#stage(this.#directory, `${JSON.stringify(state, null, 1)}\n`);
    try {
      await link(staged, path);
    } catch (error) {
      if (isErrno(error, 'EEXIST')) return false;
      throw error;
    } finally {
      await rm(staged, { force: true });
    }
    const all = await this.#generations();
    if (all[0] !== state.generation) {
      // The file of our number was cleared away long ago: we slept for more than ten generations.
      await rm(path, { force: true });
      return false;
    }
    await syncDirectory(this.#directory);
    for (const old of all.slice(KEPT)) await rm(this.#path(old), { force: true });
    return true;
  }

  /** Replaces HAProxy's configuration in one step. Does nothing when it says the same already. */
  async writeConfig(text: string): Promise<void> {
    if ((await readText(this.#configFile)) === text) return;
    const directory = dirname(this.#configFile);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const staged = await this.#stage(directory, text);
    try {
      await rename(staged, this.#configFile);
    } finally {
      await rm(staged, { force: true });
    }
    await syncDirectory(directory);
  }

  async #generations(): Promise<number[]> {
    const names = await readdir(this.#directory).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    });
    return names
      .flatMap((name) => /^(\d+)\.json$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => b - a);
  }

  async #stage(directory: string, text: string): Promise<string> {
    const path = join(
      directory,
      `.${basename(this.#configFile)}.${process.pid}.${randomBytes(4).toString('hex')}`,
    );
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    return path;
  }

  #path(generation: number): string {
    return join(this.#directory, `${generation}.json`);
  }
}

function parse(text: string, path: string): EdgeState {
  try {
    return JSON.parse(text) as EdgeState;
  } catch (cause) {
    throw new SlipwayError('edge_unavailable', 'this generation of the edge cannot be read', {
      where: path,
      hint: 'remove the file: the one before it holds then, and the reconciler makes good what is missing',
      cause,
    });
  }
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  });
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
