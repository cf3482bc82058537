/**
 * The sandbox of RUN steps: invariant 9. It uses an OCI runtime (oci-runtime.ts) with the configuration of spec.ts, a network
 * of its own for each step (network.ts) and one output pipe (output.ts); run.ts is the way of one step.
 */
import { randomBytes } from 'node:crypto';
import { access, mkdir, readFile, rm } from 'node:fs/promises';
import { SlipwayError } from '../../errors.js';
import { type FastPaths, fastPaths } from '../../fast-paths.js';
import type { Logger } from '../../log.js';
import { Cgroups } from './cgroup.js';
import { parseAllowList } from './cidr.js';
import { runCommand } from './command.js';
import { ConfinedCrun } from './confined-crun.js';
import { SharedFiles } from './etc-files.js';
import { Networks } from './network.js';
import { Runtime } from './oci-runtime.js';
import { OutputPipes } from './output.js';
import { ownName } from './owner.js';
import { ownCapabilities } from './privileges.js';
import { ownerPaths, type Reaped, reapLeftovers } from './reap.js';
import { type Confined, runStep, type SandboxParts } from './run.js';
import { runtimeDirectory } from './runtime-directory.js';
import { seccompProfile } from './seccomp.js';
import { SeccompFilter } from './seccomp-filter.js';
import type { MachineLimits } from './spec.js';
import type { StepOutcome, StepSpec } from './step.js';
import { StepCgroups } from './step-cgroups.js';

export interface SandboxOptions {
  /** Where this machine's builders keep what runs; each has a directory of its own below. */
  readonly stateDir: string;
  /** Keep it in memory instead, where there is any. */
  readonly inMemory?: boolean;
  /** Networks that a step may reach although the host is attached to them: SLIPWAY_BUILD_NETWORK_ALLOW. */
  readonly networkAllow: readonly string[];
  readonly log?: Logger;
  /** Refuse a runtime with a known weakness instead of warning: its number alone does not say what a distribution patched. */
  readonly refuseKnownBad?: boolean;
  /** i386 programs on amd64, for those who trust what they build: see seccompProfile. */
  readonly with32Bit?: boolean;
  /** What the environment says unless given. */
  readonly fast?: Pick<FastPaths, 'crun' | 'networks'>;
}

/** What runs a step: the sandbox, or one that is only looked for when the first step runs. */
export type StepRunner = Pick<Sandbox, 'run'> & { readonly with32Bit?: boolean };

export class Sandbox {
  /** The owner's name, and more that no other sandbox of this process has. */
  readonly #prefix: string;
  /** Its own; then those in which killed ones may have left something. */
  readonly #directories: readonly string[];
  #parts: SandboxParts;
  readonly #confined: Confined | undefined;
  #steps = 0;

  private constructor(prefix: string, directories: readonly string[], parts: SandboxParts) {
    this.#prefix = prefix;
    this.#directories = directories;
    this.#parts = parts;
    this.#confined = parts.confined;
  }

  /** Finds out what the machine has. Throws `unavailable` with what to install or do, or `invalid_config`. */
  static async probe(options: SandboxOptions): Promise<Sandbox> {
    const { log } = options;
    if (process.getuid?.() !== 0) {
      throw new SlipwayError('unavailable', 'the builder must run as root to isolate RUN steps', {
        hint: 'start the builder as root; what it runs has namespaces, seccomp and few capabilities',
      });
    }
    const allow = parseAllowList(options.networkAllow);
    await requireTools();
    const cgroups = await Cgroups.find();
    const runtime = await Runtime.choose(cgroups.unified);
    checkAdvisories(runtime, options);
    const seccomp = seccompProfile(process.arch, { with32Bit: options.with32Bit ?? false });
    if (seccomp === undefined) log?.warn({ arch: process.arch }, 'no seccomp profile for this architecture');

    const owner = await ownName();
    const prefix = `${owner}-${randomBytes(3).toString('hex')}`;
    const directory = options.inMemory ? await runtimeDirectory(options.stateDir) : options.stateDir;
    const paths = ownerPaths(directory, prefix);
    for (const path of [paths.stateDir, paths.bundlesDir])
      await mkdir(path, { recursive: true, mode: 0o700 });
    const { fast = fastPaths() } = options;
    const networks = new Networks({ prefix, allow, log, reuse: fast.networks });
    const machine = await machineLimits(cgroups);
    return new Sandbox(prefix, [...new Set([directory, options.stateDir])], {
      runtime,
      confined:
        fast.crun && !cgroups.unified ? await findConfined(prefix, cgroups, machine, options) : undefined,
      stateDir: paths.stateDir,
      bundlesDir: paths.bundlesDir,
      cgroups,
      networks,
      outputs: new OutputPipes(paths.root),
      etc: new SharedFiles(paths.root),
      seccomp,
      machine,
      log,
    });
  }

  /** The runtime that was chosen, for the log and `slipway` doctor pages. */
  get runtime(): { readonly name: string; readonly version: string; readonly advisories: readonly string[] } {
    return this.#parts.runtime;
  }

  /** Runs one step: see `runStep`. Steps may run side by side. */
  async run(step: StepSpec): Promise<StepOutcome> {
    const { confined } = this.#parts;
    const id = `${this.#prefix}-step${++this.#steps}`;
    try {
      return await runStep(this.#parts, id, step);
    } catch (error) {
      if (confined === undefined || step.insecure === true || !isStartFailure(error)) throw error;
      // The step did not begin. If the other runtime can start it, this one is no good here.
      const outcome = await runStep({ ...this.#parts, confined: undefined }, `${id}-again`, step);
      this.#parts.log?.warn({ err: error }, 'crun does not work on this machine; RUN steps take longer');
      this.#parts = { ...this.#parts, confined: undefined };
      return outcome;
    }
  }

  /** Makes the first step's network ahead. */
  warmUp(): void {
    this.#parts.networks.prepare();
  }

  /** Removes what killed builders left; to be called once at start, before the first step. */
  async reap(): Promise<Reaped> {
    const reaped = await reapLeftovers(this.#directories, this.#parts.runtime, this.#parts.cgroups);
    if (Object.values(reaped).some((count) => count > 0))
      this.#parts.log?.info(reaped, 'removed what a killed builder left');
    return reaped;
  }

  /** Frees what is kept between steps. No step may run any more. */
  async close(): Promise<void> {
    await this.#parts.networks.close();
    if (this.#confined !== undefined) await this.#parts.cgroups.remove(this.#confined.cgroups.shared);
    const [directory = ''] = this.#directories;
    await rm(ownerPaths(directory, this.#prefix).root, { recursive: true, force: true });
  }
}

/** What a runtime answers that could not start the container, whatever is in it. */
function isStartFailure(error: unknown): boolean {
  return error instanceof SlipwayError && error.code === 'unavailable' && error.temporary;
}

type Version = Pick<Runtime, 'name' | 'version' | 'advisories'>;

const TOOLS: readonly {
  readonly program: string;
  readonly args: readonly string[];
  readonly package: string;
}[] = [
  { program: 'slirp4netns', args: ['--version'], package: 'slirp4netns' },
  { program: 'ip', args: ['-V'], package: 'iproute2' },
  { program: 'unshare', args: ['--version'], package: 'util-linux' },
];

async function requireTools(): Promise<void> {
  for (const tool of TOOLS) {
    const result = await runCommand(tool.program, tool.args).catch(() => undefined);
    if (result?.exitCode === 0) continue;
    throw new SlipwayError('unavailable', `${tool.program} is not installed, which RUN steps need`, {
      hint: `install Debian's package ${tool.package}`,
    });
  }
}

function checkAdvisories(runtime: Version, options: SandboxOptions): void {
  const { name, version, advisories } = runtime;
  options.log?.info({ runtime: name, version }, 'RUN steps run in an OCI runtime');
  if (advisories.length === 0) return;
  if (options.refuseKnownBad) {
    throw new SlipwayError(
      'unavailable',
      `${name} ${version} has known weaknesses: ${advisories.join(', ')}`,
      {
        hint: `install a newer ${name}`,
      },
    );
  }
  options.log?.warn(
    { runtime: name, version, advisories },
    'this version has known weaknesses unless it was patched',
  );
}

/** Undefined where there is no crun, or not what it needs: then it is the other runtime. */
async function findConfined(
  prefix: string,
  cgroups: Cgroups,
  machine: MachineLimits,
  options: SandboxOptions,
): Promise<Confined | undefined> {
  try {
    const runtime = await ConfinedCrun.find(cgroups);
    const own = runtime && (await StepCgroups.open(prefix, machine));
    if (runtime === undefined || own === undefined) return undefined;
    checkAdvisories(runtime, options);
    return { runtime, cgroups: own, filter: new SeccompFilter() };
  } catch (error) {
    options.log?.warn({ err: error }, 'crun cannot be used on this machine');
    return undefined;
  }
}

async function machineLimits(cgroups: Cgroups): Promise<MachineLimits> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  const hard = (name: string): number => {
    const value = new RegExp(`^${name} +\\S+ +(\\S+)`, 'm').exec(limits)?.[1];
    return value === 'unlimited' ? Number.POSITIVE_INFINITY : Number(value ?? 0);
  };
  return {
    swapAccounting: await cgroups.countsSwap(),
    ipv6: await access('/proc/sys/net/ipv6').then(
      () => true,
      () => false,
    ),
    openFiles: hard('Max open files'),
    coreBytes: hard('Max core file size'),
    capabilities: await ownCapabilities(),
  };
}
