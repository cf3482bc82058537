/**
 * crun where it would refuse to work or leave limits out: on a machine with cgroups v1, or with both. It gets no cgroup
 * manager; it is started in the cgroups of the step (step-cgroups.ts), with a view in which the controllers of v2 are not
 * there, on which it stops. It takes a third of the time of runc and starts no other program. What it keeps of a
 * container is a directory, and its processes are those of the container's cgroup: none of its own commands is needed
 * to end one.
 */
import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type SealedProgram, sealProgram, startConfined } from '../../../native/index.js';
import { SlipwayError } from '../../errors.js';
import { advisoriesFor } from './advisories.js';
import { CGROUP2_MAGIC, type Cgroups, MOUNT } from './cgroup.js';
import { programPath, TOOL_ENV } from './command.js';
import { type Running, type RuntimePlace, type StepRuntime, versionOf } from './oci-runtime.js';
import type { OutputPipe } from './output.js';
import type { StepCgroup } from './step-cgroups.js';

export class ConfinedCrun implements StepRuntime {
  readonly name = 'crun';
  readonly version: string;
  readonly advisories: readonly string[];
  readonly #program: string;
  readonly #sealed: SealedProgram | undefined;
  readonly #hidden: readonly string[];
  readonly #cgroups: Cgroups;

  private constructor(program: string, version: string, cgroups: Cgroups, hidden: readonly string[]) {
    this.version = version;
    this.advisories = advisoriesFor(this.name, version);
    this.#program = program;
    this.#sealed = sealProgram(program);
    this.#cgroups = cgroups;
    this.#hidden = hidden;
  }

  /** Undefined where it is not installed. */
  static async find(cgroups: Cgroups): Promise<ConfinedCrun | undefined> {
    const version = await versionOf('crun');
    const program = await programPath('crun');
    if (version === undefined || program === undefined) return undefined;
    const unified = join(MOUNT, 'unified');
    const { type } = await statfs(unified).catch(() => ({ type: 0 }));
    return new ConfinedCrun(program, version, cgroups, type === CGROUP2_MAGIC ? [unified] : []);
  }

  start(place: RuntimePlace, output: OutputPipe, cgroup?: StepCgroup): Running {
    const { stateDir, bundle, id } = place;
    const process = output.give((writer) =>
      startConfined({
        program: this.#program,
        ...(this.#sealed === undefined ? {} : { sealed: this.#sealed }),
        args: [
          ...[`--root=${stateDir}`, '--cgroup-manager=disabled'],
          ...[`--log=${join(bundle, 'log')}`, '--log-format=json', 'run'],
          ...[`--bundle=${bundle}`, `--pid-file=${join(bundle, 'pid')}`, id],
        ],
        env: TOOL_ENV,
        output: writer,
        directories: cgroup?.directories ?? [],
        settings: cgroup?.settings ?? [],
        joins: cgroup?.joins ?? [],
        hidden: this.#hidden,
      }),
    );
    const ended = process.then(
      (started) => started.ended,
      (error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        throw new SlipwayError('unavailable', `crun could not be started: ${why}`, {
          temporary: true,
          cause: error,
        });
      },
    );
    return { ended, end: () => void this.#cgroups.kill(id) };
  }

  async kill({ id }: RuntimePlace): Promise<boolean> {
    return this.#cgroups.kill(id);
  }

  /** crun removes its directory when it ends by itself. */
  async delete({ stateDir, id }: RuntimePlace): Promise<void> {
    await this.#cgroups.kill(id);
    await rm(join(stateDir, id), { recursive: true, force: true });
  }
}
