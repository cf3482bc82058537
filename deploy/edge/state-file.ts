/**
 * The edge's state on disk, shared by all deployers of this machine without a lock: each generation is a file of its
 * own, and link(2) lets only one process make it. A deployer that slept through a change therefore cannot overwrite
 * it: its next generation exists already.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncDirectory } from '../../src/durable.js';
import { isErrno, SlipwayError } from '../../src/errors.js';
import { type EdgeState, EMPTY_EDGE } from './state.js';

/** Older ones are for people who want to see what changed. */
const KEPT = 10;
const CERTIFICATE_DIRECTORY = 'certificates';
/** Another deployer may be about to name a certificate whose file it has just made. */
const UNUSED_MS = 60 * 60_000;

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

  /**
   * Replaces HAProxy's configuration and the tables beside it, by name, each in one step and the tables first: a HAProxy that starts
   * needs them. What says the same already is left.
   */
  async write(config: string, tables: ReadonlyMap<string, string>): Promise<void> {
    const directory = dirname(this.#configFile);
    for (const [name, text] of tables) await this.#makeEqual(join(directory, name), text);
    await this.#makeEqual(this.#configFile, config);
  }

  /** `file` is relative to the configuration, as HAProxy sees it. Undefined when there is none. */
  readCertificate(file: string): Promise<string | undefined> {
    return readText(join(dirname(this.#configFile), file));
  }

  certificateFile(name: string): string {
    return `${CERTIFICATE_DIRECTORY}/${name}.pem`;
  }

  /** Also when it is there already: from now on it counts as used for a while. Answers with the file. */
  async writeCertificate(name: string, pem: string): Promise<string> {
    const file = this.certificateFile(name);
    await this.#replace(join(dirname(this.#configFile), file), pem);
    return file;
  }

  async removeCertificate(file: string): Promise<void> {
    await rm(join(dirname(this.#configFile), file), { force: true });
  }

  /** Private keys that nobody needs any more. */
  async removeCertificates(used: ReadonlySet<string>): Promise<void> {
    const directory = join(dirname(this.#configFile), CERTIFICATE_DIRECTORY);
    const names = await readdir(directory).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    });
    for (const name of names) {
      if (used.has(`${CERTIFICATE_DIRECTORY}/${name}`)) continue;
      const { mtimeMs } = await stat(join(directory, name)).catch(() => ({ mtimeMs: Date.now() }));
      if (Date.now() - mtimeMs > UNUSED_MS) await rm(join(directory, name), { force: true });
    }
  }

  async #makeEqual(path: string, text: string): Promise<void> {
    if ((await readText(path)) !== text) await this.#replace(path, text);
  }

  async #replace(path: string, text: string): Promise<void> {
    const directory = dirname(path);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const staged = await this.#stage(directory, text);
    try {
      await rename(staged, path);
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
