/** A registry (CNCF Distribution) of its own for a test, on a free port of the loopback address or another. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface TestRegistry {
  /** `address:port` */
  readonly host: string;
  /** Ends the process; `resume` starts it again on the same port with the same data. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
}

export async function startRegistry(address = '127.0.0.1'): Promise<TestRegistry> {
  const home = await mkdtemp(join(tmpdir(), 'slipway-registry-'));
  const host = `${address}:${await freePort(address)}`;
  const config = join(home, 'config.json');
  // JSON is YAML.
  await writeFile(
    config,
    JSON.stringify({
      version: 0.1,
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: join(home, 'data') }, delete: { enabled: true } },
      http: { addr: host },
    }),
  );
  let registry: ChildProcess | undefined;
  const resume = async (): Promise<void> => {
    registry = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const up = await fetch(`http://${host}/v2/`).then(
        (response) => response.ok,
        () => false,
      );
      if (up) return;
      await sleep(50);
    }
    throw new Error('docker-registry did not start');
  };
  const pause = async (): Promise<void> => {
    const child = registry;
    registry = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  await resume();
  return {
    host,
    pause,
    resume,
    stop: async () => {
      await pause();
      await rm(home, { recursive: true, force: true });
    },
  };
}

export async function freePort(address = '127.0.0.1'): Promise<number> {
  const server = createServer();
  server.listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
