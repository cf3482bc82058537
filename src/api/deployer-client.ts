/**
 * Asks the deployer about running containers over its unix socket. The web process itself cannot reach a target host.
 * The deployer's side is deploy/serve.ts.
 */
import { type IncomingMessage, request } from 'node:http';
import { ERROR_CODES, type ErrorCode, SlipwayError } from '../errors.js';

export interface ProcessView {
  readonly process: string;
  /** That it serves; asked of the deployer, the one that started it. */
  readonly release: number;
  /** The deployment that started it. */
  readonly deployment: string;
  readonly state: string;
  readonly health?: string;
  readonly host: string;
  readonly container: string;
  readonly startedAt?: string;
  readonly restarts: number;
}

export interface RunningView {
  readonly processes: readonly ProcessView[];
  /** Hosts that could not be asked: what they run is not among the processes. */
  readonly silent: readonly { readonly host: string; readonly reason: string }[];
}

/** What a sweep of the hosts' images did, or would do. */
export interface HostSweep {
  readonly host: string;
  readonly images: number;
  /** Counted once where images share it, as far as the engine tells. */
  readonly bytes: number;
  readonly apps: readonly { readonly app: string; readonly images: number; readonly bytes: number }[];
  /** Why it could not be asked; it is swept when it is back. */
  readonly silent?: string;
}

export interface HostsSweep {
  readonly hosts: readonly HostSweep[];
}

const ANSWER_MS = 10_000;
/** An engine removes many gigabytes in one call. */
const SWEEP_MS = 10 * 60_000;

export class DeployerClient {
  readonly #socketPath: string;
  readonly #answerMs: number;

  constructor(socketPath: string, answerMs: number = ANSWER_MS) {
    this.#socketPath = socketPath;
    this.#answerMs = answerMs;
  }

  /** The app's containers. Throws `unavailable` when no deployer answers. */
  async processes(app: string): Promise<RunningView> {
    const running = (await readJson(await this.#get(`/apps/${app}/ps`))) as Partial<RunningView> | null;
    if (Array.isArray(running?.processes) && Array.isArray(running.silent)) return running as RunningView;
    throw silent(new Error('no list of processes'));
  }

  /** The app's output as text: the last `lines`, then, with `follow`, what comes. The caller destroys the stream. */
  async logs(
    app: string,
    options: { readonly lines: number; readonly follow: boolean },
  ): Promise<IncomingMessage> {
    const answer = await this.#get(
      `/apps/${app}/logs?lines=${options.lines}&follow=${options.follow ? '1' : '0'}`,
    );
    // What is followed may be silent for hours.
    if (options.follow) answer.setTimeout(0);
    return answer;
  }

  /** Removes the images of no kept release from all hosts. Throws `unavailable` when no deployer answers. */
  async sweepImages({ dryRun, app }: { dryRun: boolean; app?: string }): Promise<HostsSweep> {
    const query = new URLSearchParams({
      'dry-run': dryRun ? '1' : '0',
      ...(app === undefined ? {} : { app }),
    });
    const path = `/image-sweeps?${query}`;
    const swept = (await readJson(
      await this.#get(path, { method: 'POST', answerMs: SWEEP_MS }),
    )) as Partial<HostsSweep> | null;
    if (Array.isArray(swept?.hosts)) return swept as HostsSweep;
    throw silent(new Error('no report of a sweep'));
  }

  /** Silence of `answerMs`, before the answer or in it, ends it. */
  #get(
    path: string,
    { method = 'GET', answerMs = this.#answerMs }: { method?: string; answerMs?: number } = {},
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.#socketPath, method, path, timeout: answerMs };
      const asked = request(options, (answer) => {
        if (answer.statusCode === 200) resolve(answer);
        else readError(answer).then(reject, (cause: unknown) => reject(silent(cause)));
      });
      asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
      asked.on('error', (cause) => reject(silent(cause)));
      asked.end();
    });
  }
}

async function readJson(answer: IncomingMessage): Promise<unknown> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (cause) {
    throw silent(cause);
  }
}

/** What the deployer says went wrong. Its own failures are not the web process's: its log says nothing of them. */
async function readError(answer: IncomingMessage): Promise<SlipwayError> {
  const body = await readJson(answer);
  const { code, message, hint } = (body ?? {}) as Partial<Record<'code' | 'message' | 'hint', unknown>>;
  const known = typeof code === 'string' && Object.hasOwn(ERROR_CODES, code) && code !== 'internal';
  if (!known || typeof message !== 'string') {
    return new SlipwayError('unavailable', 'the deployer failed', {
      hint: 'the operator finds the reason in the log of the deployer',
    });
  }
  return new SlipwayError(code as ErrorCode, message, typeof hint === 'string' ? { hint } : {});
}

function silent(cause: unknown): SlipwayError {
  return new SlipwayError('unavailable', 'the deployer does not answer', {
    hint: 'try again in a few seconds; the operator finds the reason in its log',
    temporary: true,
    cause,
  });
}
