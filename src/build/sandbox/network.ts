/**
 * The network of steps. `default` is a network namespace of its own with slirp4netns to the outside and closed
 * routes for everything that a step must not reach: the host under each of its addresses, what else runs on it, and the
 * clouds' metadata services. `none` needs nothing of this: an empty namespace that the runtime makes.
 *
 * The routes hold because a step has neither NET_ADMIN, to change them, nor NET_RAW, to write packets past them.
 *
 * Most steps send nothing. A network that no packet went through is as it was made (network-traces.ts), and the next step
 * gets it; any other is never used again.
 */
import type { Logger } from '../../log.js';
import { type Cidr, formatAddress } from './cidr.js';
import { runCommand, runOrThrow } from './command.js';
import { blockedNetworks, insideNetwork, nameServerOf, readHostNetwork } from './host-network.js';
import { networkTraces, quietIpv6 } from './network-traces.js';
import { Slirp } from './slirp.js';

const NAMESPACES = '/run/netns';
/** The host gets new networks while a step runs, for example one of a container. */
const RECHECK_MS = 1_000;
/** Kept for steps that run side by side. */
const SPARES = 4;

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
  /** When it was made; undefined when it is for one step only. */
  readonly traces: string | undefined;
}

export interface NetworkOptions {
  /** Of the names of namespaces. */
  readonly prefix: string;
  readonly allow: readonly Cidr[];
  readonly log: Logger | undefined;
  /** A network without traces is used again. */
  readonly reuse: boolean;
}

export class Networks {
  readonly #options: NetworkOptions;
  readonly #used = new Map<StepNetwork, Prepared>();
  /** Being taken away; nobody waits for them but `close`. */
  readonly #freeing = new Set<Promise<void>>();
  readonly #spares: Promise<Prepared>[] = [];
  #confined = true;
  #made = 0;
  #recheck: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** Makes one network ahead, so that the next step does not wait for it. */
  prepare(): void {
    if (this.#closed || this.#spares.length > 0) return;
    const spare = this.#make();
    this.#spares.push(spare);
    spare.catch(() => undefined); // whoever takes it makes another, and gets that one's error
  }

  /** A network of its own for one step. Throws `unavailable`. The caller frees it with `release`. */
  async take(): Promise<StepNetwork> {
    const blocked = await this.#blocked();
    const network = (await this.#takeSpare(blocked)) ?? (await this.#make());
    this.#used.set(network, network);
    try {
      await this.#block(network, blocked);
    } catch (error) {
      await this.release(network);
      throw error;
    }
    this.#recheck ??= setInterval(() => void this.#blockNew(), RECHECK_MS).unref();
    return network;
  }

  /** The step is over, with all its processes. `mayKeep`: it could change nothing but send packets. */
  async release(network: StepNetwork, { mayKeep = false }: { mayKeep?: boolean } = {}): Promise<void> {
    const prepared = this.#used.get(network);
    this.#used.delete(network);
    if (this.#used.size === 0) {
      clearInterval(this.#recheck);
      this.#recheck = undefined;
    }
    if (prepared === undefined) return;
    const isAsNew = mayKeep && this.#spares.length < SPARES && (await this.#isUntouched(prepared));
    if (isAsNew && !this.#closed) {
      this.#spares.push(Promise.resolve(prepared));
      return;
    }
    this.#free(prepared);
    if (mayKeep) this.prepare();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const spares = this.#spares.splice(0).map((spare) => spare.catch(() => undefined));
    for (const spare of await Promise.all(spares)) if (spare !== undefined) this.#free(spare);
    await Promise.all([...this.#used.keys()].map((network) => this.release(network)));
    await Promise.all(this.#freeing);
  }

  async #takeSpare(blocked: readonly string[]): Promise<Prepared | undefined> {
    const spare = await this.#spares.shift()?.catch(() => undefined);
    if (spare === undefined) return undefined;
    // What the host had when it was made, and has no longer, would stay closed to the step.
    const isClosedMore = spare.blocked.some((cidr) => !blocked.includes(cidr));
    if (spare.slirp.running && !isClosedMore) return spare;
    this.#free(spare);
    return undefined;
  }

  async #isUntouched({ namespace, slirp, traces }: Prepared): Promise<boolean> {
    if (traces === undefined || !slirp.running) return false;
    return (await networkTraces(namespace).catch(() => undefined)) === traces;
  }

  async #make(): Promise<Prepared> {
    const host = await readHostNetwork();
    const inside = insideNetwork(host);
    const name = `${this.#options.prefix}-net${++this.#made}`;
    const namespace = `${NAMESPACES}/${name}`;
    await runOrThrow('ip', ['netns', 'add', name]);
    try {
      const { reuse } = this.#options;
      if (reuse) await quietIpv6(namespace);
      // The way out comes last: there is no moment in which everything can be reached.
      const blocked = blockedNetworks(host, this.#options.allow);
      await runOrThrow('ip', ['-n', name, '-batch', '-'], `link set lo up\n${closedRoutes(blocked)}`);
      const slirp = await this.#startSlirp(namespace, inside);
      const nameServer = formatAddress(nameServerOf(inside).start);
      const traces = reuse ? await networkTraces(namespace) : undefined;
      return { name, namespace, nameServer, slirp, blocked, traces };
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

  #free(network: Prepared): void {
    const freeing = this.#takeAway(network)
      .catch((error) => this.#options.log?.warn({ err: error }, 'a network of a step stays behind'))
      .then(() => void this.#freeing.delete(freeing));
    this.#freeing.add(freeing);
  }

  async #takeAway(network: Prepared): Promise<void> {
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
