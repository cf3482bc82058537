/** The demo's registry where its machines see it: the platform's own listens on the loopback address only. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Machines } from './machines.js';

const START_TIMEOUT_MS = 15_000;
const PORT = 5000;

export interface MachinesRegistry {
  /** Settings of a platform that pushes to it. */
  readonly env: NodeJS.ProcessEnv;
  stop(): Promise<void>;
}

/** Its blobs lie in `directory`. The address is the machines' own, so the port is free. */
export async function startMachinesRegistry(
  { ourAddress }: Machines,
  directory: string,
): Promise<MachinesRegistry> {
  const host = `${ourAddress}:${PORT}`;
  const config = join(directory, 'registry.json');
  const storage = { filesystem: { rootdirectory: join(directory, 'registry') } };
  // JSON is YAML.
  writeFileSync(
    config,
    JSON.stringify({ version: 0.1, log: { level: 'error' }, storage, http: { addr: host } }),
  );
  const registry = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  const failed = new Promise<never>((_, reject) => registry.once('error', reject));
  try {
    await Promise.race([failed, answers(host)]);
  } catch (error) {
    await end(registry);
    throw error;
  }
  return {
    env: {
      SLIPWAY_REGISTRY: host,
      SLIPWAY_INSECURE_REGISTRIES: host,
      SLIPWAY_MIRRORS: `docker.io=${host}`,
    },
    stop: () => end(registry),
  };
}

async function answers(host: string): Promise<void> {
  for (const endsAt = Date.now() + START_TIMEOUT_MS; Date.now() < endsAt; await sleep(50)) {
    const isUp = await fetch(`http://${host}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return;
  }
  throw new Error(`the registry of the machines did not start on ${host}`);
}

async function end(registry: ChildProcess): Promise<void> {
  if (registry.pid === undefined || registry.exitCode !== null || registry.signalCode !== null) return;
  const exited = once(registry, 'exit');
  registry.kill('SIGTERM');
  await exited;
}
