/**
 * Keeps who brings an app's image into the registry and who removes one from it apart, whatever process they are in. From the push of
 * an image until a record names it, nothing of the app is removed; and what is removed is decided and done while nobody is in
 * between: the same tree built again gives an image that was let go long ago.
 *
 * Each places a file first and looks for the other's then, so that at least one of two sees the other; who removes gives way.
 */
import { randomBytes } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../clock.js';
import { makeDirectory } from '../../durable.js';
import { isErrno, SlipwayError } from '../../errors.js';
import { belongsToTheLiving, ownMark } from '../../living.js';

const LOOK_MS = 25;
/** Far longer than the removal of one image may take. */
const PATIENCE_MS = 5 * 60_000;

type Side = 'pushing' | 'removing';

export class ImageGate {
  readonly #directory: string;

  /** `run`: where sockets and pids are. */
  constructor(run: string) {
    this.#directory = join(run, 'images');
  }

  /** Waits for the removal that is under way. Dispose it when a record names the image. Throws `unavailable`, or the signal's reason. */
  async push(app: string, signal?: AbortSignal): Promise<AsyncDisposable> {
    const patience = Date.now() + PATIENCE_MS;
    for (;;) {
      const mine = await this.#place('pushing', app);
      if (!(await this.#isTaken('removing', app))) return mine;
      await mine[Symbol.asyncDispose]();
      if (Date.now() > patience)
        throw new SlipwayError('unavailable', `images of ${app} have been under removal for minutes`, {
          hint: 'look into the log of the janitor',
          temporary: true,
        });
      await sleep(LOOK_MS, signal);
    }
  }

  /** Undefined when somebody has pushed images of the app all this time. Held for one decision and what follows of it. */
  async remove(app: string, patienceMs: number = 0): Promise<AsyncDisposable | undefined> {
    const patience = Date.now() + patienceMs;
    for (;;) {
      const mine = await this.#place('removing', app);
      if (!(await this.#isTaken('pushing', app))) return mine;
      await mine[Symbol.asyncDispose]();
      if (Date.now() >= patience) return undefined;
      // Most of the time it is not in the way of who waits for it.
      await sleep(4 * LOOK_MS * (1 + Math.random()));
    }
  }

  async #place(side: Side, app: string): Promise<AsyncDisposable> {
    const directory = join(this.#directory, side);
    const path = join(directory, `${await ownMark()}-${randomBytes(8).toString('hex')}+${app}`);
    await makeDirectory(directory);
    await writeFile(path, '');
    return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
  }

  /** What processes left that were killed is taken away. */
  async #isTaken(side: Side, app: string): Promise<boolean> {
    const directory = join(this.#directory, side);
    const names = await readdir(directory).catch((thrown: unknown) => {
      if (isErrno(thrown, 'ENOENT')) return [];
      throw thrown;
    });
    for (const name of names) {
      if (!name.endsWith(`+${app}`)) continue;
      if (await belongsToTheLiving(name)) return true;
      await rm(join(directory, name), { force: true });
    }
    return false;
  }
}
