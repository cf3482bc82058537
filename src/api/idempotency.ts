/**
 * Requests that deploy and may come twice, since the answer to the first got lost: with the same Idempotency-Key they are carried out
 * once, and answered alike for a day (draft-ietf-httpapi-idempotency-key-header). The answers lie in files, so that it also holds over
 * a restart of the web process. Only what was done is kept: what was refused may be asked for again.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Clock, systemClock } from '../clock.js';
import { makeDirectory } from '../durable.js';
import { isErrno, SlipwayError } from '../errors.js';

const KEPT_MS = 24 * 60 * 60_000;
const SWEEP_MS = 60 * 60_000;
const KEY = /^[\x21-\x7e]{1,200}$/;

export interface KeyedRequest {
  readonly key: string;
  readonly who: string;
  readonly method: string;
  readonly url: string;
  readonly body: unknown;
}

export interface Given {
  readonly status: number;
  readonly body: unknown;
}

const kept = z.object({
  at: z.number(),
  request: z.string(),
  /** Absent while it is being carried out. */
  given: z.object({ status: z.number(), body: z.unknown() }).exactOptional(),
});
type Kept = z.infer<typeof kept>;

export class IdempotencyKeys {
  readonly #directory: string;
  readonly #clock: Clock;
  /** By the name of the file. */
  readonly #underWay = new Map<string, { readonly request: string; readonly given: Promise<Given> }>();
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(directory: string, clock: Clock = systemClock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  /** Does the work, or answers as when it was done. Throws `bad_request`, `key_reused`, `conflict`, and what the work throws. */
  async once(
    asked: KeyedRequest,
    work: () => Promise<Given>,
  ): Promise<Given & { readonly isAgain: boolean }> {
    if (!KEY.test(asked.key))
      throw new SlipwayError('bad_request', 'an Idempotency-Key has 1 to 200 visible ASCII characters', {
        hint: 'use a new UUID for each thing to be done',
      });
    const name = `${hash(asked.who, asked.key)}.json`;
    const request = hash(asked.method, asked.url, JSON.stringify(asked.body ?? null));
    const other = this.#underWay.get(name);
    if (other !== undefined) {
      checkSame(request, other.request);
      return { ...(await other.given), isAgain: true };
    }
    const given = this.#firstOrKept(join(this.#directory, name), request, work);
    this.#underWay.set(name, { request, given });
    try {
      return await given;
    } finally {
      this.#underWay.delete(name);
    }
  }

  async #firstOrKept(
    path: string,
    request: string,
    work: () => Promise<Given>,
  ): Promise<Given & { readonly isAgain: boolean }> {
    await this.#sweep();
    const before = await readRecord(path);
    if (before !== undefined && this.#clock.now() - before.at < KEPT_MS) {
      checkSame(request, before.request);
      if (before.given !== undefined) return { ...before.given, isAgain: true };
      throw new SlipwayError(
        'conflict',
        'Slipway was stopped while it carried out the request with this key',
        {
          hint: 'see whether it was done (slipway builds), and else ask again with a new key',
        },
      );
    }
    await makeDirectory(this.#directory);
    const begun: Kept = { at: this.#clock.now(), request };
    await writeRecord(path, begun);
    try {
      const given = await work();
      await writeRecord(path, { ...begun, given });
      return { ...given, isAgain: false };
    } catch (thrown) {
      await rm(path, { force: true });
      throw thrown;
    }
  }

  async #sweep(): Promise<void> {
    const now = this.#clock.now();
    if (now - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = now;
    const names = await readdir(this.#directory).catch((thrown: unknown) => {
      if (isErrno(thrown, 'ENOENT')) return [];
      throw thrown;
    });
    for (const name of names) {
      const path = join(this.#directory, name);
      const changed = await stat(path).catch(() => undefined);
      if (changed !== undefined && now - changed.mtimeMs > KEPT_MS) await rm(path, { force: true });
    }
  }
}

function checkSame(request: string, before: string): void {
  if (request === before) return;
  throw new SlipwayError('key_reused', 'this Idempotency-Key came before with another request', {
    hint: 'use a new key for each thing to be done',
  });
}

async function readRecord(path: string): Promise<Kept | undefined> {
  try {
    return kept.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (thrown) {
    if (isErrno(thrown, 'ENOENT')) return undefined;
    throw thrown;
  }
}

/** Whole or not at all. */
async function writeRecord(path: string, value: Kept): Promise<void> {
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, JSON.stringify(value), { mode: 0o600 });
  await rename(temporary, path);
}

function hash(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex');
}
