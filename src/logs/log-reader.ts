/**
 * Reading a log by byte offset: a part of it, or all of it as it grows. Bytes are passed on as they are in the file, also of one that
 * was compressed since.
 */
import { isCompressed, readCompressed } from './compressed-log.js';
import { openIfThere, readAt, Tail } from './tail.js';

export interface LogPart {
  /** Where `data` begins in the file. */
  readonly offset: number;
  readonly data: Buffer;
}

const PART_BYTES = 64 * 1024;

/** At most `maxBytes` from an offset. Empty when there is no more yet, or no file yet. */
export async function readLog(
  path: string,
  fromOffset: number,
  maxBytes: number,
): Promise<{ data: Buffer; nextOffset: number }> {
  const file = await openIfThere(path);
  if (file === undefined) {
    const data = (await readCompressed(path, fromOffset, maxBytes)) ?? Buffer.alloc(0);
    return { data, nextOffset: fromOffset + data.length };
  }
  try {
    const { size } = await file.stat();
    const data = await readAt(file, fromOffset, Math.max(0, Math.min(maxBytes, size - fromOffset)));
    return { data, nextOffset: fromOffset + data.length };
  } finally {
    await file.close();
  }
}

/**
 * The log from a byte offset, part by part as it is written. Ends when `done` has happened and the file is read to its
 * end; at once, without an error, when `signal` is aborted. The file need not exist yet. Throws when the file cannot be
 * read, or what `done` rejects with.
 */
export async function* followLog(
  path: string,
  fromOffset: number,
  done: Promise<unknown> | AbortSignal,
  signal?: AbortSignal,
): AsyncGenerator<LogPart, void, undefined> {
  if (signal?.aborted) return;
  const end = new Ending(done);
  if (await isCompressed(path)) {
    end.forget();
    return yield* compressedParts(path, fromOffset, signal);
  }
  const tail = takeTail(path);
  let wake: (() => void) | undefined;
  const stop = (): void => wake?.();
  signal?.addEventListener('abort', stop);
  end.onEnd = stop;
  try {
    let offset = fromOffset;
    let lastLook = false;
    await tail.look();
    while (!signal?.aborted) {
      const data = await tail.read(offset, PART_BYTES);
      if (data.length > 0) {
        if (signal?.aborted) return;
        yield { offset, data };
        offset += data.length;
        continue;
      }
      if (lastLook) return;
      if (end.reached()) {
        // What was written before the end is in the file: one more look sees it all.
        await tail.look();
        lastLook = true;
        continue;
      }
      await new Promise<void>((resolve) => {
        if (signal?.aborted) {
          resolve();
          return;
        }
        const forget = tail.onGrowth(offset, resolve);
        wake = () => {
          forget();
          resolve();
        };
      });
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    end.forget();
    await releaseTail(path, tail);
  }
}

async function* compressedParts(
  path: string,
  fromOffset: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogPart, void, undefined> {
  for (let offset = fromOffset; ; ) {
    const data = await readCompressed(path, offset, PART_BYTES);
    if (data === undefined || data.length === 0 || signal?.aborted) return;
    yield { offset, data };
    offset += data.length;
  }
}

/** The one-time event that ends a log, as a promise or a signal. */
class Ending {
  onEnd: () => void = () => {};
  readonly #done: Promise<unknown> | AbortSignal;
  readonly #onAbort = (): void => this.#reach();
  #reached = false;
  #failure: { readonly reason: unknown } | undefined;

  constructor(done: Promise<unknown> | AbortSignal) {
    this.#done = done;
    if (!(done instanceof AbortSignal)) {
      done.then(
        () => this.#reach(),
        (reason: unknown) => {
          this.#failure = { reason };
          this.#reach();
        },
      );
    } else if (done.aborted) this.#reached = true;
    else done.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Throws when `done` was rejected. */
  reached(): boolean {
    if (this.#failure !== undefined) throw this.#failure.reason;
    return this.#reached;
  }

  forget(): void {
    this.onEnd = () => {};
    if (this.#done instanceof AbortSignal) this.#done.removeEventListener('abort', this.#onAbort);
  }

  #reach(): void {
    this.#reached = true;
    this.onEnd();
  }
}

/** Followers of the same file in this process share its tail; the last one closes it. */
const tails = new Map<string, { readonly tail: Tail; followers: number }>();

function takeTail(path: string): Tail {
  const shared = tails.get(path) ?? { tail: new Tail(path), followers: 0 };
  shared.followers += 1;
  tails.set(path, shared);
  return shared.tail;
}

async function releaseTail(path: string, tail: Tail): Promise<void> {
  const shared = tails.get(path);
  if (shared?.tail !== tail) return;
  shared.followers -= 1;
  if (shared.followers > 0) return;
  tails.delete(path);
  await tail.close();
}
