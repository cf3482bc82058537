/**
 * Of several deployers of one home, one forwards the registry to a host's port; the others pull through that forward too. Whose turn it is
 * says a socket with a name in the kernel (unix(7), "abstract"): one process has it, and it is free as soon as that one is gone.
 */
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export class PullTurn {
  readonly #name: string;
  #held: Server | undefined;

  constructor(name: string) {
    this.#name = `\0${name}`;
  }

  /** Whether it is ours, now or since before. */
  async take(): Promise<boolean> {
    if (this.#held !== undefined) return true;
    const server = createServer((socket) => socket.destroy());
    const isOurs = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(this.#name, () => resolve(true));
    });
    if (!isOurs) return false;
    this.#held = server.unref();
    return true;
  }

  /** Resolves when it is ours; rejects when the signal is aborted. */
  async await(everyMs: number, signal: AbortSignal): Promise<void> {
    while (!(await this.take())) await sleep(everyMs, undefined, { signal });
  }

  async release(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) await new Promise((resolve) => held.close(resolve));
  }
}
