/**
 * The release phase: the command of `release:` in the Procfile, run once in the new image with the new config, before anything of the
 * release serves: migrations, most of all. What it writes goes into the deployment's log. It runs on one host, and what it leaves
 * behind is its own: a rollout that fails after it does not take it back.
 *
 * Its container has the deployment's name and labels. So a deployer that takes over finds what a killed one left and removes it
 * before it runs the command again, and a revert takes it away like any other of the release.
 */
import { SlipwayError } from '../src/errors.js';
import type { BuildLog } from '../src/logs/log-writer.js';
import { needsReleasePhase, type ReleaseWithOutcome } from '../src/model/release.js';
import { commandText } from '../src/model/release-diff.js';
import { mountsOfAll, withContents } from '../src/model/volume.js';
import { commandEngine, commandSurroundings } from './commands.js';
import type { Host } from './hosts.js';
import { RELEASE_PHASE } from './names.js';
import type { DeployerParts } from './parts.js';
import { logStream } from './targets/log-stream.js';

export interface ReleasePhase {
  readonly app: string;
  readonly release: ReleaseWithOutcome;
  readonly releases: readonly ReleaseWithOutcome[];
  /** The host that it runs on. One where nothing of the release runs may not have the image yet. */
  readonly host: Host;
  readonly log: BuildLog;
  readonly redact: (text: string) => string;
  readonly signal: AbortSignal;
}

const PREFIX = 'release | ';
const LINE_CHARS = 64 * 1024;

/** Whether there is one to run. */
export function hasReleasePhase({ release, releases }: Pick<ReleasePhase, 'release' | 'releases'>): boolean {
  return needsReleasePhase(release, releases);
}

/** Resolves with what is to be said of it. Throws `release_phase_failed` for another exit code than 0 and for its time limit. */
export async function runReleasePhase(
  { ledger, config }: Pick<DeployerParts, 'ledger' | 'config'>,
  phase: ReleasePhase,
): Promise<string> {
  const { app, release, host, log, signal } = phase;
  const target = commandEngine(host);
  const { number, deploymentId, image, releasePhase: command = [] } = release;
  const { releasePhaseTimeoutMs } = config.limits;
  const late = AbortSignal.timeout(releasePhaseTimeoutMs);
  const end = AbortSignal.any([signal, late]);
  const instance = { process: RELEASE_PHASE, number: 1 };
  await log.headline(`Release phase: ${phase.redact(commandText(command))}`);
  const spec = {
    app,
    release: number,
    deployment: deploymentId,
    instance,
    image,
    command,
    mounts: withContents((await ledger.read(app)).volumes, app, mountsOfAll(release.processes)),
  };
  let id: string | undefined;
  try {
    await removeLeftover(phase);
    await target.pull(image, { signal: end });
    const config = ledger.revealConfig(app, release.config);
    const surroundings = await commandSurroundings(host, app, config, { signal: end });
    ({ id } = await target.start({ ...spec, ...surroundings }, { signal: end }));
    await copyOutput(phase, id, end);
    const { exitCode, outOfMemory } = await target.wait(id, {
      signal: end,
      timeoutMs: releasePhaseTimeoutMs,
    });
    if (exitCode === 0) return 'the release phase ended well';
    throw failed(`exit code ${exitCode}${outOfMemory ? ', out of memory' : ''}`);
  } catch (error) {
    signal.throwIfAborted();
    if (late.aborted) throw failed(`it took longer than ${releasePhaseTimeoutMs / 1000} s`);
    throw error;
  } finally {
    await log.endRaw(PREFIX);
    // Only our own: a deployer that has taken over may have started another. What cannot be removed now, revert and reconciler find.
    if (id !== undefined) await target.remove(id).catch(() => undefined);
  }
}

/** Of a deployer that was killed in it: the command must not run twice at once. */
async function removeLeftover({ app, release, host }: ReleasePhase): Promise<void> {
  const target = commandEngine(host);
  const containers = await target.list(app);
  const ours = containers.filter(
    ({ deployment, instance }) => deployment === release.deploymentId && instance.process === RELEASE_PHASE,
  );
  await Promise.all(ours.map(({ id }) => target.remove(id)));
}

/** Until the container ends. Line by line, so that no secret is cut in two by the way it comes. */
async function copyOutput({ host, log, redact }: ReleasePhase, id: string, end: AbortSignal): Promise<void> {
  const stream = await logStream(commandEngine(host).engine, id, {
    lines: 10_000,
    follow: true,
    signal: end,
  });
  const stop = (): void => void stream.destroy();
  end.addEventListener('abort', stop, { once: true });
  try {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const part of stream as AsyncIterable<Buffer>) {
      const whole = (rest + decoder.decode(part, { stream: true })).split('\n');
      // The log shows less of a line.
      rest = (whole.pop() ?? '').slice(0, LINE_CHARS);
      for (const line of whole) await log.raw(`${redact(line)}\n`, PREFIX);
    }
    if (rest !== '') await log.raw(`${redact(rest)}\n`, PREFIX);
  } finally {
    end.removeEventListener('abort', stop);
    stream.destroy();
  }
  end.throwIfAborted();
}

function failed(how: string): SlipwayError {
  return new SlipwayError('release_phase_failed', `the release phase failed: ${how}`, {
    hint: 'see its output above; correct it and push again. What it had changed by then has stayed so',
  });
}
