/**
 * One container from its start to its end.
 *
 *   starting → running  [the runtime wrote the pid file]
 *   starting → ended    [the command could not be started: the runtime's log says why]
 *   running  → ended    [its first process ended, and with it every process of its pid namespace]
 *   starting, running → ended  [stop: killed, for the first reason given]
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../clock.js';
import type { Running, RuntimePlace, StepRuntime } from './oci-runtime.js';
import type { OutputPipe } from './output.js';
import type { StopReason } from './step.js';
import type { StepCgroup } from './step-cgroups.js';

const STARTED_POLL_MS = 5;
const KILL_AGAIN_MS = 50;
/** A runtime that does not end by then is killed itself; `delete` finishes its container. */
const KILL_RUNTIME_AFTER_MS = 5_000;

export class Container {
  readonly #runtime: StepRuntime;
  readonly #place: RuntimePlace;
  readonly #pidFile: string;
  readonly #running: Running;
  #stopReason: StopReason | undefined;
  #killing: Promise<void> | undefined;
  #hasEnded = false;
  #started: Promise<boolean> | undefined;
  /** The runtime's exit code: that of the step, or its own when it could not start it. */
  readonly ended: Promise<number>;

  constructor(options: {
    place: RuntimePlace;
    runtime: StepRuntime;
    output: OutputPipe;
    cgroup: StepCgroup | undefined;
  }) {
    const { place, runtime, output, cgroup } = options;
    this.#place = place;
    this.#runtime = runtime;
    this.#pidFile = join(place.bundle, 'pid');
    this.#running = runtime.start(place, output, cgroup);
    this.ended = this.#running.ended.finally(() => {
      this.#hasEnded = true;
    });
    this.ended.catch(() => undefined); // whoever awaits it gets the error
  }

  get stopReason(): StopReason | undefined {
    return this.#stopReason;
  }

  /** Resolves as soon as it is known whether the step's command runs, or ran. Looks only once somebody asks. */
  started(): Promise<boolean> {
    this.#started ??= this.#lookForStart();
    return this.#started;
  }

  async #lookForStart(): Promise<boolean> {
    for (;;) {
      const ended = this.#hasEnded;
      const exists = await access(this.#pidFile).then(
        () => true,
        () => false,
      );
      if (exists || ended) return exists;
      await Promise.race([sleep(STARTED_POLL_MS), this.ended.catch(() => undefined)]);
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
    const left = await access(join(this.#place.stateDir, this.#place.id)).then(
      () => true,
      () => false,
    );
    if (left) await this.#runtime.delete(this.#place);
  }

  /** The runtime may not have made the container yet, so this asks until it has ended. */
  async #kill(): Promise<void> {
    const start = performance.now();
    while (!this.#hasEnded) {
      if (performance.now() - start > KILL_RUNTIME_AFTER_MS) {
        this.#running.end();
        return;
      }
      await this.#runtime.kill(this.#place).catch(() => false);
      await Promise.race([sleep(KILL_AGAIN_MS), this.ended.catch(() => undefined)]);
    }
  }
}
