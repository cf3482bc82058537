/**
 * The OCI runtime: which one this machine gets, and the commands it is given. crun where cgroup v2 is unified, as it
 * starts faster; runc elsewhere, as crun leaves limits out on a hybrid machine.
 */
import { join } from 'node:path';
import { SlipwayError } from '../../errors.js';
import { advisoriesFor } from './advisories.js';
import { runCommand } from './command.js';

export type RuntimeName = 'crun' | 'runc';

export class Runtime {
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
      const said = await runCommand(name, ['--version']).catch(() => undefined);
      const version = /version (\d+\.\d+(?:\.\d+)?)/.exec(said?.stdout ?? '')?.[1];
      if (version !== undefined) return new Runtime(name, version);
    }
    throw new SlipwayError('unavailable', 'no OCI runtime is installed, which RUN steps need', {
      hint: `install one of Debian's packages: ${candidates.join(' or ')}`,
    });
  }

  /** argv of a run in the foreground. `stateDir` is the runtime's own, `bundle` holds config.json. */
  runArguments(stateDir: string, bundle: string, container: string): string[] {
    return [
      ...this.#options(stateDir),
      ...[`--log=${join(bundle, 'log')}`, '--log-format=json', 'run'],
      // Kept, so that the cgroup's counts can be read before `delete`.
      ...(this.#keeps ? ['--keep'] : []),
      ...[`--bundle=${bundle}`, `--pid-file=${join(bundle, 'pid')}`, container],
    ];
  }

  /** Kills every process of a container. False when there is no such container, or not yet. */
  async kill(stateDir: string, container: string): Promise<boolean> {
    const { exitCode } = await runCommand(this.name, [
      ...this.#options(stateDir),
      'kill',
      '-a',
      container,
      'KILL',
    ]);
    return exitCode === 0;
  }

  /** Removes a container, running or not; nothing happens when there is none. */
  async delete(stateDir: string, container: string): Promise<void> {
    await runCommand(this.name, [...this.#options(stateDir), 'delete', '--force', container]);
  }

  #options(stateDir: string): string[] {
    return [`--root=${stateDir}`, ...(this.name === 'crun' ? ['--cgroup-manager=cgroupfs'] : [])];
  }
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
