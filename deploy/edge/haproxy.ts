/**
 * A running HAProxy, spoken to through its master's command line (management guide, 9.4): one command per connection, each with
 * a time-out, each answer checked. `edge_unavailable` when it does not answer or refuses.
 */
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TrafficView } from '../../src/api/deployer-client.js';
import { SlipwayError } from '../../src/errors.js';
import { OWN_BACKENDS, parseDescription, serverOptions } from './config.js';
import type { EdgeServer } from './state.js';

const COMMAND_TIMEOUT_MS = 5000;
/** A HAProxy that is just being started, together with us, gets this long. */
const PATIENCE_MS = 3000;
const RELOAD_TIMEOUT_MS = 15_000;
const PAUSE_MS = 50;

/** `@1` is the current worker; one that is being replaced is `@!<pid>`. */
export type Worker = string;

export interface RunningServer extends EdgeServer {
  /** As `show stat` says it: `UP`, `DOWN`, `DRAIN`, `MAINT`; `no check` is up. */
  readonly status: string;
  /** For how long it has been up, or down. */
  readonly steadySeconds: number;
  /** Requests and tunnels under way, and those that wait. */
  readonly sessions: number;
  /** Since the worker started, and of them 5xx and those that broke off. */
  readonly answers: number;
  readonly errors: number;
}

export interface Processes {
  /** Being replaced: each answers the requests that it has, passes later ones on, and ends with its last connection. */
  readonly old: readonly Worker[];
  /** How often the master read its configuration again, and whether it could not the last time. */
  readonly reloads: number;
  readonly failed: boolean;
}

/** -1: every proxy. 6: backends (2) and servers (4). */
const SHOW_SERVERS = 'show stat -1 6 -1';
const STAT_HEADER = /^# pxname,svname/;
const GONE = /No such (server|backend)/;

export class Haproxy {
  readonly #masterSocket: string;

  constructor(masterSocket: string) {
    this.#masterSocket = masterSocket;
  }

  /**
   * The answer, without the newlines around it. A connection that fails is tried again for a moment: HAProxy may be
   * starting, and a master that reloads cuts connections. So every command must be one that may be repeated.
   */
  async command(text: string, expected: RegExp = /^/): Promise<string> {
    const givesUpAt = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        const answer = (await ask(this.#masterSocket, text)).trim();
        if (expected.test(answer)) return answer;
        throw refused(this.#masterSocket, text, answer);
      } catch (error) {
        if (performance.now() > givesUpAt) throw error;
        await sleep(PAUSE_MS);
      }
    }
  }

  async processes(): Promise<Processes> {
    return parseProcesses(await this.command('show proc', /^\d+\s+worker\s/m));
  }

  /** Which configuration the current worker was started with; undefined when it is not one of ours. */
  async loaded(): Promise<{ generation: number; frame: string } | undefined> {
    const line = /^description: (.*)$/m.exec(await this.command('@1 show info', /^Pid: /m));
    return line?.[1] === undefined ? undefined : parseDescription(line[1]);
  }

  /** The backends for apps with their servers, by their names. */
  async backends(): Promise<Map<string, RunningServer[]>> {
    return parseStat(await this.command(`@1 ${SHOW_SERVERS}`, STAT_HEADER));
  }

  /** What went through the app's backend since the current worker started; undefined when there is none. */
  async traffic(backend: string): Promise<TrafficView | undefined> {
    const [info, stat] = await Promise.all([
      this.command('@1 show info', /^Uptime_sec: \d+$/m),
      this.command(`@1 show stat ${backend} 2 -1`, /^# pxname,svname|No such proxy/),
    ]);
    const seconds = Number(/^Uptime_sec: (\d+)$/m.exec(info)?.[1]);
    return parseTraffic(stat, backend, new Date(Date.now() - seconds * 1000).toISOString());
  }

  /** The same of a worker that is being replaced. Empty when it has ended meanwhile. */
  async backendsOf(worker: Worker): Promise<Map<string, RunningServer[]>> {
    const answer = await ask(this.#masterSocket, `${worker} ${SHOW_SERVERS}`).catch(() => '');
    return STAT_HEADER.test(answer) ? parseStat(answer) : new Map();
  }

  /** Makes it take requests. `known`: it is there already. */
  async enable(backend: string, server: EdgeServer, known: boolean): Promise<void> {
    const name = `${backend}/${server.name}`;
    if (!known) {
      const address = `${server.host}:${server.port}`;
      await this.#say(
        `@1 add server ${name} ${address} ${serverOptions(server)}`,
        /registered|already exists/i,
      );
    }
    await this.#say(`@1 enable health ${name}`, /^$|not configured/i);
    await this.#say(`@1 set server ${name} state ready`, /^$/);
  }

  /** No new requests; those under way go on. */
  async drain(backend: string, server: string): Promise<void> {
    const name = `${backend}/${server}`;
    // One that is down would not be told from one that takes requests, so nobody looks at its health any more.
    for (const command of [
      `set server ${name} state drain`,
      `disable health ${name}`,
      `set server ${name} health up`,
    ]) {
      const answer = await this.command(`@1 ${command}`);
      if (answer !== '' && !GONE.test(answer)) throw refused(this.#masterSocket, command, answer);
    }
  }

  /** Takes it away, with the requests that it still has. False when HAProxy still holds on to it. */
  async remove(backend: string, server: string): Promise<boolean> {
    const name = `${backend}/${server}`;
    await this.command(`@1 set server ${name} state maint`);
    await this.giveUp(backend, server);
    return /deleted|No such/i.test(await this.command(`@1 del server ${name}`));
  }

  /** Ends what is under way there. What may be repeated is sent to another server. */
  async giveUp(backend: string, server: string): Promise<void> {
    await this.command(`@1 shutdown sessions server ${backend}/${server}`);
  }

  /** In a worker that is being replaced no server can be changed any more, but its connections can be cut. */
  async cut(worker: Worker, backend: string, server: string): Promise<void> {
    const sessions = await ask(this.#masterSocket, `${worker} show sess`).catch(() => '');
    for (const line of sessions.split('\n')) {
      const id = /^(0x[0-9a-f]+): /.exec(line)?.[1];
      if (id === undefined || !line.includes(` be=${backend} srv=${server} `)) continue;
      await ask(this.#masterSocket, `${worker} shutdown session ${id}`).catch(() => undefined);
    }
  }

  /**
   * Starts a new worker with the configuration file, which takes over the listening sockets. Resolves when it alone
   * takes new connections.
   */
  async reload(): Promise<void> {
    const before = await this.processes();
    // The master starts itself anew and cuts this connection.
    await ask(this.#masterSocket, 'reload').catch(() => undefined);
    const givesUpAt = performance.now() + RELOAD_TIMEOUT_MS;
    for (;;) {
      const after = await this.processes();
      if (after.reloads !== before.reloads) {
        if (after.failed)
          throw refused(this.#masterSocket, 'reload its configuration', 'its own log says why');
        await this.loaded();
        if (await this.#areStopping(after.old)) return;
      }
      if (performance.now() > givesUpAt) throw unavailable(this.#masterSocket, 'did not reload in time');
      await sleep(PAUSE_MS);
    }
  }

  async #areStopping(workers: readonly Worker[]): Promise<boolean> {
    for (const worker of workers) {
      const answer = await ask(this.#masterSocket, `${worker} show info`).catch(() => '');
      if (/^Stopping: 0$/m.test(answer)) return false;
    }
    return true;
  }

  async #say(command: string, expected: RegExp): Promise<void> {
    const answer = await this.command(command);
    if (!expected.test(answer)) throw refused(this.#masterSocket, command, answer);
  }
}

/**
 *     #<PID>          <type>          <reloads>       <uptime>        <version>
 *     13126           master          1 [failed: 0]   0d00h00m04s     2.6.12
 *     # workers
 *     13330           worker          0               0d00h00m00s     2.6.12
 *     # old workers
 *     13129           worker          1               0d00h00m04s     2.6.12
 */
export function parseProcesses(text: string): Processes {
  const old: Worker[] = [];
  let reloads = 0;
  let failed = false;
  let section = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) section = line;
    const master = /^\d+\s+master\s+(\d+)(?:\s+\[failed: (\d+)\])?/.exec(line);
    if (master !== null) {
      reloads = Number(master[1]);
      failed = Number(master[2] ?? 0) > 0;
    }
    const worker = /^(\d+)\s+worker\s/.exec(line);
    if (worker !== null && section.startsWith('# old')) old.push(`@!${worker[1]}`);
  }
  return { old, reloads, failed };
}

/** Times are averages over the last 1024 requests. */
export function parseTraffic(csv: string, backend: string, since: string): TrafficView | undefined {
  const cell = statRows(csv).find((one) => one('pxname') === backend && one('type') === '1');
  if (cell === undefined) return undefined;
  const number = (name: string): number => Number(cell(name));
  return {
    since,
    requests: number('req_tot'),
    responses: {
      '1xx': number('hrsp_1xx'),
      '2xx': number('hrsp_2xx'),
      '3xx': number('hrsp_3xx'),
      '4xx': number('hrsp_4xx'),
      '5xx': number('hrsp_5xx'),
    },
    bytesIn: number('bin'),
    bytesOut: number('bout'),
    underWay: number('scur') + number('qcur'),
    failures: {
      connections: number('econ'),
      responses: number('eresp'),
      retries: number('wretr'),
    },
    averageMs: {
      queue: number('qtime'),
      connect: number('ctime'),
      response: number('rtime'),
      total: number('ttime'),
    },
  };
}

type Cell = (name: string) => string;

/** CSV with a header line (management guide, 9.1). Rows of type 1 are backends, of type 2 servers. */
function statRows(csv: string): Cell[] {
  const [header = '', ...rows] = csv.split('\n').filter((line) => line !== '');
  const columns = header.replace(/^# /, '').split(',');
  return rows.map((row) => {
    const cells = row.split(',');
    return (name) => cells[columns.indexOf(name)] ?? '';
  });
}

export function parseStat(csv: string): Map<string, RunningServer[]> {
  const backends = new Map<string, RunningServer[]>();
  for (const cell of statRows(csv)) {
    const backend = cell('pxname');
    if (OWN_BACKENDS.has(backend)) continue;
    const servers = backends.get(backend) ?? [];
    backends.set(backend, servers);
    if (cell('type') !== '2') continue;
    const [host = '', port = ''] = cell('addr').split(':');
    const sessions = Number(cell('scur')) + Number(cell('qcur'));
    const broken = Number(cell('eresp'));
    const complete = ['1xx', '2xx', '3xx', '4xx', '5xx', 'other'].map((kind) => Number(cell(`hrsp_${kind}`)));
    servers.push({
      name: cell('svname'),
      host,
      port: Number(port),
      status: cell('status'),
      steadySeconds: Number(cell('lastchg')),
      sessions,
      answers: complete.reduce((sum, count) => sum + count, broken),
      errors: Number(cell('hrsp_5xx')) + broken,
    });
  }
  return backends;
}

function ask(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const connection = createConnection(socketPath);
    const timer = setTimeout(() => {
      connection.destroy();
      reject(unavailable(socketPath, `did not answer within ${COMMAND_TIMEOUT_MS / 1000} s`));
    }, COMMAND_TIMEOUT_MS);
    connection.on('connect', () => connection.end(`${command}\n`));
    connection.on('data', (chunk) => chunks.push(chunk));
    connection.on('error', (error) =>
      reject(unavailable(socketPath, `cannot be reached: ${error.message}`, error)),
    );
    connection.on('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks).toString('utf8'));
    });
  });
}

function unavailable(socketPath: string, what: string, cause?: unknown): SlipwayError {
  return new SlipwayError('edge_unavailable', `the edge (HAProxy) ${what}`, {
    where: socketPath,
    hint: 'check that HAProxy runs in master-worker mode with this master socket, then try again',
    temporary: true,
    cause,
  });
}

function refused(socketPath: string, doing: string, answer: string): SlipwayError {
  const message = `the edge (HAProxy) refused to ${doing}: ${answer === '' ? 'it said nothing' : answer}`;
  return new SlipwayError('edge_unavailable', message, { where: socketPath, temporary: true });
}
