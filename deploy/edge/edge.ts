/**
 * The edge: where requests to an app's host go. A change is first made durable (state, configuration file), then in the running
 * HAProxy; both are made equal again by `converge`, whatever was killed in between. New servers take requests before old ones stop
 * taking them (invariant 5).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SlipwayError } from '../../src/errors.js';
import type { Logger } from '../../src/log.js';
import { Turns } from '../../src/turns.js';
import { type EdgeSettings, frameHash, renderEdge } from './config.js';
import type { Haproxy, RunningServer } from './haproxy.js';
import type { EdgeState } from './state.js';
import type { EdgeStateFile } from './state-file.js';

export interface EdgeParts {
  readonly haproxy: Haproxy;
  readonly file: EdgeStateFile;
  readonly settings: EdgeSettings;
  readonly log: Logger;
}

/** Deployers that change the edge at once: each of them gets through in the end. */
const COMMIT_ATTEMPTS = 50;
const FIRST_POLL_MS = 20;
const LONGEST_POLL_MS = 500;
/** How long HAProxy may hold on to a server whose connections were closed. */
const REMOVE_ATTEMPTS = 20;
/** After so long no connection is being made any more (`timeout connect`). */
const CONNECTED_SECONDS = 2;
/** Reload, servers, and a look that all is well; twice that, since another deployer may change something meanwhile. */
const CONVERGE_ROUNDS = 6;

export class Edge {
  readonly #parts: EdgeParts;
  readonly #turns = new Turns();

  constructor(parts: EdgeParts) {
    this.#parts = parts;
  }

  state(): Promise<EdgeState> {
    return this.#parts.file.read();
  }

  /**
   * `next` gets the state as it is and returns what it should be, or the same one. `guard` is asked right before
   * the change, and throws when the caller has lost the right to make it. Resolves when requests go where the state says.
   */
  async change(next: (now: EdgeState) => EdgeState, guard: (now: EdgeState) => Promise<void>): Promise<void> {
    await this.#turns.take('', async () => {
      // What cannot be done now is not written down either.
      await this.#parts.haproxy.processes();
      for (let attempt = 1; ; attempt += 1) {
        const now = await this.#parts.file.read();
        const wanted = next(now);
        await guard(now);
        if (wanted === now || (await this.#parts.file.commit(wanted))) break;
        if (attempt >= COMMIT_ATTEMPTS)
          throw new SlipwayError('edge_unavailable', 'other deployers keep changing the edge');
      }
      await this.#converge();
    });
  }

  /** Makes file and running HAProxy equal to the state. */
  async converge(): Promise<void> {
    await this.#turns.take('', () => this.#converge());
  }

  /** Writes the configuration file, for a HAProxy that is not there yet. */
  async prepare(): Promise<void> {
    await this.#turns.take('', async () => this.#writeConfig(await this.#parts.file.read()));
  }

  /**
   * Waits until servers that no longer take requests have answered those under way, at most `timeoutMs`, and removes them.
   * Servers that the state wants again, or that are gone, are passed over.
   */
  async retire(
    host: string,
    names: readonly string[],
    options: { timeoutMs: number; signal: AbortSignal },
  ): Promise<void> {
    const endsAt = performance.now() + options.timeoutMs;
    let pauseMs = FIRST_POLL_MS;
    while (performance.now() < endsAt && (await this.#isInUse(host, names))) {
      await sleep(pauseMs, undefined, { signal: options.signal });
      pauseMs = Math.min(pauseMs * 2, LONGEST_POLL_MS);
    }
    for (let attempt = 1; ; attempt += 1) {
      if (await this.#turns.take('', () => this.#remove(host, names))) return;
      if (attempt >= REMOVE_ATTEMPTS) break;
      await sleep(LONGEST_POLL_MS, undefined, { signal: options.signal });
    }
    // Harmless: it takes no requests, and the next reload forgets it.
    this.#parts.log.warn(
      { host, servers: names },
      'HAProxy holds on to servers that were taken out of service',
    );
  }

  /**
   * Requests that a machine had when it went away would wait for their whole time. Not as soon as HAProxy calls a server down: it
   * ends a request that is just being connected without trying another server, and those find one themselves.
   */
  async giveUpUnreachable(): Promise<void> {
    const { haproxy, file } = this.#parts;
    const { apps } = await file.read();
    if (apps.every(({ servers }) => servers.every(({ machine }) => machine === undefined))) return;
    for (const [host, servers] of await haproxy.backends()) {
      for (const { name, status, steadySeconds, sessions } of servers) {
        if (status.startsWith('DOWN') && steadySeconds >= CONNECTED_SECONDS && sessions > 0)
          await haproxy.giveUp(host, name);
      }
    }
  }

  /** Servers that run but that the state does not want: what a killed deployer was about to retire. */
  async leftovers(): Promise<{ host: string; names: string[] }[]> {
    const state = await this.state();
    return unwanted(state, await this.#parts.haproxy.backends());
  }

  async #converge(): Promise<void> {
    const { haproxy, settings, log } = this.#parts;
    for (let round = 1; round <= CONVERGE_ROUNDS; round += 1) {
      const state = await this.#parts.file.read();
      await this.#writeConfig(state);
      if ((await haproxy.loaded())?.frame !== frameHash(state, settings)) {
        log.info({ generation: state.generation }, 'reloading the edge');
        await haproxy.reload();
      }
      // What was changed is looked at once more: a command may have been lost with its connection.
      else if ((await this.#convergeServers(state)) === 0) return;
    }
    throw new SlipwayError('edge_unavailable', 'the edge (HAProxy) does not become what it should be', {
      temporary: true,
    });
  }

  /** How many servers had to be changed. */
  async #convergeServers(state: EdgeState): Promise<number> {
    const { haproxy } = this.#parts;
    const running = await haproxy.backends();
    let changes = 0;
    for (const { host, servers } of state.apps) {
      for (const server of servers) {
        const found = running.get(host)?.find((one) => one.name === server.name);
        if (found !== undefined && takesRequests(found)) continue;
        await haproxy.enable(host, server, found !== undefined);
        changes += 1;
      }
    }
    for (const { host, names } of unwanted(state, running, takesRequests)) {
      for (const name of names) await haproxy.drain(host, name);
      changes += names.length;
    }
    return changes;
  }

  async #writeConfig(state: EdgeState): Promise<void> {
    const { file, settings } = this.#parts;
    await file.writeConfig(renderEdge(state, settings));
    // A process that slept between reading and writing may just have put an older text there.
    const now = await file.read();
    if (now.generation !== state.generation) await this.#writeConfig(now);
  }

  /** Also in workers that are being replaced: what they began they end. */
  async #isInUse(host: string, names: readonly string[]): Promise<boolean> {
    const { haproxy } = this.#parts;
    const busy = (servers: readonly RunningServer[] = []): boolean =>
      servers.some((server) => names.includes(server.name) && server.sessions > 0);
    if (busy((await haproxy.backends()).get(host))) return true;
    for (const worker of (await haproxy.processes()).old) {
      if (busy((await haproxy.backendsOf(worker)).get(host))) return true;
    }
    return false;
  }

  /** False when HAProxy still holds on to one of them. */
  async #remove(host: string, names: readonly string[]): Promise<boolean> {
    const { haproxy } = this.#parts;
    const state = await this.state();
    const gone = unwanted(state, await haproxy.backends()).find((one) => one.host === host)?.names ?? [];
    let all = true;
    for (const name of gone.filter((one) => names.includes(one)))
      all = (await haproxy.remove(host, name)) && all;
    const kept = new Set(state.apps.find((app) => app.host === host)?.servers.map((server) => server.name));
    for (const worker of (await haproxy.processes()).old) {
      for (const name of names) if (!kept.has(name)) await haproxy.cut(worker, host, name);
    }
    return all;
  }
}

/** Servers that run but that the state does not want. */
function unwanted(
  state: EdgeState,
  running: ReadonlyMap<string, readonly RunningServer[]>,
  which: (server: RunningServer) => boolean = () => true,
): { host: string; names: string[] }[] {
  return [...running].flatMap(([host, servers]) => {
    const wanted = new Set(state.apps.find((app) => app.host === host)?.servers.map((server) => server.name));
    const names = servers
      .filter((server) => which(server) && !wanted.has(server.name))
      .map((server) => server.name);
    return names.length === 0 ? [] : [{ host, names }];
  });
}

function takesRequests(server: RunningServer): boolean {
  return !/^(DRAIN|MAINT)/.test(server.status);
}
