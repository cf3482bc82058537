/**
 * The edge: where requests to an app's host go. A change is first made durable (state, configuration file), then in the running
 * HAProxy; both are made equal again by `converge`, whatever was killed in between. New servers take requests before old ones stop
 * taking them (invariant 5).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TrafficView } from '../../src/api/deployer-client.js';
import { SlipwayError } from '../../src/errors.js';
import type { Logger } from '../../src/log.js';
import { Turns } from '../../src/turns.js';
import { appIn, berthName, berthOf, berthsOf, withBerths, withSpareBerths } from './berths.js';
import { type EdgeSettings, frameHash, renderEdge } from './config.js';
import type { Haproxy, RunningServer, Worker } from './haproxy.js';
import { HaproxyTables } from './haproxy-tables.js';
import { allServersOf, type EdgeApp, type EdgeState } from './state.js';
import type { EdgeStateFile } from './state-file.js';
import {
  CERTIFICATES,
  type EdgeTables,
  MAP_NAMES,
  renderCertificates,
  renderMap,
  tablesOf,
} from './tables.js';

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
/** Reload, servers, and a look that all is well; more than that, since other deployers may change something meanwhile. */
const CONVERGE_ROUNDS = 20;

export class Edge {
  readonly #parts: EdgeParts;
  readonly #tables: HaproxyTables;
  readonly #turns = new Turns();

  constructor(parts: EdgeParts) {
    this.#parts = parts;
    this.#tables = new HaproxyTables(parts.haproxy);
  }

  /** Whether it speaks HTTPS. */
  get speaksTls(): boolean {
    return this.#parts.settings.tlsBind !== undefined;
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
        const wanted = withBerths(now, next(now));
        await guard(now);
        if (wanted === now || (await this.#parts.file.commit(wanted))) break;
        if (attempt >= COMMIT_ATTEMPTS)
          throw new SlipwayError('edge_unavailable', 'other deployers keep changing the edge');
      }
      await this.#converge();
    });
  }

  /** Makes file and running HAProxy equal to the state, and has backends wait for the apps to come. */
  async converge(): Promise<void> {
    await this.#turns.take('', async () => {
      await this.#stockBerths();
      await this.#converge();
    });
  }

  /** Writes the files, for a HAProxy that is not there yet. */
  async prepare(): Promise<void> {
    await this.#turns.take('', async () => {
      await this.#stockBerths();
      await this.#writeFiles(await this.#parts.file.read());
    });
  }

  /**
   * Makes the file of a certificate that a state is to name, and has HAProxy try it: with one that it cannot read it would not start
   * again. Throws `invalid_config`. `name` says which content it is.
   */
  async addCertificate(name: string, pem: string): Promise<string> {
    return this.#turns.take('', async () => {
      const file = await this.#parts.file.writeCertificate(name, pem);
      // A HAProxy with a configuration of others gets ours first.
      await this.#converge();
      try {
        await this.#tables.load(file, pem);
      } catch (error) {
        await this.#parts.file.removeCertificate(file);
        throw error;
      }
      return file;
    });
  }

  /** The file of a certificate that was added under this name, while it is there. */
  async certificateFile(name: string): Promise<string | undefined> {
    const file = this.#parts.file.certificateFile(name);
    return (await this.#parts.file.readCertificate(file)) === undefined ? undefined : file;
  }

  /** Removes the files of certificates that are in no use. */
  async forgetCertificates(): Promise<void> {
    const { routes = [] } = await this.state();
    const used = routes.flatMap(({ certificates }) => certificates.map(({ file }) => file));
    await this.#parts.file.removeCertificates(new Set(used));
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
    for (const [backend, servers] of await haproxy.backends()) {
      for (const { name, status, steadySeconds, sessions } of servers) {
        if (status.startsWith('DOWN') && steadySeconds >= CONNECTED_SECONDS && sessions > 0)
          await haproxy.giveUp(backend, name);
      }
    }
  }

  /** What went through to this app's host; undefined when there is none. */
  async traffic(host: string): Promise<TrafficView | undefined> {
    const state = await this.state();
    const app = state.apps.find((one) => one.host === host);
    const berth = app === undefined ? undefined : berthOf(state, app);
    return berth === undefined ? undefined : this.#parts.haproxy.traffic(berthName(berth));
  }

  /** The servers that HAProxy has for the host, whether they take requests or not. */
  async running(host: string): Promise<RunningServer[]> {
    const running = await this.#running(await this.state());
    return running.filter((one) => one.host === host).flatMap(({ servers }) => servers);
  }

  /** How many answers each server of this host has given, and how many of them were errors. */
  async answers(host: string): Promise<ReadonlyMap<string, { answers: number; errors: number }>> {
    return new Map(
      (await this.running(host)).map(({ name, answers, errors }) => [name, { answers, errors }]),
    );
  }

  /** Servers that run but that the state does not want: what a killed deployer was about to retire. */
  async leftovers(): Promise<{ host: string; names: string[] }[]> {
    return unwanted(await this.#running(await this.state()));
  }

  /** Before the last one is taken: the app that comes then need not wait for a reload. */
  async #stockBerths(): Promise<void> {
    for (let attempt = 1; attempt <= COMMIT_ATTEMPTS; attempt += 1) {
      const now = await this.#parts.file.read();
      const stocked = withSpareBerths(withBerths(now, now));
      if (stocked === now) return;
      const next = { ...stocked, generation: now.generation + 1 };
      if (await this.#parts.file.commit(next)) return;
    }
  }

  /** The backends of a worker, by the hosts that they were given to. */
  async #running(state: EdgeState, worker?: Worker): Promise<RunningBackend[]> {
    const { haproxy } = this.#parts;
    const found = await (worker === undefined ? haproxy.backends() : haproxy.backendsOf(worker));
    return (state.berths ?? []).flatMap((berth): RunningBackend[] => {
      const name = berthName(berth);
      const servers = found.get(name);
      if (berth.host === undefined || servers === undefined) return [];
      return [{ name, host: berth.host, servers, wanted: wantedNames(appIn(state, berth)) }];
    });
  }

  async #converge(): Promise<void> {
    const { haproxy, settings, log } = this.#parts;
    for (let round = 1; round <= CONVERGE_ROUNDS; round += 1) {
      const state = await this.#parts.file.read();
      const tables = await this.#writeFiles(state);
      if ((await haproxy.loaded())?.frame !== frameHash(state, settings)) {
        log.info({ generation: state.generation }, 'reloading the edge');
        await haproxy.reload();
      }
      // What another deployer has begun meanwhile is not to be undone.
      else if ((await this.#parts.file.read()).generation !== state.generation) continue;
      // What was changed is looked at once more: a command may have been lost with its connection.
      else if ((await this.#convergeServers(state)) + (await this.#convergeTables(tables)) === 0) return;
    }
    throw new SlipwayError('edge_unavailable', 'the edge (HAProxy) does not become what it should be', {
      temporary: true,
    });
  }

  /** How many servers had to be changed. */
  async #convergeServers(state: EdgeState): Promise<number> {
    const { haproxy } = this.#parts;
    const running = await this.#running(state);
    let changes = 0;
    for (const app of state.apps) {
      const berth = berthOf(state, app);
      if (berth === undefined) continue;
      const backend = berthName(berth);
      const servers = running.find(({ name }) => name === backend)?.servers;
      const find = (name: string): RunningServer | undefined => servers?.find((one) => one.name === name);
      for (const server of app.servers) {
        const found = find(server.name);
        if (found !== undefined && takesRequests(found)) continue;
        await haproxy.enable(backend, server, found !== undefined);
        changes += 1;
      }
      // One that is being drained gets only what is sent to it by name.
      for (const server of app.share?.servers ?? []) {
        const found = find(server.name);
        if (found?.status.startsWith('DRAIN')) continue;
        // Only after it has been enabled HAProxy keeps it out of the others' turns for good.
        await haproxy.enable(backend, server, found !== undefined);
        await haproxy.drain(backend, server.name);
        changes += 1;
      }
    }
    for (const { backend, names } of unwanted(running, takesRequests)) {
      for (const name of names) await haproxy.drain(backend, name);
      changes += names.length;
    }
    return changes;
  }

  /** How many entries had to be changed. */
  async #convergeTables({ maps, certificates }: EdgeTables): Promise<number> {
    const running = await this.#tables.read();
    let changes = 0;
    // Before a name is sent on to HTTPS its certificate is there.
    if (this.speaksTls) {
      changes += await this.#tables.changeCertificates(running, certificates, async (file) => {
        const pem = await this.#parts.file.readCertificate(file);
        if (pem !== undefined) return pem;
        throw new SlipwayError('edge_unavailable', `${file} was removed`, { temporary: true });
      });
    }
    for (const name of MAP_NAMES) changes += await this.#tables.changeMap(name, running, maps[name]);
    return changes;
  }

  async #writeFiles(state: EdgeState): Promise<EdgeTables> {
    const { file, settings } = this.#parts;
    const tables = tablesOf(await this.#withoutLost(state));
    const maps = MAP_NAMES.map((name): [string, string] => [name, renderMap(tables.maps[name])]);
    const texts = new Map([...maps, [CERTIFICATES, renderCertificates(tables.certificates)]]);
    await file.write(renderEdge(state, settings), texts);
    // A process that slept between reading and writing may just have put an older text there.
    const now = await file.read();
    return now.generation === state.generation ? tables : this.#writeFiles(now);
  }

  /** Without certificates whose file somebody removed: HAProxy would not start. The reconciler makes the file again. */
  async #withoutLost(state: EdgeState): Promise<EdgeState> {
    const { file, log } = this.#parts;
    const routes = (state.routes ?? []).map(async (route) => {
      const there = await Promise.all(
        route.certificates.map(async (one) => (await file.readCertificate(one.file)) !== undefined),
      );
      if (there.includes(false)) log.warn({ app: route.app }, 'the file of a certificate is lost');
      return { ...route, certificates: route.certificates.filter((_, index) => there[index]) };
    });
    return { ...state, routes: await Promise.all(routes) };
  }

  /** Also in workers that are being replaced: what they began they end. */
  async #isInUse(host: string, names: readonly string[]): Promise<boolean> {
    const { haproxy } = this.#parts;
    const state = await this.state();
    const isBusy = (running: readonly RunningBackend[]): boolean =>
      running.some(
        (one) =>
          one.host === host && one.servers.some(({ name, sessions }) => names.includes(name) && sessions > 0),
      );
    if (isBusy(await this.#running(state))) return true;
    for (const worker of (await haproxy.processes()).old)
      if (isBusy(await this.#running(state, worker))) return true;
    return false;
  }

  /** False when HAProxy still holds on to one of them. */
  async #remove(host: string, names: readonly string[]): Promise<boolean> {
    const { haproxy } = this.#parts;
    const state = await this.state();
    let all = true;
    for (const gone of unwanted(await this.#running(state))) {
      if (gone.host !== host) continue;
      for (const name of gone.names.filter((one) => names.includes(one)))
        all = (await haproxy.remove(gone.backend, name)) && all;
    }
    const kept = wantedNames(state.apps.find((app) => app.host === host));
    for (const worker of (await haproxy.processes()).old)
      for (const berth of berthsOf(state, host))
        for (const name of names) if (!kept.has(name)) await haproxy.cut(worker, berthName(berth), name);
    return all;
  }
}

interface RunningBackend {
  readonly name: string;
  readonly host: string;
  readonly servers: readonly RunningServer[];
  /** Names of the servers that it should have. */
  readonly wanted: ReadonlySet<string>;
}

/** Servers that run but that the state does not want. */
function unwanted(
  running: readonly RunningBackend[],
  which: (server: RunningServer) => boolean = () => true,
): { backend: string; host: string; names: string[] }[] {
  return running.flatMap(({ name: backend, host, servers, wanted }) => {
    const names = servers
      .filter((server) => which(server) && !wanted.has(server.name))
      .map(({ name }) => name);
    return names.length === 0 ? [] : [{ backend, host, names }];
  });
}

function wantedNames(app: EdgeApp | undefined): ReadonlySet<string> {
  return new Set(app === undefined ? [] : allServersOf(app).map(({ name }) => name));
}

function takesRequests(server: RunningServer): boolean {
  return !/^(DRAIN|MAINT)/.test(server.status);
}
