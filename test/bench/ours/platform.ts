/** Ours as a whole: a platform on a new home, with an administrator who makes apps and pushes to them. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fetchPage, type Page } from '../../../platform/demo/traffic.js';
import { Output } from '../../../platform/output.js';
import { startPlatform } from '../../../platform/platform.js';
import type { Phases } from '../peers/contender.js';
import { ownEnvironment } from './builder.js';

export const PROCESSES = ['web', 'builder', 'deployer', 'janitor'] as const;
const SERVICES = ['redis', 'edge'] as const;

export interface OurPlatform {
  /** Of the four processes. */
  processes(): Readonly<Record<(typeof PROCESSES)[number], number>>;
  /** Of the services that only Slipway needs, as well. */
  daemons(): readonly number[];
  createApp(name: string): Promise<void>;
  /** What `git push` wants: its configuration, and the address of an app's repository. */
  remote(app: string): { readonly address: string; readonly settings: readonly string[] };
  page(app: string): Promise<Page>;
  /** Of the app's newest build. */
  phases(app: string): Promise<Phases>;
  stop(): Promise<void>;
}

/** `home` is a new directory, with a short path. */
export async function startOurPlatform(
  home: string,
  registry: string,
  dockerHost: string,
): Promise<OurPlatform> {
  await mkdir(home, { recursive: true });
  const log = join(home, 'platform.log');
  const stream = createWriteStream(log);
  await once(stream, 'open');
  const env = { ...ownEnvironment(), SLIPWAY_REGISTRY: registry, DOCKER_HOST: dockerHost };
  const platform = await startPlatform({ env, home, output: new Output(stream) });
  const token = platform.adminToken?.token ?? '';
  const credentials = join(home, 'bench-credentials');
  const { host } = new URL(platform.url);
  await writeFile(credentials, `http://bench:${token}@${host}\n`, { mode: 0o600 });
  const pid = (name: string): number => platform.pid(name) ?? 0;
  const api = async (path: string, init: { method?: string; body?: string } = {}): Promise<Response> => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const response = await fetch(`${platform.url}${path}`, { ...init, headers });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  const [, port] = platform.config.edge.bind.split(':');
  return {
    processes: () => ({
      web: pid('web'),
      builder: pid('builder'),
      deployer: pid('deployer'),
      janitor: pid('janitor'),
    }),
    daemons: () => [...PROCESSES, ...SERVICES].map(pid).filter((found) => found > 0),
    async createApp(name) {
      await api('/v1/apps', { method: 'POST', body: JSON.stringify({ name }) });
    },
    async phases(app) {
      const response = await api(`/v1/apps/${app}/builds?limit=1`);
      const { builds } = (await response.json()) as { builds: { phases: { name: string; ms: number }[] }[] };
      return Object.fromEntries(builds[0]?.phases.map(({ name, ms }) => [name, ms]) ?? []);
    },
    remote: (app) => ({
      address: `${platform.url}/git/${app}.git`,
      settings: ['-c', `credential.helper=store --file=${credentials}`],
    }),
    page: (app) =>
      fetchPage({ host: '127.0.0.1', port: Number(port), name: `${app}.${platform.config.appDomain}` }),
    async stop() {
      await platform.stop();
      stream.end();
      await rm(home, { recursive: true, force: true });
    },
  };
}
