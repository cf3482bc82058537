/** The hosts of the platform's ledger, each with its engine: opened when first seen, kept while its record stays the same. */
import type { RegistryConfig } from '../../src/config.js';
import type { HostBook } from '../../src/ledger/hosts.js';
import type { Logger } from '../../src/log.js';
import { type HostRecord, LOCAL_ADDRESS, noHost } from '../../src/model/host.js';
import { formatEngineAddress, isSwarmAddress, parseHostAddress } from '../../src/model/host-address.js';
import type { Host, Hosts } from '../hosts.js';
import { SwarmTarget } from '../swarm/target.js';
import { DockerTarget } from '../targets/docker.js';
import { Engine, type EngineGuard, type EngineOptions, type Tunnel } from '../targets/engine.js';
import type { HostCredentials } from './credentials.js';
import { newSocketPath, SshTunnel } from './tunnel.js';
import { twinGuard } from './twins.js';

export interface OpeningParts {
  readonly book: HostBook;
  readonly credentials: HostCredentials;
  /** DOCKER_HOST: the engine of `local`. */
  readonly dockerHost: string;
  readonly platform: string;
  readonly registry: RegistryConfig;
  /** What must be free before an engine on this machine pulls. */
  readonly pullFreeBytes: number;
  /** Where the sockets of SSH connections lie. */
  readonly runDirectory: string;
  readonly log: Logger;
}

/** What is needed of a record to open the host. */
export type HostPlace = Pick<HostRecord, 'name' | 'address' | 'pullPort' | 'tls'>;

export interface OpenHost extends Host {
  close(): Promise<void>;
}

export class LedgerHosts implements Hosts {
  readonly #parts: OpeningParts;
  readonly #open = new Map<string, { readonly key: string; readonly host: OpenHost }>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: OpeningParts) {
    this.#parts = parts;
  }

  async list(): Promise<readonly Host[]> {
    const turn = this.#turn.then(() => this.#update());
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async get(name: string): Promise<Host> {
    const host = (await this.list()).find((each) => each.name === name);
    if (host !== undefined) return host;
    throw noHost(name);
  }

  async close(): Promise<void> {
    await this.#turn;
    await Promise.all([...this.#open.values()].map(({ host }) => host.close()));
    this.#open.clear();
  }

  async #update(): Promise<readonly Host[]> {
    const records = await this.#parts.book.list();
    const names = new Set(records.map(({ name }) => name));
    for (const [name, { host }] of this.#open) if (!names.has(name)) await this.#drop(name, host);
    const hosts: Host[] = [];
    for (const record of records) {
      const key = JSON.stringify([record.address, record.pullPort, record.tls, record.addedAt]);
      const known = this.#open.get(record.name);
      // A label or a cordon of `local` makes its document, with another time of addition; its engine stays what it is.
      const same = known !== undefined && (known.key === key || record.address === LOCAL_ADDRESS);
      if (known !== undefined && !same) await this.#drop(record.name, known.host);
      const host = same ? known.host : await this.#openGuarded(record, records);
      this.#open.set(record.name, { key, host });
      hosts.push(host);
    }
    return hosts;
  }

  #openGuarded(record: HostRecord, records: readonly HostRecord[]): Promise<OpenHost> {
    if (record.unchecked === undefined) return openHost(this.#parts, record);
    const elders = records.filter(({ name, addedAt }) => name !== record.name && addedAt <= record.addedAt);
    const guard = twinGuard(record, async () =>
      elders.flatMap(({ name, address }) => {
        const open = this.#open.get(name)?.host;
        return open === undefined ? [] : [{ ...open, address }];
      }),
    );
    return openHost(this.#parts, record, guard);
  }

  async #drop(name: string, host: OpenHost): Promise<void> {
    this.#open.delete(name);
    await host.close();
  }
}

/** `guard` is asked before anything is asked of it. */
export async function openHost(
  parts: OpeningParts,
  place: HostPlace,
  guard?: EngineGuard,
): Promise<OpenHost> {
  const { name, pullPort } = place;
  const { platform, registry, pullFreeBytes: freeBytes } = parts;
  const { engine, close } = await openEngine(parts, place, guard);
  if (isSwarmAddress(place.address))
    return { name, target: new SwarmTarget({ host: name, engine, platform, registry }), close };
  const seen = pullPort === undefined ? registry : { ...registry, host: `127.0.0.1:${pullPort}` };
  return {
    name,
    target: new DockerTarget({ host: name, engine, platform, registry: seen, freeBytes }),
    close,
  };
}

async function openEngine(
  { credentials, dockerHost, platform, registry, runDirectory, log }: OpeningParts,
  { name, address, pullPort, tls }: HostPlace,
  guard: EngineGuard | undefined,
): Promise<{ engine: Engine; close(): Promise<void> }> {
  const nothing = async (): Promise<void> => undefined;
  if (address === LOCAL_ADDRESS) return { engine: new Engine(dockerHost), close: nothing };
  const parsed = parseHostAddress(address);
  const ofEngine = formatEngineAddress(parsed);
  const engineOf = (options: EngineOptions = {}): Engine =>
    new Engine(ofEngine, { name, ...options, ...(guard === undefined ? {} : { guard }) });
  if (parsed.kind === 'ssh') {
    const tunnel = new SshTunnel({
      name,
      address: parsed,
      socketPath: newSocketPath(runDirectory),
      ...(pullPort === undefined
        ? {}
        : {
            pulls: {
              port: pullPort,
              registry: registry.host,
              turn: `slipway-${platform}-pulls-${name}-${pullPort}`,
            },
          }),
      files: async () => ({
        keyFile: await credentials.keyFile(),
        knownHostsFile: credentials.knownHostsFile(name),
      }),
      log,
    });
    return { engine: engineOf({ tunnel }), close: () => tunnel.close() };
  }
  if (tls === undefined) return { engine: engineOf(), close: nothing };
  const files = await credentials.tls(name);
  return { engine: engineOf(files === undefined ? { tunnel: NO_FILES } : { tls: files }), close: nothing };
}

/** Never in clear what was meant for TLS. */
const NO_FILES: Tunnel = {
  socketPath: '/nonexistent',
  ready: async () => {
    throw new Error('its TLS files are not on this machine; remove the host and add it again with them');
  },
  lastWords: async () => undefined,
};
