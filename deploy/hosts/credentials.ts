/**
 * What opens the hosts, below the home and readable by its owner only: the platform's one SSH key pair, and for each host the SSH
 * host key that the operator confirmed, or the TLS files. Nothing of it is ever shown but the public key.
 *
 *   hosts/id_ed25519, id_ed25519.pub
 *   hosts/<name>/known_hosts
 *   hosts/<name>/{ca,cert,key}.pem
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory, syncDirectory } from '../../src/durable.js';
import { isErrno } from '../../src/errors.js';
import { checkHostName } from '../../src/model/host.js';
import type { TlsFiles } from '../targets/engine-api.js';
import { runProgram } from './program.js';

const KEYGEN_MS = 10_000;
const TLS_NAMES = { ca: 'ca.pem', cert: 'cert.pem', key: 'key.pem' } as const;

export interface HostSecrets {
  readonly tls?: TlsFiles;
  /** One line of known_hosts(5). */
  readonly knownHost?: string;
}

export class HostCredentials {
  readonly #directory: string;
  readonly #label: string;
  #making: Promise<void> | undefined;

  /** `label` becomes the comment of the key, by which people know it in an authorized_keys file. */
  constructor(directory: string, label: string) {
    this.#directory = directory;
    this.#label = label;
  }

  /** The private key's file; made when there is none. */
  async keyFile(): Promise<string> {
    const path = join(this.#directory, 'id_ed25519');
    this.#making ??= this.#ensureKey(path).finally(() => {
      this.#making = undefined;
    });
    await this.#making;
    return path;
  }

  /** The line for authorized_keys. */
  async publicKey(): Promise<string> {
    return (await readFile(`${await this.keyFile()}.pub`, 'utf8')).trim();
  }

  knownHostsFile(name: string): string {
    return join(this.#of(name), 'known_hosts');
  }

  /** Undefined when the host has none: its connection is in clear. */
  async tls(name: string): Promise<TlsFiles | undefined> {
    const read = (file: string): Promise<string> => readFile(join(this.#of(name), file), 'utf8');
    try {
      const [ca, cert, key] = await Promise.all([
        read(TLS_NAMES.ca),
        read(TLS_NAMES.cert),
        read(TLS_NAMES.key),
      ]);
      return { ca, cert, key };
    } catch (thrown) {
      if (isErrno(thrown, 'ENOENT')) return undefined;
      throw thrown;
    }
  }

  /** Whole and durable, or not at all; takes the place of what the host had. */
  async save(name: string, { tls, knownHost }: HostSecrets): Promise<void> {
    const path = this.#of(name);
    const temporary = join(this.#directory, `.${randomBytes(6).toString('hex')}`);
    await makeDirectory(temporary);
    try {
      if (knownHost !== undefined) await writePrivate(join(temporary, 'known_hosts'), `${knownHost}\n`);
      for (const part of ['ca', 'cert', 'key'] as const)
        if (tls !== undefined) await writePrivate(join(temporary, TLS_NAMES[part]), tls[part]);
      await syncDirectory(temporary);
      await rm(path, { recursive: true, force: true });
      await rename(temporary, path);
      await syncDirectory(this.#directory);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  async remove(name: string): Promise<void> {
    await rm(this.#of(name), { recursive: true, force: true });
  }

  /** What a deployer left that was killed while it wrote. */
  async sweep(): Promise<void> {
    const names = await readdir(this.#directory).catch((thrown: unknown) => {
      if (isErrno(thrown, 'ENOENT')) return [];
      throw thrown;
    });
    for (const name of names)
      if (name.startsWith('.')) await rm(join(this.#directory, name), { recursive: true, force: true });
  }

  #of(name: string): string {
    return join(this.#directory, checkHostName(name));
  }

  /** The public half is there first: a key without it would never be whole. */
  async #ensureKey(path: string): Promise<void> {
    const there = await open(path).catch((thrown: unknown) => {
      if (isErrno(thrown, 'ENOENT')) return undefined;
      throw thrown;
    });
    if (there !== undefined) return there.close();
    const temporary = join(this.#directory, `.${randomBytes(6).toString('hex')}`);
    await makeDirectory(temporary);
    const made = join(temporary, 'key');
    try {
      await runProgram('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', this.#label, '-f', made], {
        timeoutMs: KEYGEN_MS,
      });
      await rename(`${made}.pub`, `${path}.pub`);
      await rename(made, path);
      await syncDirectory(this.#directory);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
}

async function writePrivate(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
