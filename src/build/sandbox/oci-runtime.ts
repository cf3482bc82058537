/**
 * The OCI runtime: which one this machine gets, and the commands it is given. crun where cgroup v2 is unified, as it
 * starts faster; runc elsewhere, as crun does not work on a hybrid machine by itself (see confined-crun.ts).
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { SlipwayError } from '../../errors.js';
import { advisoriesFor } from './advisories.js';
import { runCommand, TOOL_ENV } from './command.js';
import type { OutputPipe } from './output.js';
import type { StepCgroup } from './step-cgroups.js';

export type RuntimeName = 'crun' | 'runc';

/** Where the runtime keeps what it knows of a container, and what it is given. */
export interface RuntimePlace {
  readonly id: string;
  /** The runtime's own. */
  readonly stateDir: string;
  /** Holds config.json; gets `log`, and `pid` once the step's command runs. */
  readonly bundle: string;
}

export interface Running {
  /** The exit code of the step, or the runtime's own when it could not start it. Rejects with `unavailable`. */
  readonly ended: Promise<number>;
  /** Ends the runtime itself, and not what it runs. */
  end(): void;
}

/** What runs the container of one step. */
export interface StepRuntime {
  /** `cgroup`: to be started in, for one that makes none. */
  start(place: RuntimePlace, output: OutputPipe, cgroup?: StepCgroup): Running;
  /** Kills every process of a container. False when there is no such container, or not yet. */
  kill(place: RuntimePlace): Promise<boolean>;
  /** Removes a container, running or not; nothing happens when there is none. */
  delete(place: RuntimePlace): Promise<void>;
}

export class Runtime implements StepRuntime {
  readonly name: RuntimeName;
  readonly version: string;
  /** Names of published weaknesses that this version has, going by its number alone. */
  readonly advisories: readonly string[];
  readonly #keeps: boolean;

  private constructor(name: RuntimeName, version: string) {
    this.name = name;
    this.version = version;
    this.advisories = advisoriesFor(name, version);
    this.#keeps = name === 'runc';
  }

  /** Throws `unavailable` with the package to install. */
  static async choose(unifiedCgroups: boolean): Promise<Runtime> {
    const candidates: readonly RuntimeName[] = unifiedCgroups ? ['crun', 'runc'] : ['runc'];
    for (const name of candidates) {
      const version = await versionOf(name);
      if (version !== undefined) return new Runtime(name, version);
    }
    throw new SlipwayError('unavailable', 'no OCI runtime is installed, which RUN steps need', {
      hint: `install one of Debian's packages: ${candidates.join(' or ')}`,
    });
  }

  start({ id, stateDir, bundle }: RuntimePlace, output: OutputPipe): Running {
    const args = [
      ...this.#options(stateDir),
      ...[`--log=${join(bundle, 'log')}`, '--log-format=json', 'run'],
      // Kept, so that the cgroup's counts can be read before `delete`.
      ...(this.#keeps ? ['--keep'] : []),
      ...[`--bundle=${bundle}`, `--pid-file=${join(bundle, 'pid')}`, id],
    ];
    const child = output.giveNow((writer) =>
      spawn(this.name, args, {
        stdio: ['ignore', writer, writer],
        env: TOOL_ENV,
        cwd: '/',
        detached: true,
      }),
    );
    const ended = new Promise<number>((resolve, reject) => {
      child.once('exit', (code) => resolve(code ?? 137));
      child.once('error', (error) => {
        const message = `${this.name} could not be started: ${error.message}`;
        reject(new SlipwayError('unavailable', message, { temporary: true, cause: error }));
      });
    });
    return { ended, end: () => void child.kill('SIGKILL') };
  }

  async kill({ id, stateDir }: RuntimePlace): Promise<boolean> {
    const args = [...this.#options(stateDir), 'kill', '-a', id, 'KILL'];
    const { exitCode } = await runCommand(this.name, args);
    return exitCode === 0;
  }

  async delete({ id, stateDir }: Omit<RuntimePlace, 'bundle'>): Promise<void> {
    await runCommand(this.name, [...this.#options(stateDir), 'delete', '--force', id]);
  }

  #options(stateDir: string): string[] {
    return [`--root=${stateDir}`, ...(this.name === 'crun' ? ['--cgroup-manager=cgroupfs'] : [])];
  }
}

/** Undefined for one that is not installed. */
export async function versionOf(name: RuntimeName): Promise<string | undefined> {
  const said = await runCommand(name, ['--version']).catch(() => undefined);
  return /version (\d+\.\d+(?:\.\d+)?)/.exec(said?.stdout ?? '')?.[1];
}

/** What the runtime's log (JSON lines) says was wrong, without what it says every time; undefined when nothing. */
export function runtimeError(log: string): string | undefined {
  const messages = log.split('\n').flatMap((line) => {
    try {
      const entry = JSON.parse(line) as { level?: unknown; msg?: unknown };
      return (entry.level === 'error' || entry.level === 'fatal') && typeof entry.msg === 'string'
        ? [entry.msg]
        : [];
    } catch {
      return [];
    }
  });
  const last = messages.at(-1)?.trim();
  return last?.replace(/^runc run failed: /, '').replace(/^unable to start container process: /, '');
}

/**
 * The exit code that a shell would give for a command that could not be started: 127 when it is not there, 126 when it
 * cannot be executed. Undefined when the message is not about the command: then the machine is at fault.
 */
export function startExitCode(message: string): 126 | 127 | undefined {
  if (!/^exec:|executable/i.test(message)) return undefined;
  return /not found|no such file/i.test(message) ? 127 : 126;
}
