import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountKey } from '../../deploy/acme/account.js';
import {
  type CertificateParts,
  fetchCertificates,
  startCertificates,
} from '../../deploy/acme/certificates.js';
import { AcmeClient } from '../../deploy/acme/client.js';
import { dueDomains, nextAttempt } from '../../deploy/acme/renewal.js';
import { signingRequest } from '../../deploy/acme/request.js';
import { withApp } from '../../deploy/edge/state.js';
import { routeApp } from '../../deploy/routes.js';
import { homePaths, loadConfig } from '../../src/config.js';
import { AppRepositories } from '../../src/git/app-repository.js';
import { Git } from '../../src/git/git.js';
import {
  addCertificate,
  changeDomains,
  setAutomatic,
  setMaintenance,
} from '../../src/ledger/edge-settings.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { Vault } from '../../src/ledger/vault.js';
import { createLogger } from '../../src/log.js';
import type { AppCertificate } from '../../src/model/certificate.js';
import { checkPair } from '../../src/model/certificate.js';
import { makeCertificate } from '../support/certificates.js';
import { temporaryDirectory } from '../support/directories.js';
import { until } from '../support/until.js';
import { type AcmeServer, PEBBLE_MISSING, startAcmeServer } from './support/acme-server.js';
import { HAPROXY_MISSING, startEdge, type TestEdge } from './support/edge.js';
import { ask } from './support/load.js';

const HOUR_MS = 3_600_000;
const missing = HAPROXY_MISSING ?? PEBBLE_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe('a certificate', () => {
  const [from, to] = [Date.parse('2030-01-01'), Date.parse('2030-04-01')];
  const certificate = (more: Partial<AppCertificate> = {}): AppCertificate => ({
    ...{ id: '0123456789abcdef', chain: '', key: '', names: ['a.test'], source: 'acme', addedBy: 'slipway' },
    ...{ addedAt: new Date(from).toISOString(), expiresAt: new Date(to).toISOString(), ...more },
  });
  const due = (now: number, ...certificates: AppCertificate[]): string[] =>
    dueDomains(['a.test', '*.b.test', 'c.test'], { automatic: true, certificates }, now);

  it('is fetched for each domain but wildcards, and renewed long before its end', () => {
    expect(due(from)).toEqual(['a.test', 'c.test']);
    expect(dueDomains(['a.test'], { automatic: false, certificates: [] }, from)).toEqual([]);
    expect(due(from, certificate({ names: ['*.test'] }))).toEqual([]);
    const at = (part: number): number => from + (to - from) * part;
    expect(due(at(0.5), certificate({ names: ['*.test'] }))).toEqual([]);
    expect(due(at(0.67), certificate({ names: ['*.test'] }))).toEqual(['a.test', 'c.test']);
    const when = (id: string): number => {
      for (let part = 0.5; ; part += 0.001)
        if (due(at(part), certificate({ id, names: ['*.test'] })).length > 0) return part;
    };
    expect(new Set(['a', 'b', 'c', 'd', 'e'].map(when)).size).toBeGreaterThan(3);
    // One that a person brought is theirs.
    expect(due(at(0.99), certificate({ source: 'own', names: ['*.test'] }))).toEqual([]);
    expect(due(to + 1, certificate({ source: 'own', names: ['*.test'] }))).toEqual(['a.test', 'c.test']);
  });

  it('that could not be fetched is tried again later and later, a day at most', () => {
    const pauses = [1, 2, 3, 4, 8, 30].map(
      (failures) => nextAttempt('a.test', { failures, at: new Date(0).toISOString(), reason: '' }) / HOUR_MS,
    );
    for (const [index, hours] of [0.25, 0.5, 1, 2, 24, 24].entries()) {
      expect(pauses[index]).toBeGreaterThanOrEqual(hours * 0.8);
      expect(pauses[index]).toBeLessThanOrEqual(hours * 1.2);
    }
  });

  it('is asked for by a request that openssl reads and verifies', () => {
    for (const domain of ['a.test', `${'long-'.repeat(12)}x.${'y'.repeat(60)}.${'z'.repeat(60)}.test`]) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const input = signingRequest(domain, privateKey);
      const text = execFileSync('openssl', ['req', '-inform', 'DER', '-verify', '-noout', '-text'], {
        input,
        stdio: 'pipe',
      });
      expect(String(text)).toContain(`DNS:${domain}`);
    }
  });

  it('is fetched with an account whose key is made once', async () => {
    const path = join(await temporaryDirectory(), 'edge', 'acme-account.pem');
    const keys = await Promise.all(Array.from({ length: 4 }, () => accountKey(path)));
    const exported = keys.map((key) => key.export({ type: 'pkcs8', format: 'pem' }));
    expect(new Set(exported).size).toBe(1);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });
});

describe.skipIf(missing !== undefined)('over ACME', () => {
  const { signal } = new AbortController();
  let test: TestEdge;
  let server: AcmeServer;
  let parts: CertificateParts;
  const app = createServer((_request, response) => void response.end('app'));

  beforeAll(async () => {
    test = await startEdge();
    server = await startAcmeServer(test.port);
    const home = await temporaryDirectory();
    const [paths, git] = [homePaths(home), new Git()];
    await mkdir(paths.appRepositories, { recursive: true });
    const repositories = new AppRepositories(paths, git);
    const ledger = new Ledger(paths, git, await Vault.open(paths.secretKey), {
      createRepository: (name) => repositories.ensure(name, 'main'),
    });
    const accountPath = join(home, 'edge', 'acme-account.pem');
    parts = {
      ledger,
      edge: test.edge,
      config: loadConfig({ SLIPWAY_HOME: home }),
      log: createLogger('test', 'silent'),
      appRepositories: paths.appRepositories,
      acme: new AcmeClient({
        ...server,
        accountKey: await accountKey(accountPath),
        email: 'ops@example.com',
      }),
    };
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    app.close();
    await server?.stop();
    await test?.stop();
  });

  const createApp = async (name: string, ...domains: string[]): Promise<void> => {
    const { ledger, edge } = parts;
    await ledger.createApp(name, { deployBranch: 'main' }, 'alice');
    await changeDomains(ledger, name, 'alice', () => domains);
    const { port } = app.address() as { port: number };
    const servers = [{ name: 'v1', host: '127.0.0.1', port }];
    await edge.change(
      (now) => withApp(now, { app: name, host: `${name}.localhost`, servers }),
      async () => undefined,
    );
    await routeApp(parts, name);
  };
  /** Who signed what a client is shown for this name, when it trusts the CA. */
  const shown = async (name: string): Promise<{ serial: string; authorized: boolean }> => {
    const ca = await server.root();
    return new Promise((resolve, reject) => {
      const socket = connect({ port: test.tlsPort, host: '127.0.0.1', servername: name, ca }, () => {
        resolve({ serial: socket.getPeerCertificate().serialNumber, authorized: socket.authorized });
        socket.destroy();
      });
      socket.on('error', reject);
    });
  };

  it('certificates are fetched through the edge, also for an app that is being maintained, and served', async () => {
    await createApp('hello', 'hello.test', 'www.hello.test', '*.hello.test');
    await setMaintenance(parts.ledger, 'hello', { text: 'away', since: '', by: 'alice' }, 'alice');
    await routeApp(parts, 'hello');
    await fetchCertificates(parts, 'hello', signal, Date.now());
    expect((await parts.ledger.read('hello')).certificates.certificates).toEqual([]);
    await setAutomatic(parts.ledger, 'hello', true, 'alice');
    await fetchCertificates(parts, 'hello', signal, Date.now());
    const { certificates } = await parts.ledger.read('hello');
    expect(certificates.attempts).toBeUndefined();
    expect(certificates.certificates.map(({ names, source }) => [names, source])).toEqual([
      [['hello.test'], 'acme'],
      [['www.hello.test'], 'acme'],
    ]);
    expect((await shown('hello.test')).authorized).toBe(true);
    expect((await ask(undefined, { port: test.port, host: 'www.hello.test' })).status).toBe(308);
    expect((await test.edge.state()).challenges).toEqual({});
    // Nothing is due.
    await fetchCertificates(parts, 'hello', signal, Date.now());
    expect((await parts.ledger.read('hello')).certificates).toEqual(certificates);
  });

  it('certificates are renewed, and the old one is not shown any more', async () => {
    const before = await shown('hello.test');
    const { certificates } = (await parts.ledger.read('hello')).certificates;
    const later = Math.max(...certificates.map(({ expiresAt }) => Date.parse(expiresAt))) - 1000;
    await fetchCertificates(parts, 'hello', signal, later);
    const after = await shown('hello.test');
    expect(after.authorized).toBe(true);
    expect(after.serial).not.toBe(before.serial);
    expect((await parts.ledger.read('hello')).certificates.certificates).toHaveLength(2);
    const list = await readFile(test.configFile.replace('haproxy.cfg', 'certificates.list'), 'utf8');
    expect(list.trim().split('\n')).toHaveLength(2);
  });

  it('a domain that does not lead here is said to be so, is tried again later, and keeps no other waiting', async () => {
    await createApp('lost', 'aa.lost.test', 'zz.lost.test');
    await setAutomatic(parts.ledger, 'lost', true, 'alice');
    const broken: CertificateParts = {
      ...parts,
      acme: {
        // The CA asks, and the edge has no answer: as when the name leads elsewhere.
        certificate: (domain, answering, until) =>
          parts.acme.certificate(
            domain,
            domain === 'aa.lost.test' ? async () => undefined : answering,
            until,
          ),
      },
    };
    const now = Date.now();
    await fetchCertificates(broken, 'lost', signal, now);
    const { certificates } = await parts.ledger.read('lost');
    expect(certificates.attempts?.['aa.lost.test']).toMatchObject({
      failures: 1,
      reason: expect.stringMatching(/the CA does not issue it: .*key authorization/i),
    });
    expect(certificates.certificates.map(({ names }) => names)).toEqual([['zz.lost.test']]);
    await fetchCertificates(broken, 'lost', signal, now + 1000);
    expect((await parts.ledger.read('lost')).certificates.attempts?.['aa.lost.test']?.failures).toBe(1);
    await fetchCertificates(parts, 'lost', signal, now + HOUR_MS);
    expect((await parts.ledger.read('lost')).certificates.attempts).toBeUndefined();
    expect((await shown('aa.lost.test')).authorized).toBe(true);
  });

  it('a CA that cannot be reached is named in the problem', async () => {
    const nobody = new AcmeClient({
      directory: 'https://127.0.0.1:9/dir',
      accountKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    });
    await expect(nobody.certificate('a.test', async () => undefined, signal)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('cannot be reached'),
    });
  });

  it('certificates are looked for as soon as that is asked for', async () => {
    await createApp('rung', 'rung.test');
    const task = startCertificates(parts, HOUR_MS);
    try {
      await setAutomatic(parts.ledger, 'rung', true, 'alice');
      task.ring();
      await until(async () => (await parts.ledger.read('rung')).certificates.certificates.length > 0);
    } finally {
      await task.close();
    }
  });

  it('what is in the ledger is what the edge does, until the app is destroyed', async () => {
    await createApp('gone', 'gone.test');
    const own = await makeCertificate(['gone.test']);
    await addCertificate(
      parts.ledger,
      'gone',
      checkPair(own.certificate, own.key, Date.now()),
      'own',
      'alice',
    );
    expect(await routeApp(parts, 'gone')).toEqual([]);
    const files = (): Promise<string[]> => readdir(test.configFile.replace('haproxy.cfg', 'certificates'));
    expect((await files()).some((name) => name.startsWith('gone-'))).toBe(true);
    await createApp('second', 'gone.test');
    expect(await routeApp(parts, 'second')).toEqual(['gone.test goes to another app']);
    await parts.ledger.destroyApp('gone', 'alice');
    await routeApp(parts, 'gone');
    expect((await test.edge.state()).routes?.map((route) => route.app)).not.toContain('gone');
    expect(await routeApp(parts, 'second')).toEqual([]);
    expect((await ask(undefined, { port: test.port, host: 'gone.test' })).body).toBe('app');
  });
});
