/** How one step is run: take what it needs, run it, see how it ended, give everything back. */
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { removeTree } from '../../../native/index.js';
import { SlipwayError } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { Cgroups } from './cgroup.js';
import { Cleanup } from './cleanup.js';
import { Container } from './container.js';
import { watchDisk } from './disk-watch.js';
import { etcFiles, hostNameServers, type SharedFiles, writeFileAs } from './etc-files.js';
import type { Networks, StepNetwork } from './network.js';
import { type Runtime, runtimeError, type StepRuntime, startExitCode } from './oci-runtime.js';
import type { OutputPipes } from './output.js';
import { hostDevices } from './privileges.js';
import { checkRootfs } from './rootfs.js';
import type { SeccompProfile } from './seccomp.js';
import type { SeccompFilter } from './seccomp-filter.js';
import { type FileMount, type MachineLimits, runtimeConfig } from './spec.js';
import { HOSTNAME, type StepFile, type StepMount, type StepOutcome, type StepSpec } from './step.js';
import type { StepCgroups } from './step-cgroups.js';
import { MountPoints, type MountTarget } from './stubs.js';

/** For what is in the pipe when a step has ended; the reader is slower than a disk only when it hangs. */
const DRAIN_MS = 30_000;
const PREPARE_AFTER_MS = 100;

/** A runtime that makes no cgroups, and those that it is started in. */
export interface Confined {
  readonly runtime: StepRuntime;
  readonly cgroups: StepCgroups;
  /** Of `seccomp`, for all steps. */
  readonly filter: SeccompFilter;
}

export interface SandboxParts {
  readonly runtime: Runtime;
  /** Goes before `runtime` where there is one. */
  readonly confined: Confined | undefined;
  /** The runtime's state, and a directory for each step. */
  readonly stateDir: string;
  readonly bundlesDir: string;
  readonly cgroups: Cgroups;
  readonly networks: Networks;
  readonly outputs: OutputPipes;
  readonly etc: SharedFiles;
  readonly seccomp: SeccompProfile | undefined;
  readonly machine: MachineLimits;
  readonly log: Logger | undefined;
}

/**
 * Runs one step to its end. An exit code, a time-out, and a limit that was hit are in the outcome. Throws the signal's
 * reason when it is aborted; `step_failed` when the root cannot be used; `disk_full`; and `unavailable` when the machine
 * is at fault. Nothing of the step is left when it returns or throws, but what it wrote in its root.
 */
export async function runStep(parts: SandboxParts, container: string, step: StepSpec): Promise<StepOutcome> {
  step.signal?.throwIfAborted();
  checkWords(step);
  const cleanup = new Cleanup();
  let outcome: StepOutcome | undefined;
  let failures: unknown[] = [];
  try {
    outcome = await execute(parts, container, step, cleanup);
  } finally {
    failures = await cleanup.run();
    for (const error of failures)
      parts.log?.error({ err: error, container }, 'cleaning up after a step failed');
  }
  step.signal?.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  return outcome;
}

async function execute(
  parts: SandboxParts,
  id: string,
  step: StepSpec,
  cleanup: Cleanup,
): Promise<StepOutcome> {
  await checkRootfs(step.rootfs, step.cwd);

  const bundle = join(parts.bundlesDir, id);
  await mkdir(bundle, { mode: 0o700 });
  const removeBundle = cleanup.defer(() => removeTree(bundle));

  const network = step.network === 'default' ? await parts.networks.take() : undefined;
  const releaseNetwork = cleanup.defer(
    () => network && parts.networks.release(network, { mayKeep: step.insecure !== true }),
  );

  const hostname = step.hostname ?? HOSTNAME;
  const nameServers = step.network === 'host' ? await hostNameServers() : nameServer(network);
  const etc = etcFiles(hostname, nameServers);
  const mounted = [...etc, ...(step.files ?? [])];
  const points = await MountPoints.make(
    step.rootfs,
    mounted.map((file) => file.path),
    (step.mounts ?? []).map(mountTarget),
  );
  const removePoints = cleanup.defer(() => points.remove());
  const stubs = points.made;
  const files = await writeFiles(bundle, mounted, points, async (file) =>
    step.insecure !== true && etc.includes(file) ? parts.etc.source(file) : undefined,
  );

  // An insecure step has the devices of the host, and time.
  const confined = step.insecure === true ? undefined : parts.confined;
  const cgroup = confined?.cgroups.of(id, step.limits);
  const filter = confined?.filter.compiled;
  const config = runtimeConfig({
    step,
    hostname,
    ...(cgroup === undefined ? { cgroupPath: parts.cgroups.pathOf(id) } : { cgroupMounts: cgroup.mounts }),
    files,
    mounts: (step.mounts ?? []).map((mount, index) => ({
      ...mount,
      target: points.targets[index] ?? mount.target,
    })),
    hostDevices: step.insecure === true ? await hostDevices() : [],
    networkNamespace: network?.namespace,
    seccomp: parts.seccomp,
    ...(filter === undefined ? {} : { seccompFilter: filter }),
    machine: parts.machine,
  });
  await writeConfig(bundle, step.memory, config);

  const output = await parts.outputs.take();
  const closeOutput = cleanup.defer(() => output.close());
  const removeCgroups = cleanup.defer(() => parts.cgroups.remove(id, cgroup?.directories));

  let onExceeded: (reason: 'disk_limit' | 'disk_full') => void = () => undefined;
  if (step.diskWatch !== undefined) {
    const watch = await watchDisk({
      ...step.diskWatch,
      onExceeded: (why) => onExceeded(why),
    });
    cleanup.defer(() => watch.stop());
  }

  const start = performance.now();
  const place = { id, stateDir: stateDirOf(parts, step, confined), bundle };
  const runtime = confined?.runtime ?? parts.runtime;
  let started = false;
  const learned = confined?.filter.learnFrom(place);
  const endLearning = cleanup.defer(() => learned?.(started));
  const running = new Container({ place, runtime, output, cgroup });
  cleanup.defer(() => running.remove());
  onExceeded = (reason) => running.stop(reason);
  const onAbort = (): void => running.stop('aborted');
  step.signal?.addEventListener('abort', onAbort);
  cleanup.defer(() => step.signal?.removeEventListener('abort', onAbort));
  if (step.signal?.aborted) onAbort();
  const timer = setTimeout(() => running.stop('time'), step.timeoutMs);
  cleanup.defer(() => clearTimeout(timer));

  // A step that takes this long has probably used its network, and does not wait for the processor any more.
  const ahead = setTimeout(() => network && parts.networks.prepare(), PREPARE_AFTER_MS);
  cleanup.defer(() => clearTimeout(ahead));
  const drained = output.drain(() => running.started(), step.onOutput);
  drained.catch(onAbort); // nobody takes the output any more
  const exitCode = await running.ended;
  clearTimeout(timer);
  clearTimeout(ahead);
  const elapsedMs = performance.now() - start;
  const [events, hasStarted] = await Promise.all([parts.cgroups.events(id), running.started()]);
  started = hasStarted;
  await endLearning();
  const stopped = running.stopReason;
  const startError = started || stopped !== undefined ? undefined : await readStartError(bundle);
  await running.remove();
  // Side by side: none of it needs what another takes away.
  await Promise.all([
    within(DRAIN_MS, drained).then(closeOutput),
    ...[releaseNetwork(), removeCgroups(), removePoints(), removeBundle()],
  ]);
  const code = startError === undefined ? exitCode : startError.exitCode;
  const signal = signalOf(code);
  return {
    exitCode: code,
    ...(signal === undefined ? {} : { signal }),
    timedOut: stopped === 'time',
    oomKilled: events.oomKills > 0,
    processLimitHit: events.forksRefused > 0,
    diskLimitExceeded: stopped === 'disk_limit',
    diskFull: stopped === 'disk_full',
    ...(startError === undefined ? {} : { startError: startError.message }),
    stubs,
    elapsedMs,
  };
}

/** crun keeps a copy of config.json there, with all variables. */
function stateDirOf({ runtime, stateDir }: SandboxParts, { memory }: StepSpec, confined?: Confined): string {
  const copies = confined !== undefined || runtime.name === 'crun';
  return copies && memory !== undefined ? join(memory, 'state') : stateDir;
}

/** Arguments and variables end at a NUL for the kernel: one inside would cut what the user wrote. */
function checkWords(step: StepSpec): void {
  const words = [...step.argv, ...step.env, step.cwd];
  if (step.argv.length > 0 && words.every((word) => !word.includes('\0'))) return;
  const message = step.argv.length === 0 ? 'there is no command to run' : 'a command cannot hold a NUL byte';
  throw new SlipwayError('step_failed', message, { where: 'RUN' });
}

function nameServer(network: StepNetwork | undefined): string {
  return network === undefined ? '' : `nameserver ${network.nameServer}\n`;
}

function mountTarget(mount: StepMount): MountTarget {
  if (mount.kind === 'tmpfs') return { path: mount.target, type: 'directory', mode: 0o1777 };
  const { target, type, source, own } = mount;
  return {
    path: target,
    type,
    ...(own && type === 'directory' ? { directory: source } : { isShared: !own }),
  };
}

/** `shared`: files that others see too, for a step that cannot write to them. */
function writeFiles(
  bundle: string,
  files: readonly StepFile[],
  points: MountPoints,
  shared: (file: StepFile) => Promise<string | undefined>,
): Promise<FileMount[]> {
  return Promise.all(
    files.map(async (file, index) => {
      let source = await shared(file);
      if (source === undefined) {
        source = join(bundle, `file-${index}`);
        await writeFileAs(source, file.content, file.mode);
      }
      return { source, destination: points.files.get(file.path) ?? file.path };
    }),
  );
}

/** In memory where there is any: what is killed leaves no variables on a disk. */
async function writeConfig(bundle: string, memory: string | undefined, config: object): Promise<void> {
  const path = join(bundle, 'config.json');
  const real = memory === undefined ? path : join(memory, 'config.json');
  await writeFile(real, JSON.stringify(config), { mode: 0o600 });
  if (real !== path) await symlink(real, path);
}

async function readStartError(bundle: string): Promise<{ message: string; exitCode: number }> {
  const log = await readFile(join(bundle, 'log'), 'utf8').catch(() => '');
  const message = runtimeError(log) ?? 'the runtime gave no reason';
  const exitCode = startExitCode(message);
  if (exitCode !== undefined) return { message, exitCode };
  throw new SlipwayError('unavailable', `the sandbox could not start the step: ${message}`, {
    temporary: true,
  });
}

async function within(ms: number, promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new SlipwayError('internal', `a step's output was not taken in ${ms} ms`)),
      ms,
    );
  });
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function signalOf(exitCode: number): NodeJS.Signals | undefined {
  const names = Object.entries(constants.signals) as [NodeJS.Signals, number][];
  return names.find(([, number]) => exitCode === 128 + number)?.[0];
}
