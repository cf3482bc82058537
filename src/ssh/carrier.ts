/**
 * Carries bytes between a caller by SSH and a git process: both ways, each waiting for who takes them, within limits, and nothing is
 * left running when either side goes away.
 */
import type { ChildProcess } from 'node:child_process';
import { type Readable, Transform, type TransformCallback, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SlipwayError } from '../errors.js';
import { advertisementEnd, withHaves } from '../git/advertisement.js';
import { cleanStderr, signalGroup, stopProcess } from '../git/git.js';

export interface CarrierLimits {
  /** Bytes of input. */
  readonly maxInputBytes: number;
  /** When nothing has gone either way for so many ms, the caller has gone. */
  readonly idleMs: number;
}

/** The caller's side. */
export interface Caller {
  /** Ends, or errors when the caller has gone. */
  readonly input: Readable;
  readonly output: Writable;
  /** Aborted with the reason when the caller is to be let go. */
  readonly signal: AbortSignal;
}

const HELD_BYTES = 1024 * 1024;

/**
 * Drives a process that was started `detached`. Throws when it did not come to an orderly end: then what git left is to be cleaned up.
 * `haves` are added to what git says that it has.
 */
export async function carry(
  child: ChildProcess,
  { input, output, signal }: Caller,
  { maxInputBytes, idleMs }: CarrierLimits,
  haves: readonly string[] = [],
): Promise<void> {
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new SlipwayError('internal', 'git was started without pipes');
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    if (stderr.length < 8192) stderr += chunk.toString('utf8');
  });
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.on('error', (error) => {
      stderr += error.message;
      resolve({ code: 127, signal: null });
    });
    child.on('close', (code, name) => resolve({ code, signal: name }));
  });

  const over = new AbortController();
  const parts = haves.length === 0 ? [stdout, output] : [stdout, new WithHaves(haves), output];
  const shown = pipeline(parts, { signal: over.signal }).catch(() => undefined);
  let failure: SlipwayError | undefined;
  let takeThreatBack = (): void => {};
  const stop = (error: SlipwayError): void => {
    if (failure !== undefined) return;
    failure = error;
    // Its last words are for nobody.
    over.abort();
    takeThreatBack = stopProcess(child, (name) => signalGroup(child, name));
  };
  const onAbort = (): void => stop(signal.reason as SlipwayError);
  let timer: NodeJS.Timeout | undefined;
  const isAlive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(
      () => stop(new SlipwayError('bad_request', `nothing came or went for ${idleMs / 1000} s`)),
      idleMs,
    );
  };
  let received = 0;
  input.on('data', (chunk: Buffer) => {
    isAlive();
    received += chunk.length;
    if (received > maxInputBytes)
      stop(
        new SlipwayError('too_large', `the upload is larger than ${maxInputBytes} bytes`, {
          hint: 'push less at once, or have the limit raised',
        }),
      );
  });
  input.on('error', () => stop(new SlipwayError('unavailable', 'the caller is gone')));
  stdout.on('data', isAlive);
  // What git does not want any more is let pass: its exit code tells the story.
  stdin.on('error', () => input.unpipe(stdin).resume());
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    isAlive();
    input.pipe(stdin);
    const { code, signal: name } = await ended;
    await shown;
    if (failure !== undefined) throw failure;
    if (code === 0) return;
    const words = cleanStderr(stderr) || (name ?? `exit code ${code}`);
    throw new SlipwayError('unavailable', `git ended early: ${words}`, { temporary: true });
  } finally {
    clearTimeout(timer);
    takeThreatBack();
    signal.removeEventListener('abort', onAbort);
    input.unpipe(stdin).resume();
    if (failure !== undefined || child.exitCode === null) signalGroup(child, 'SIGKILL');
  }
}

/** What git says, with commits added to its advertisement. */
class WithHaves extends Transform {
  readonly #haves: readonly string[];
  #held: Buffer | undefined = Buffer.alloc(0);

  constructor(haves: readonly string[]) {
    super();
    this.#haves = haves;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    done(null, this.#told(chunk));
  }

  #told(chunk: Buffer): Buffer | null {
    if (this.#held === undefined) return chunk;
    const said = Buffer.concat([this.#held, chunk]);
    const end = advertisementEnd(said);
    // So many refs that it does not matter what else there is.
    const isOver = end !== undefined || said.length > HELD_BYTES;
    this.#held = isOver ? undefined : said;
    if (end === undefined) return isOver ? said : null;
    return Buffer.concat([withHaves(said.subarray(0, end), this.#haves), said.subarray(end)]);
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#held);
  }
}
