/**
 * Asks the deployer about running containers over its unix socket. The web process itself cannot reach a target host.
 * The deployer's side is deploy/serve.ts.
 */
import { type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { ERROR_CODES, type ErrorCode, SlipwayError } from '../errors.js';
import { ATTACH_PROTOCOL } from '../frames.js';
import type { CronStarted } from './cron-views.js';
import type { AddedHost, HostReport, HostStatus, HostWish, RemovedHost } from './host-views.js';
import type {
  ContainerView,
  OneOffList,
  OneOffStarted,
  OneOffView,
  TopView,
  UsageList,
} from './one-off-views.js';
import type { BackupView } from './volume-views.js';

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

/** What the edge counted for an app. */
export interface TrafficView {
  /** The edge counts from its start, or from when it was reloaded last. */
  readonly since: string;
  readonly requests: number;
  /** By the class of their status. */
  readonly responses: Readonly<Record<'1xx' | '2xx' | '3xx' | '4xx' | '5xx', number>>;
  /** From the clients and to them. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Requests and tunnels now. */
  readonly underWay: number;
  /** Connections to containers that were not made, answers that broke off, and what was tried again. */
  readonly failures: { readonly connections: number; readonly responses: number; readonly retries: number };
  /** Averages of the last requests: until a server was free, until it was connected, until its answer began, in all. */
  readonly averageMs: Readonly<Record<'queue' | 'connect' | 'response' | 'total', number>>;
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

/** What the reconciler has done since its deployer started. */
export interface DriftView {
  readonly passes: number;
  /** Passes that met trouble. */
  readonly failures: number;
  /** Containers that had stopped, that were missing, that were of no use any more, and that nobody knew. */
  readonly stopped: number;
  readonly missing: number;
  readonly discarded: number;
  readonly strays: number;
}

const ANSWER_MS = 10_000;
/** A host may have to pull the image first. */
const RUN_MS = 10 * 60_000;
/** Time to connect, to ask a registry, and to try another port. */
const HOST_MS = 90_000;
/** apt may be silent for as long. */
const PREPARATION_MS = 10 * 60_000;
/** An engine removes many gigabytes in one call. */
const SWEEP_MS = 10 * 60_000;

export class DeployerClient {
  readonly #socketPath: string;
  readonly #answerMs: number;

  constructor(socketPath: string, answerMs: number = ANSWER_MS) {
    this.#socketPath = socketPath;
    this.#answerMs = answerMs;
  }

  /** Throws `unavailable` when no deployer answers. */
  async ping(): Promise<void> {
    await readJson(await this.#get('/healthz'));
  }

  async drift(): Promise<DriftView> {
    const drift = (await readJson(await this.#get('/drift'))) as Partial<DriftView> | null;
    if (Number.isInteger(drift?.passes)) return drift as DriftView;
    throw silent(new Error('no counts'));
  }

  /** The app's containers. Throws `unavailable` when no deployer answers. */
  async processes(app: string): Promise<RunningView> {
    const running = (await readJson(await this.#get(`/apps/${app}/ps`))) as Partial<RunningView> | null;
    if (Array.isArray(running?.processes) && Array.isArray(running.silent)) return running as RunningView;
    throw silent(new Error('no list of processes'));
  }

  /** How many containers of each app run. Throws `unavailable` when no deployer answers, or it cannot count them all. */
  async running(): Promise<Readonly<Record<string, number>>> {
    const { running } = ((await readJson(await this.#get('/running'))) ?? {}) as { running?: unknown };
    if (typeof running === 'object' && running !== null) return running as Record<string, number>;
    throw silent(new Error('not all that runs is known'));
  }

  /** The app's output, or that of one detached command, as text: the last `lines`, then, with `follow`, what comes. The caller destroys the stream. */
  async logs(
    app: string,
    options: { readonly lines: number; readonly follow: boolean; readonly run?: string },
  ): Promise<IncomingMessage> {
    const of = options.run === undefined ? app : `${app}/runs/${options.run}`;
    const answer = await this.#get(
      `/apps/${of}/logs?lines=${options.lines}&follow=${options.follow ? '1' : '0'}`,
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
    const swept = (await readJson(await this.#post(path, {}, SWEEP_MS))) as Partial<HostsSweep> | null;
    if (Array.isArray(swept?.hosts)) return swept as HostsSweep;
    throw silent(new Error('no report of a sweep'));
  }

  /** Undefined when nothing of the app is at the edge. */
  async traffic(app: string): Promise<TrafficView | undefined> {
    const { traffic } = ((await readJson(await this.#get(`/apps/${app}/traffic`))) ?? {}) as {
      traffic?: TrafficView | null;
    };
    return traffic ?? undefined;
  }

  /** Has the edge do what the ledger says for the app. What could not be done, for people. Throws as `processes` does. */
  async route(app: string): Promise<string[]> {
    const { problems } = ((await readJson(await this.#post(`/apps/${app}/route`, {}, this.#answerMs))) ??
      {}) as {
      problems?: unknown;
    };
    if (Array.isArray(problems)) return problems.map(String);
    throw silent(new Error('no list of problems'));
  }

  /**
   * The connection to a command that is run (`run`) or entered (`enter`) there, or to a volume that is copied. The caller destroys it.
   */
  async attach(app: string, what: 'run' | 'enter' | `volumes/${string}/copy`, who: string): Promise<Duplex> {
    const path = `/apps/${app}/${what}?who=${encodeURIComponent(who)}`;
    const headers = { connection: 'Upgrade', upgrade: ATTACH_PROTOCOL };
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.#socketPath, path, headers, timeout: this.#answerMs });
      asked.on('upgrade', (_answer, socket, head) => {
        socket.setTimeout(0);
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      asked.on('response', (answer) => void readError(answer).then(reject, (cause) => reject(silent(cause))));
      asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
      asked.on('error', (cause) => reject(silent(cause)));
      asked.end();
    });
  }

  /** Throws `bad_request`, `no_release`, `no_host`, `engine_unavailable`. */
  async runDetached(app: string, wish: unknown, who: string): Promise<OneOffStarted> {
    return (await readJson(await this.#post(`/apps/${app}/runs`, { wish, who }, RUN_MS))) as OneOffStarted;
  }

  async runs(app: string): Promise<OneOffList> {
    return (await readJson(await this.#get(`/apps/${app}/runs`))) as OneOffList;
  }

  async stopRun(app: string, name: string): Promise<OneOffView> {
    return (await readJson(await this.#post(`/apps/${app}/runs/${name}/stop`, {}, HOST_MS))) as OneOffView;
  }

  /** Throws `not_found`, `conflict`, `no_host`, `engine_unavailable`. */
  async runCron(app: string, entry: string, who: string): Promise<CronStarted> {
    const path = `/apps/${app}/cron/${entry}/runs`;
    return (await readJson(await this.#post(path, { who }, RUN_MS))) as CronStarted;
  }

  async inspect(app: string, process: string): Promise<ContainerView> {
    return (await readJson(await this.#get(`/apps/${app}/ps/${process}`))) as ContainerView;
  }

  async top(app: string, process: string): Promise<TopView> {
    return (await readJson(await this.#get(`/apps/${app}/ps/${process}/top`))) as TopView;
  }

  async usage(app: string): Promise<UsageList> {
    return (await readJson(await this.#get(`/apps/${app}/usage`))) as UsageList;
  }

  /** Those of a volume in the registry, newest first. */
  async backups(app: string, volume: string): Promise<{ readonly backups: readonly BackupView[] }> {
    return (await readJson(await this.#get(`/apps/${app}/volumes/${volume}/backups`))) as {
      backups: BackupView[];
    };
  }

  async hosts(): Promise<readonly HostStatus[]> {
    const list = await readJson(await this.#get('/hosts'));
    if (Array.isArray(list)) return list as HostStatus[];
    throw silent(new Error('no list of hosts'));
  }

  /** The line for authorized_keys. */
  async hostKey(): Promise<{ readonly publicKey: string }> {
    return (await readJson(await this.#get('/host-key'))) as { publicKey: string };
  }

  /** Throws `bad_request`, `conflict`, `engine_unavailable`. */
  async addHost(wish: HostWish, who: string): Promise<AddedHost> {
    return (await readJson(await this.#post('/hosts', { ...wish, who }, HOST_MS))) as AddedHost;
  }

  async checkHost(name: string): Promise<HostReport> {
    return (await readJson(await this.#post(`/hosts/${name}/check`, {}, HOST_MS))) as HostReport;
  }

  async removeHost(name: string, who: string): Promise<RemovedHost> {
    return (await readJson(await this.#post(`/hosts/${name}/remove`, { who }, HOST_MS))) as RemovedHost;
  }

  /** One JSON value per line, see `PreparationEvent`. The caller destroys the stream. */
  async prepareHost(wish: {
    readonly address: string;
    readonly fingerprint?: string;
  }): Promise<IncomingMessage> {
    return this.#post('/host-preparations', wish, PREPARATION_MS);
  }

  #get(path: string): Promise<IncomingMessage> {
    return this.#ask('GET', path, undefined, this.#answerMs);
  }

  #post(path: string, body: unknown, answerMs: number): Promise<IncomingMessage> {
    return this.#ask('POST', path, JSON.stringify(body), answerMs);
  }

  /** Silence of `answerMs`, before the answer or in it, ends it. */
  #ask(method: string, path: string, body: string | undefined, answerMs: number): Promise<IncomingMessage> {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.#socketPath, method, path, headers, timeout: answerMs };
      const asked = request(options, (answer) => {
        if (answer.statusCode === 200) resolve(answer);
        else readError(answer).then(reject, (cause: unknown) => reject(silent(cause)));
      });
      asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
      asked.on('error', (cause) => reject(silent(cause)));
      asked.end(body);
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
