/**
 * The network of steps. `default` is a network namespace of its own with slirp4netns to the outside and closed
 * routes for everything that a step must not reach: the host under each of its addresses, what else runs on it, and the
 * clouds' metadata services. `none` needs nothing of this: an empty namespace that the runtime makes.
 *
 * The routes hold because a step has neither NET_ADMIN, to change them, nor NET_RAW, to write packets past them.
 */
import type { Logger } from '../../log.js';
import { type Cidr, formatAddress } from './cidr.js';
import { runCommand, runOrThrow } from './command.js';
import { blockedNetworks, insideNetwork, nameServerOf, readHostNetwork } from './host-network.js';
import { Slirp } from './slirp.js';

const NAMESPACES = '/run/netns';
/** The host gets new networks while a step runs, for example one of a container. */
const RECHECK_MS = 1_000;

export interface StepNetwork {
  /** Path of the network namespace. */
  readonly namespace: string;
  /** Address of the name server in it. */
  readonly nameServer: string;
}

interface Prepared extends StepNetwork {
  readonly name: string;
  readonly slirp: Slirp;
  blocked: readonly string[];
}

export interface NetworkOptions {
  readonly owner: string;
  readonly allow: readonly Cidr[];
  readonly log: Logger | undefined;
}

export class Networks {
  readonly #options: NetworkOptions;
  readonly #used = new Map<StepNetwork, Prepared>();
  #spare: Promise<Prepared> | undefined;
  #confined = true;
  #made = 0;
  #recheck: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** Makes one network ahead, so that the next step does not wait for it. */
  prepare(): void {
    if (this.#closed || this.#spare !== undefined) return;
    this.#spare = this.#make();
    this.#spare.catch(() => undefined); // whoever takes it makes another, and gets that one's error
  }

  /** A network of its own for one step. Throws `unavailable`. The caller frees it with `release`. */
  async take(): Promise<StepNetwork> {
    const network = (await this.#takeSpare()) ?? (await this.#make());
    this.#used.set(network, network);
    try {
      await this.#block(network, await this.#blocked());
    } catch (error) {
      await this.release(network);
      throw error;
    }
    this.#recheck ??= setInterval(() => void this.#blockNew(), RECHECK_MS).unref();
    return network;
  }

  async release(network: StepNetwork): Promise<void> {
    const prepared = this.#used.get(network);
    this.#used.delete(network);
    if (this.#used.size === 0) {
      clearInterval(this.#recheck);
      this.#recheck = undefined;
    }
    if (prepared !== undefined) await this.#free(prepared);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const spare = await this.#takeSpare();
    if (spare !== undefined) await this.#free(spare);
    await Promise.all([...this.#used.keys()].map((network) => this.release(network)));
  }

  async #takeSpare(): Promise<Prepared | undefined> {
    const promise = this.#spare;
    this.#spare = undefined; // at once, or two steps would share it
    const spare = await promise?.catch(() => undefined);
    if (spare === undefined || spare.slirp.running) return spare;
    await this.#free(spare);
    return undefined;
  }

  async #make(): Promise<Prepared> {
    const host = await readHostNetwork();
    const inside = insideNetwork(host);
    const name = `${this.#options.owner}-net${++this.#made}`;
    const namespace = `${NAMESPACES}/${name}`;
    await runOrThrow('ip', ['netns', 'add', name]);
    try {
      // The way out comes last: there is no moment in which everything can be reached.
      const blocked = blockedNetworks(host, this.#options.allow);
      await runOrThrow('ip', ['-n', name, '-batch', '-'], `link set lo up\n${closedRoutes(blocked)}`);
      const slirp = await this.#startSlirp(namespace, inside);
      return { name, namespace, nameServer: formatAddress(nameServerOf(inside).start), slirp, blocked };
    } catch (error) {
      await runCommand('ip', ['netns', 'delete', name]);
      throw error;
    }
  }

  /** slirp4netns' own sandbox does not work in every container: found out once. */
  async #startSlirp(namespace: string, inside: Cidr): Promise<Slirp> {
    if (!this.#confined) return Slirp.start({ namespace, inside, confined: false });
    try {
      return await Slirp.start({ namespace, inside, confined: true });
    } catch (error) {
      const slirp = await Slirp.start({ namespace, inside, confined: false });
      this.#confined = false;
      this.#options.log?.warn({ err: error }, 'slirp4netns runs without its own sandbox on this machine');
      return slirp;
    }
  }

  async #free(network: Prepared): Promise<void> {
    await network.slirp.stop();
    await runCommand('ip', ['netns', 'delete', network.name]);
  }

  async #blocked(): Promise<readonly string[]> {
    return blockedNetworks(await readHostNetwork(), this.#options.allow);
  }

  /** Adds what is not blocked yet. What the host has no longer stays blocked until the step ends. */
  async #block(network: Prepared, blocked: readonly string[]): Promise<void> {
    const missing = blocked.filter((cidr) => !network.blocked.includes(cidr));
    if (missing.length === 0) return;
    await runOrThrow('ip', ['-n', network.name, '-batch', '-'], closedRoutes(missing));
    network.blocked = [...network.blocked, ...missing];
  }

  async #blockNew(): Promise<void> {
    const warn = (error: unknown): void =>
      this.#options.log?.warn({ err: error }, "could not keep a step from the host's new networks");
    const blocked = await this.#blocked().catch(warn);
    if (blocked === undefined) return;
    for (const network of this.#used.values()) {
      await this.#block(network, blocked).catch((error) => this.#used.has(network) && warn(error));
    }
  }
}

/** `prohibit` answers "permission denied" at once, where a blackhole's "invalid argument" would be taken for a bug. */
function closedRoutes(cidrs: readonly string[]): string {
  return cidrs.map((cidr) => `route replace prohibit ${cidr}\n`).join('');
}
