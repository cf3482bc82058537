/**
 * What a step prints: stdout and stderr are one pipe, and a real one, so that `> /dev/stderr` works in the step, which it
 * does not on the sockets that Node makes for a child. Node cannot make a pipe, so these are named ones, made by mkfifo
 * and used again by later steps. crun hands it to the step, and lines keep their order; runc copies two pipes of its own
 * into it, so that what is printed to both within a fraction of a millisecond may change places.
 */
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { runOrThrow } from './command.js';

export class OutputPipes {
  readonly #directory: string;
  readonly #free: string[] = [];
  #made = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The caller closes it. */
  async take(): Promise<OutputPipe> {
    const path = this.#free.pop() ?? (await this.#make());
    await chmod(path, 0o600);
    return new OutputPipe(path, () => this.#free.push(path));
  }

  async #make(): Promise<string> {
    const path = join(this.#directory, `output-${++this.#made}`);
    await runOrThrow('mkfifo', ['-m', '600', '--', path]);
    return path;
  }
}

export class OutputPipe {
  readonly #reader: Socket;
  readonly #writer: number;
  readonly #closed: () => void;

  constructor(path: string, closed: () => void) {
    // Without O_NONBLOCK this open would wait for a writer; a reader that reads before there is one sees an end.
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#writer = openSync(path, constants.O_WRONLY);
    this.#reader = new Socket({ fd: reader, readable: true, writable: false });
    this.#closed = closed;
  }

  /** Starts a child with the pipe as its stdout and stderr; this or `giveNow` is to be called once. */
  async give<T>(start: (writer: number) => Promise<T>): Promise<T> {
    try {
      return await start(this.#writer);
    } finally {
      closeSync(this.#writer);
    }
  }

  giveNow<T>(start: (writer: number) => T): T {
    try {
      return start(this.#writer);
    } finally {
      closeSync(this.#writer); // the output ends when the child and all it started are gone
    }
  }

  /**
   * Hands on every chunk, one at a time, until the output ends. Before the first one it waits for `started`: what is
   * printed when that is false are the words of the runtime about a step it could not start, and no output.
   */
  async drain(
    started: () => Promise<boolean>,
    onOutput: (chunk: Buffer) => void | Promise<void>,
  ): Promise<void> {
    let mayPass: boolean | undefined;
    for await (const chunk of this.#reader) {
      mayPass ??= await started();
      if (mayPass) await onOutput(chunk as Buffer);
    }
  }

  /** Stops reading at once. Nothing may write to the pipe any more, or it would be read by the next step. */
  async close(): Promise<void> {
    if (!this.#reader.closed) {
      this.#reader.destroy();
      await once(this.#reader, 'close');
    }
    this.#closed();
  }
}
