/** The registry that images are pushed to: CNCF Distribution on a loopback port, its blobs below the home. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../src/config.js';
import { SlipwayError } from '../../src/errors.js';
import { collectGarbage } from './registry-garbage.js';
import { type Service, type ServiceContext, startProgram } from './service.js';

const CHECK_TIMEOUT_MS = 5000;

export async function startRegistry(context: ServiceContext, port: number): Promise<Service> {
  const address = `127.0.0.1:${port}`;
  const config = join(context.paths.run, 'registry.yml');
  writeFileSync(config, registryConfig(context.paths.registry, address), { mode: 0o600 });
  await collectGarbage(context, config);
  return startProgram(context, {
    name: 'registry',
    address,
    argv: ['docker-registry', 'serve', config],
    ready: async () =>
      (await fetch(`http://${address}/v2/`, { signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) })).ok,
  });
}

/** Distribution 2.8's configuration file; JSON is YAML, so paths need no quoting of ours. */
function registryConfig(directory: string, address: string): string {
  return JSON.stringify({
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: directory },
      delete: { enabled: true },
      cache: { blobdescriptor: 'inmemory' },
      // Uploads that a killed build left are removed after a day.
      maintenance: { uploadpurging: { enabled: true, age: '24h', interval: '6h', dryrun: false } },
    },
    http: { addr: address, secret: randomBytes(16).toString('hex') },
  });
}

/** Throws `registry_unavailable` when nothing that speaks the registry protocol answers at SLIPWAY_REGISTRY. */
export async function checkRegistry(config: Config): Promise<void> {
  const { host } = config.registry;
  const plain = /^(localhost|127\.[\d.]+):/.test(host) || config.insecureRegistries.includes(host);
  const url = `${plain ? 'http' : 'https'}://${host}/v2/`;
  let found: string;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) });
    // 401 asks for credentials, which the client brings (distribution spec, "Determining Support").
    if (response.status === 200 || response.status === 401) return;
    found = `${url} answers ${response.status}`;
  } catch (thrown) {
    const cause = (thrown as Error).cause;
    found = `${url}: ${cause instanceof Error && cause.message !== '' ? cause.message : (thrown as Error).message}`;
  }
  throw new SlipwayError('registry_unavailable', `no registry answers: ${found}`, {
    where: 'SLIPWAY_REGISTRY',
    hint: plain
      ? 'start it or correct the address; unset the variable to have one started'
      : 'start it or correct the address; add it to SLIPWAY_INSECURE_REGISTRIES if it speaks no TLS',
  });
}
