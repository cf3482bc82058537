/** A certificate authority for a test, made by openssl: certificates for an engine on the loopback address and for its clients. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from './directories.js';

const run = promisify(execFile);

/** Paths of PEM files. */
export interface CertificateFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export class TestAuthority {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async make(): Promise<TestAuthority> {
    const authority = new TestAuthority(await temporaryDirectory());
    const name = ['-subj', '/CN=a test', '-days', '2', '-nodes'];
    const files = ['-keyout', authority.#path('ca.key'), '-out', authority.#path('ca.pem')];
    await run('openssl', ['req', '-x509', ...EC, ...name, ...files]);
    return authority;
  }

  /** For `server` the certificate names 127.0.0.1. */
  async certificate(kind: 'server' | 'client'): Promise<CertificateFiles> {
    const [key, request, cert, extensions] = ['key', 'csr', 'pem', 'ext'].map((end) =>
      this.#path(`${kind}.${end}`),
    ) as [string, string, string, string];
    await writeFile(
      extensions,
      `extendedKeyUsage=${kind}Auth\n${kind === 'server' ? 'subjectAltName=IP:127.0.0.1\n' : ''}`,
    );
    await run('openssl', ['req', ...EC, '-nodes', '-subj', `/CN=${kind}`, '-keyout', key, '-out', request]);
    const by = ['-CA', this.#path('ca.pem'), '-CAkey', this.#path('ca.key'), '-CAcreateserial'];
    const what = ['-in', request, '-out', cert, '-days', '2', '-extfile', extensions];
    await run('openssl', ['x509', '-req', ...by, ...what]);
    return { ca: this.#path('ca.pem'), cert, key };
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
