/** A real HAProxy in master-worker mode for a test, and the edge that steers it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EdgeSettings } from '../../../deploy/edge/config.js';
import { Edge } from '../../../deploy/edge/edge.js';
import { Haproxy } from '../../../deploy/edge/haproxy.js';
import { EdgeStateFile } from '../../../deploy/edge/state-file.js';
import { createLogger } from '../../../src/log.js';
import { until } from '../../support/until.js';
import { freePort } from './registry.js';

export interface TestEdge {
  readonly edge: Edge;
  readonly haproxy: Haproxy;
  readonly settings: EdgeSettings;
  readonly masterSocket: string;
  readonly configFile: string;
  /** Where the apps answer, and where over TLS. */
  readonly port: number;
  readonly tlsPort: number;
  /** Another deployer's edge over the same files and the same HAProxy. */
  another(): Edge;
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export const HAPROXY_MISSING: string | undefined = existsSync('/usr/sbin/haproxy')
  ? undefined
  : 'haproxy is not installed';

export async function startEdge(): Promise<TestEdge> {
  const home = await mkdtemp(join(tmpdir(), 's e-'));
  const [port, tlsPort] = [await freePort(), await freePort()];
  const masterSocket = join(home, 'master.sock');
  const configFile = join(home, 'haproxy.cfg');
  const settings: EdgeSettings = {
    bind: `127.0.0.1:${port}`,
    tlsBind: `127.0.0.1:${tlsPort}`,
    statsSocket: join(home, 'stats.sock'),
    // As the deployer does: workers that have given up root's rights must manage all the same.
    ...(globalThis.process.getuid?.() === 0 ? { runAs: { uid: 65_534, gid: 65_534 } } : {}),
  };
  const another = (): Edge =>
    new Edge({
      haproxy: new Haproxy(masterSocket),
      file: new EdgeStateFile(configFile),
      settings,
      log: createLogger('test', 'silent'),
    });
  let process: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const child = spawn('/usr/sbin/haproxy', ['-W', '-db', '-S', masterSocket, '-f', configFile], {
      stdio: 'ignore',
    });
    process = child;
    const haproxy = new Haproxy(masterSocket);
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`haproxy exited with code ${child.exitCode}`);
      return haproxy.command('show proc').then(
        (text) => /worker\s/.test(text),
        () => false,
      );
    });
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const child = process;
    process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  const edge = another();
  // HAProxy is started with a file that is not the deployer's, as a new platform does.
  writeFileSync(
    configFile,
    `defaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 5s\nfrontend f\n  bind 127.0.0.1:${port}\n  http-request return status 404\n`,
  );
  await start();
  return {
    edge,
    haproxy: new Haproxy(masterSocket),
    settings,
    masterSocket,
    configFile,
    port,
    tlsPort,
    another,
    // SIGTERM to the master ends the workers with it; SIGKILL would leave them.
    kill: () => end('SIGTERM'),
    start,
    stop: async () => {
      await end('SIGTERM');
      await rm(home, { recursive: true, force: true });
    },
  };
}
