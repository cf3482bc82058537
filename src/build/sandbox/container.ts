/**
 * One container from its start to its end.
 *
 *   starting → running  [the runtime wrote the pid file]
 *   starting → ended    [the command could not be started: the runtime's log says why]
 *   running  → ended    [its first process ended, and with it every process of its pid namespace]
 *   starting, running → ended  [stop: killed, for the first reason given]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../clock.js';
import { SlipwayError } from '../../errors.js';
import { TOOL_ENV } from './command.js';
import type { Runtime } from './oci-runtime.js';
import type { OutputPipe } from './output.js';
import type { StopReason } from './step.js';

const STARTED_POLL_MS = 5;
const KILL_AGAIN_MS = 50;
/** A runtime that does not end by then is killed itself; `delete` finishes its container. */
const KILL_RUNTIME_AFTER_MS = 5_000;

export class Container {
  readonly id: string;
  readonly #runtime: Runtime;
  readonly #stateDir: string;
  readonly #pidFile: string;
  readonly #process: ChildProcess;
  #stopReason: StopReason | undefined;
  #killing: Promise<void> | undefined;
  #hasEnded = false;
  /** The runtime's exit code: that of the step, or its own when it could not start it. */
  readonly ended: Promise<number>;

  constructor(options: {
    id: string;
    runtime: Runtime;
    stateDir: string;
    bundle: string;
    output: OutputPipe;
  }) {
    const { id, runtime, stateDir, bundle } = options;
    this.id = id;
    this.#runtime = runtime;
    this.#stateDir = stateDir;
    this.#pidFile = join(bundle, 'pid');
    this.#process = options.output.give((writer) =>
      spawn(runtime.name, runtime.runArguments(stateDir, bundle, id), {
        stdio: ['ignore', writer, writer],
        env: TOOL_ENV,
        cwd: '/',
        detached: true,
      }),
    );
    this.ended = new Promise<number>((resolve, reject) => {
      this.#process.once('exit', (code) => resolve(code ?? 137));
      this.#process.once('error', (error) => {
        const message = `${runtime.name} could not be started: ${error.message}`;
        reject(new SlipwayError('unavailable', message, { temporary: true, cause: error }));
      });
    }).finally(() => {
      this.#hasEnded = true;
    });
    this.ended.catch(() => undefined); // whoever awaits it gets the error
  }

  get stopReason(): StopReason | undefined {
    return this.#stopReason;
  }

  /** Resolves as soon as it is known whether the step's command runs, or ran. */
  async started(): Promise<boolean> {
    for (;;) {
      const ended = this.#hasEnded;
      const exists = await access(this.#pidFile).then(
        () => true,
        () => false,
      );
      if (exists || ended) return exists;
      await sleep(STARTED_POLL_MS);
    }
  }

  /** Kills every process of the container. Only the first reason counts; nothing happens once it has ended. */
  stop(reason: StopReason): void {
    if (this.#hasEnded || this.#stopReason !== undefined) return;
    this.#stopReason = reason;
    this.#killing = this.#kill();
    this.#killing.catch(() => undefined);
  }

  /** Ends and removes the container, in whatever state it is. Frees all but its cgroups. */
  async remove(): Promise<void> {
    if (!this.#hasEnded) this.stop('aborted');
    await this.#killing?.catch(() => undefined);
    await this.ended.catch(() => undefined);
    const left = await access(join(this.#stateDir, this.id)).then(
      () => true,
      () => false,
    );
    if (left) await this.#runtime.delete(this.#stateDir, this.id);
  }

  /** The runtime may not have made the container yet, so this asks until it has ended. */
  async #kill(): Promise<void> {
    const start = performance.now();
    while (!this.#hasEnded) {
      if (performance.now() - start > KILL_RUNTIME_AFTER_MS) {
        this.#process.kill('SIGKILL');
        return;
      }
      await this.#runtime.kill(this.#stateDir, this.id).catch(() => false);
      await Promise.race([sleep(KILL_AGAIN_MS), this.ended.catch(() => undefined)]);
    }
  }
}
