/**
 * A push looks on while its build and rollout happen elsewhere: the log as it grows, a sign of life when there is none, and
 * in the end the verdict. It is a viewer: when it goes away nothing else changes.
 */
import { toSlipwayError } from '../errors.js';
import type { Logger } from '../log.js';
import { followLog, readLog } from '../logs/log-reader.js';
import { type Deployment, type DeploymentState, isFinal } from '../model/deployment.js';
import type { DeploymentStore } from '../records/deployments.js';
import { pinRef } from './app-repository.js';
import type { PushViewer } from './push.js';
import { refuse, type Verdict } from './verdict.js';

const DOING: Readonly<Partial<Record<DeploymentState, string>>> = {
  accepted: 'waiting for a builder',
  building: 'building',
  ready: 'waiting for the rollout',
  releasing: 'rolling out',
};

/** Enough for the lines that a log begins with. */
const FIRST_LINES_BYTES = 64 * 1024;

/** Resolves with the verdict on the deploy branch: at the end, or at once for `detach` and when the viewer is let go. */
export async function followPush(
  parts: { readonly store: Pick<DeploymentStore, 'watch' | 'logPath'>; readonly log: Logger },
  accepted: Deployment,
  viewer: PushViewer,
  signOfLifeMs: number,
): Promise<Verdict> {
  const { app, id, push } = accepted;
  const ref = push?.ref ?? '';
  const oid = push?.newOid ?? '';
  const path = parts.store.logPath(app, id);
  if (push?.options.detach) {
    const { data } = await readLog(path, 0, FIRST_LINES_BYTES);
    await viewer.write(data);
    return { ref, ok: true, instead: { ref: pinRef(id), oid } };
  }

  const pulse = new Pulse(viewer, signOfLifeMs);
  const stop = new AbortController();
  const signal = AbortSignal.any([viewer.signal, stop.signal]);
  let last = accepted;
  const ended = (async () => {
    for await (const now of parts.store.watch(app, id, signal)) {
      last = now;
      pulse.doing = DOING[now.state] ?? 'working';
    }
  })();
  try {
    for await (const { data } of followLog(path, 0, ended, signal)) await pulse.write(data);
    await ended;
  } catch (thrown) {
    parts.log.error({ err: thrown, app, build: id }, 'push not followed');
    const resume = `slipway builds:output -a ${app} ${id} -f`;
    await viewer.write(
      ` !     ${toSlipwayError(thrown).message}\n !     Build ${id} goes on; follow it with ${resume}\n`,
    );
    return refuse(ref, `lost sight of build ${id}, which goes on`);
  } finally {
    stop.abort();
    pulse.stop();
    await ended.catch(() => {});
  }
  if (isFinal(last.state)) return verdictOf(last, ref, oid);
  const reason = typeof viewer.signal.reason === 'string' ? viewer.signal.reason : 'detached';
  await viewer.write(
    ` !     ${reason}: build ${id} goes on; follow it with slipway builds:output -a ${app} ${id} -f\n`,
  );
  return refuse(ref, `${reason}; build ${id} goes on`);
}

function verdictOf({ id, state, reason }: Deployment, ref: string, oid: string): Verdict {
  // The deployer has moved the branch; with proc-receive git moves nothing itself.
  if (state === 'live') return { ref, ok: true };
  if (state === 'built') return { ref, ok: true, instead: { ref: pinRef(id), oid } };
  return refuse(ref, reason ?? `build ${id} ${state}`);
}

/** Writes to the viewer, and says that the work goes on when nothing else was said for a while. */
class Pulse {
  doing = 'waiting for a builder';
  readonly #viewer: PushViewer;
  readonly #timer: NodeJS.Timeout;
  readonly #startedAt = performance.now();
  #endsLine = true;

  constructor(viewer: PushViewer, everyMs: number) {
    this.#viewer = viewer;
    this.#timer = setInterval(() => {
      const seconds = Math.round((performance.now() - this.#startedAt) / 1000);
      // Proxies and NAT cut silent connections; a person sees that it is not stuck. It is not part of the log.
      void viewer.write(`${this.#endsLine ? '' : '\n'}       … ${this.doing}, ${seconds} s\n`);
      this.#endsLine = true;
    }, everyMs);
  }

  async write(data: Buffer): Promise<void> {
    if (data.length === 0) return;
    this.#timer.refresh();
    this.#endsLine = data.at(-1) === 0x0a;
    await this.#viewer.write(data);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
