/** The sandbox, looked for when the first RUN must execute: a build that is cached whole needs neither its tools nor root. */
import type { Sandbox, StepRunner } from '../build/sandbox/runtime.js';
import { SlipwayError } from '../errors.js';
import type { FastPaths } from '../fast-paths.js';

export interface LazySandboxOptions {
  readonly stateDir: string;
  readonly networkAllow: readonly string[];
  readonly fast: FastPaths;
}

export class LazySandbox implements StepRunner {
  /** Whoever builds here is whose Dockerfile it is, as with Docker. */
  readonly with32Bit = true;
  readonly #options: LazySandboxOptions;
  #sandbox: Promise<Sandbox> | undefined;

  constructor(options: LazySandboxOptions) {
    this.#options = options;
  }

  /** Throws `unavailable` with what to install or do. */
  async run(...step: Parameters<StepRunner['run']>): ReturnType<StepRunner['run']> {
    this.#sandbox ??= this.#open();
    return (await this.#sandbox).run(...step);
  }

  async close(): Promise<void> {
    const sandbox = await this.#sandbox?.catch(() => undefined);
    await sandbox?.close();
  }

  async #open(): Promise<Sandbox> {
    if (process.getuid?.() !== 0) {
      throw new SlipwayError('unavailable', 'this build executes RUN steps, and only root can isolate them', {
        hint: 'run it as root: sudo slipway build …',
      });
    }
    const { Sandbox } = await import('../build/sandbox/runtime.js');
    const sandbox = await Sandbox.probe({
      ...this.#options,
      inMemory: true,
      with32Bit: this.with32Bit,
    });
    await sandbox.reap();
    return sandbox;
  }
}
