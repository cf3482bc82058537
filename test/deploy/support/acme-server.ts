/** A real ACME server for a test: Let's Encrypt's pebble, and its DNS server, for which every name is this machine. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { makeCertificate } from '../../support/certificates.js';
import { temporaryDirectory } from '../../support/directories.js';
import { until } from '../../support/until.js';
import { freePort } from './registry.js';

export const PEBBLE_MISSING: string | undefined = existsSync('/usr/bin/pebble')
  ? undefined
  : 'pebble is not installed';

export interface AcmeServer {
  readonly directory: string;
  /** What its own HTTPS is trusted by. */
  readonly trust: string;
  /** What its certificates are trusted by. */
  root(): Promise<string>;
  stop(): Promise<void>;
}

/** It checks domains on `httpPort`, refuses every fifth nonce, and does not sleep. */
export async function startAcmeServer(httpPort: number): Promise<AcmeServer> {
  const home = await temporaryDirectory();
  const [port, management, dns, dnsManagement] = await Promise.all(Array.from({ length: 4 }, freePort));
  const own = await makeCertificate(['localhost']);
  const [certificate, privateKey] = [join(home, 'cert.pem'), join(home, 'key.pem')];
  writeFileSync(certificate, own.certificate);
  writeFileSync(privateKey, own.key);
  const config = join(home, 'pebble.json');
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate,
    privateKey,
    httpPort,
    tlsPort: 1,
    ocspResponderURL: '',
    externalAccountBindingRequired: false,
  };
  writeFileSync(config, JSON.stringify({ pebble }));
  const children: ChildProcess[] = [
    spawn(
      '/usr/bin/pebble-challtestsrv',
      [
        ...['-dns01', `127.0.0.1:${dns}`, '-management', `127.0.0.1:${dnsManagement}`],
        ...['-http01', '', '-https01', '', '-tlsalpn01', '', '-defaultIPv4', '127.0.0.1', '-defaultIPv6', ''],
      ],
      { stdio: 'ignore' },
    ),
    spawn('/usr/bin/pebble', ['-config', config, '-dnsserver', `127.0.0.1:${dns}`], {
      stdio: 'ignore',
      env: { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '20' },
    }),
  ];
  const get = (path: string, at: number | undefined): Promise<string> =>
    new Promise((resolve, reject) => {
      const asked = request(
        { host: 'localhost', port: at, path, ca: own.certificate, agent: false },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8');
          answer.on('data', (part: string) => {
            text += part;
          });
          answer.on('end', () => resolve(text));
        },
      );
      asked.on('error', reject);
      asked.end();
    });
  await until(() =>
    get('/dir', port).then(
      () => true,
      () => false,
    ),
  );
  return {
    directory: `https://localhost:${port}/dir`,
    trust: own.certificate,
    root: () => get('/roots/0', management),
    stop: async () => {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }
    },
  };
}
