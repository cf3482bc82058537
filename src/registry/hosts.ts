/** Which URL a registry's name stands for, and who may be spoken to without TLS. Pure. */
import { isIPv4 } from 'node:net';

/** Docker Hub's API answers under another name than its images carry. */
const API_HOSTS: ReadonlyMap<string, string> = new Map([['docker.io', 'registry-1.docker.io']]);

export class RegistryHosts {
  readonly #insecure: ReadonlySet<string>;

  constructor(insecure: readonly string[]) {
    this.#insecure = new Set(insecure.map((host) => host.toLowerCase()));
  }

  /** `https://registry-1.docker.io`, `http://127.0.0.1:5000`. */
  origin(registry: string): URL {
    const url = new URL(`https://${API_HOSTS.get(registry) ?? registry}`);
    return this.mayBePlain(url) ? new URL(`http://${registry}`) : url;
  }

  /** Loopback addresses, and the hosts that the operator named. */
  mayBePlain(url: URL): boolean {
    return isLoopback(url) || this.#insecure.has(url.host) || this.#insecure.has(url.hostname);
  }

  /**
   * May a registry at `from` send us on to `to`? Never from TLS to plain text, nor to plain text that nobody allowed, nor
   * from elsewhere to this machine's own services.
   */
  mayFollow(from: URL, to: URL): boolean {
    if (to.protocol !== 'https:' && to.protocol !== 'http:') return false;
    if (isThisMachine(to) && !isThisMachine(from)) return false;
    return to.protocol === 'https:' || (from.protocol === 'http:' && this.mayBePlain(to));
  }
}

export function isLoopback(url: URL): boolean {
  const { hostname } = url;
  return (
    hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))
  );
}

/** Loopback, and the other ways to write it that Linux connects to this machine. */
export function isThisMachine(url: URL): boolean {
  return (
    isLoopback(url) ||
    url.hostname === '0.0.0.0' ||
    url.hostname === '[::]' ||
    url.hostname.startsWith('[::ffff:')
  );
}
