/** Adding a host, with a look at it before it is written down, and removing one. */
import { createPrivateKey, randomInt, X509Certificate } from 'node:crypto';
import type { AddedHost, HostWish, RemovedHost } from '../../src/api/host-views.js';
import { SlipwayError, toSlipwayError } from '../../src/errors.js';
import { checkHostName } from '../../src/model/host.js';
import { parseHostAddress } from '../../src/model/host-address.js';
import { Turns } from '../../src/turns.js';
import { commandEngine } from '../commands.js';
import { onHost } from '../everywhere.js';
import { refuseUnlessManager } from '../swarm/look.js';
import { isSwarm } from '../swarm/target.js';
import type { TlsFiles } from '../targets/engine-api.js';
import { hintFor } from './hints.js';
import { infoOf, registryFinding } from './look.js';
import { type HostPlace, type LedgerHosts, type OpenHost, type OpeningParts, openHost } from './open.js';
import { confirmedHostKey } from './ssh.js';
import { compare, identityOf, isTwin, type Neighbour, twinGuard } from './twins.js';

/** Above the ports that containers are published on, below those that Linux gives to outgoing connections. */
const PULL_PORTS = { first: 30_000, count: 2_768 } as const;
const PORT_ATTEMPTS = 5;
const WARM_UPS = 3;
const WARM_UP_MS = 3_000;

export class HostChanges {
  readonly #parts: OpeningParts;
  readonly #hosts: LedgerHosts;
  readonly #turns = new Turns();

  constructor(parts: OpeningParts, hosts: LedgerHosts) {
    this.#parts = parts;
    this.#hosts = hosts;
  }

  /** Written down only when it was reached, or `check` is off. Throws `bad_request`, `conflict`, `engine_unavailable`. */
  async add(wish: HostWish, who: string): Promise<AddedHost> {
    return this.#turns.take(checkHostName(wish.name), () => this.#add(wish, who));
  }

  async #add(wish: HostWish, who: string): Promise<AddedHost> {
    const { name, address, labels, tls, fingerprint, check } = wish;
    const { book, credentials } = this.#parts;
    await book.checkNew({ name, address, labels });
    const parsed = parseHostAddress(address);
    if (tls !== undefined && parsed.kind !== 'tcp')
      throw new SlipwayError('bad_request', 'TLS files are for tcp:// only');
    if (tls !== undefined) checkTls(tls);
    const knownHost =
      parsed.kind === 'ssh'
        ? await confirmedHostKey(parsed, fingerprint, `slipway hosts:add ${name} ${address}`)
        : undefined;
    await credentials.save(name, {
      ...(tls === undefined ? {} : { tls }),
      ...(knownHost === undefined ? {} : { knownHost }),
    });
    try {
      const place: HostPlace = { name, address, ...(tls === undefined ? {} : { tls: true }) };
      const {
        place: found,
        warnings,
        isWhole,
      } = check ? await this.#look(place) : { place: this.#unseen(place), warnings: [], isWhole: false };
      if (parsed.kind === 'tcp' && tls === undefined)
        warnings.push(
          'without TLS, whoever reaches that address is root on the host, and reads what is sent to it',
        );
      const host = await book.add({ ...found, labels, ...(isWhole ? {} : { unchecked: true }) }, who);
      if (check) await this.#warmUp(name);
      return { host, warnings };
    } catch (thrown) {
      await credentials.remove(name);
      throw thrown;
    }
  }

  /** Its containers of this platform are removed when it can be reached. */
  async remove(name: string, who: string): Promise<RemovedHost> {
    return this.#turns.take(checkHostName(name), async () => {
      const { book, credentials } = this.#parts;
      const record = await book.get(name);
      // No longer in the ledger, nothing new is started there; for what runs there it is opened once more.
      await book.remove(name, who);
      await this.#hosts.list();
      const { address, tls } = record;
      const place = { name, address, ...(tls === undefined ? {} : { tls }) };
      // Of a twin they are the other's.
      const guard = twinGuard(record, () => this.#neighbours());
      const host = await openHost(this.#parts, place, guard);
      try {
        const engine = commandEngine(host);
        const [containers, oneOffs] = [await host.target.list(), await engine.listOneOffs()];
        for (const { id } of containers) await host.target.remove(id);
        for (const { id } of oneOffs) await engine.remove(id);
        return { name, containers: containers.length + oneOffs.length };
      } catch (thrown) {
        return { name, problem: toSlipwayError(thrown).message };
      } finally {
        await host.close();
        await credentials.remove(name);
      }
    });
  }

  /** The port for pulls may not be free again at once after the look. The host is added, whatever comes of it. */
  async #warmUp(name: string): Promise<void> {
    for (let attempt = 1; attempt <= WARM_UPS; attempt += 1) {
      const asked = this.#hosts.get(name).then(({ target }) => target.ping({ timeoutMs: WARM_UP_MS }));
      const isUp = await asked.then(
        () => true,
        () => false,
      );
      if (isUp) return;
    }
  }

  async #look(place: HostPlace): Promise<{ place: HostPlace; warnings: string[]; isWhole: boolean }> {
    const direct = this.#needsForward(place) ? undefined : await this.#tryPlace(place);
    if (direct?.seesRegistry || (direct !== undefined && !pullsThroughSsh(place)))
      return { place, warnings: direct.seesRegistry ? [] : [direct.says], isWhole: direct.isWhole };
    for (let attempt = 1; ; attempt += 1) {
      const forwarded = { ...place, pullPort: freePullPort() };
      try {
        const { seesRegistry, says, isWhole } = await this.#tryPlace(forwarded);
        return { place: forwarded, warnings: seesRegistry ? [] : [says], isWhole };
      } catch (thrown) {
        const isTaken = /remote port forwarding failed/.test(toSlipwayError(thrown).message);
        if (!isTaken || attempt >= PORT_ATTEMPTS) throw thrown;
      }
    }
  }

  #unseen(place: HostPlace): HostPlace {
    return this.#needsForward(place) ? { ...place, pullPort: freePullPort() } : place;
  }

  /** What is on our loopback address is on nobody else's, whatever answers there. */
  #needsForward({ address }: HostPlace): boolean {
    return pullsThroughSsh({ address }) && /^(?:127\.|localhost:)/.test(this.#parts.registry.host);
  }

  async #tryPlace(place: HostPlace): Promise<{ seesRegistry: boolean; says: string; isWhole: boolean }> {
    const host = await openHost(this.#parts, place);
    try {
      const info = await infoOf(host.target.engine);
      if (isSwarm(host.target)) refuseUnlessManager(info);
      const { twin, isWhole } = await compare(identityOf(place.address, info), await this.#neighbours());
      if (twin !== undefined) throw isTwin(twin);
      const { result, says } = await registryFinding(host);
      return { seesRegistry: result === 'good', says, isWhole };
    } catch (thrown) {
      throw explained(host, thrown);
    } finally {
      await host.close();
    }
  }

  /** Those that are known, with the addresses of their records. */
  async #neighbours(): Promise<Neighbour[]> {
    const [hosts, records] = await Promise.all([this.#hosts.list(), this.#parts.book.list()]);
    return hosts.flatMap((host) => {
      const address = records.find(({ name }) => name === host.name)?.address;
      return address === undefined ? [] : [{ ...host, address }];
    });
  }
}

function explained({ name }: OpenHost, thrown: unknown): SlipwayError {
  if (toSlipwayError(thrown).code === 'conflict') return toSlipwayError(thrown);
  const error = onHost(name, thrown);
  const hint = hintFor(error.message);
  return new SlipwayError(error.code, error.message, {
    ...(hint === undefined ? {} : { hint }),
    temporary: error.temporary,
    cause: error.cause,
  });
}

/** Not the nodes of a Swarm: an SSH connection leads to its manager only. */
function pullsThroughSsh({ address }: Pick<HostPlace, 'address'>): boolean {
  return address.startsWith('ssh:');
}

function freePullPort(): number {
  return PULL_PORTS.first + randomInt(PULL_PORTS.count);
}

/** Throws `bad_request` naming the file that is wrong. */
function checkTls({ ca, cert, key }: TlsFiles): void {
  const read = <T>(what: string, parse: () => T): T => {
    try {
      return parse();
    } catch (cause) {
      throw new SlipwayError('bad_request', `the ${what} is not PEM that can be read`, {
        hint: 'a key must not have a passphrase',
        cause,
      });
    }
  };
  read('TLS CA', () => new X509Certificate(ca));
  const certificate = read('TLS certificate', () => new X509Certificate(cert));
  const privateKey = read('TLS key', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw new SlipwayError('bad_request', 'the TLS key is not the one of the TLS certificate');
}
