/** The inside of what runs: a container's document without its secrets, its processes, and what it uses. */
import type Docker from 'dockerode';
import type { ContainerView, TopView, UsageList, UsageView } from '../src/api/one-off-views.js';
import { withTargetOf } from './answering.js';
import { instanceName, runningContainer } from './enter.js';
import { lookAround } from './everywhere.js';
import type { Hosts } from './hosts.js';
import { formatAddress } from './names.js';
import type { Container } from './targets/container.js';
import type { CallOptions, Engine } from './targets/engine.js';

/** What is shown is chosen, not what is hidden: another version of the engine may have other secrets. */
export async function inspectContainer(hosts: Hosts, app: string, name: string): Promise<ContainerView> {
  const container = await runningContainer(hosts, app, name);
  const { Name, Config, State, HostConfig, RestartCount, Mounts } = await ask<Docker.ContainerInspectInfo>(
    hosts,
    container,
    'json',
    {},
  );
  const { Memory, NanoCpus, PidsLimit } = HostConfig;
  return {
    process: instanceName(container),
    release: container.release,
    host: container.host,
    container: container.id,
    name: Name.replace(/^\//, ''),
    image: Config.Image,
    entrypoint: words(Config.Entrypoint),
    command: words(Config.Cmd),
    user: Config.User,
    directory: Config.WorkingDir,
    variables: (Config.Env ?? []).map((entry) => entry.split('=')[0] ?? '').sort(),
    state: State.Status,
    pid: State.Pid,
    exitCode: State.ExitCode,
    outOfMemory: State.OOMKilled,
    restarts: RestartCount,
    startedAt: State.StartedAt,
    ...(State.Health === undefined ? {} : { health: State.Health.Status }),
    ...(container.address === undefined ? {} : { address: formatAddress(container.address) }),
    resources: {
      ...(Memory ? { memoryBytes: Memory } : {}),
      ...(NanoCpus ? { cpus: NanoCpus / 1e9 } : {}),
      ...(PidsLimit ? { processes: PidsLimit } : {}),
    },
    volumes: Mounts.map(({ Destination }) => Destination),
  };
}

/** As ps(1) on the host sees them. */
export async function topOf(hosts: Hosts, app: string, name: string): Promise<TopView> {
  const container = await runningContainer(hosts, app, name);
  const { Titles, Processes } = await ask<{ Titles: string[]; Processes: string[][] | null }>(
    hosts,
    container,
    'top',
    {},
  );
  return { titles: Titles, processes: Processes ?? [] };
}

/** Of all running containers; the engine looks at each for a second, at all at once. */
export async function usageOf(hosts: Hosts, app: string): Promise<UsageList> {
  const look = await lookAround(hosts, app);
  const silent = [...look.silent].map(([host, { message }]) => ({ host, reason: message }));
  const running = look.containers
    .filter(({ state }) => state === 'running')
    .sort((a, b) => (instanceName(a) < instanceName(b) ? -1 : 1));
  const asked = running.map((container) =>
    ask<Docker.ContainerStats>(hosts, container, 'stats', { stream: false }).then(
      (stats) => usageView(container, stats),
      // It has ended meanwhile.
      () => undefined,
    ),
  );
  return { usage: (await Promise.all(asked)).filter((view) => view !== undefined), silent };
}

/** As `docker stats` counts: memory without the files that the kernel would give up. */
export function usageView(container: Container, stats: Docker.ContainerStats): UsageView {
  const { memory_stats: memory, cpu_stats: cpu, precpu_stats: before, pids_stats: pids } = stats;
  const details: Partial<Record<string, number>> = { ...memory.stats };
  const files = details.total_inactive_file ?? details.inactive_file ?? 0;
  const passed = cpu.system_cpu_usage - before.system_cpu_usage;
  const used = cpu.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const share = passed > 0 && used > 0 ? (used / passed) * cpu.online_cpus : 0;
  return {
    process: instanceName(container),
    release: container.release,
    host: container.host,
    memoryBytes: Math.max(0, (memory.usage ?? 0) - files),
    memoryLimitBytes: memory.limit ?? 0,
    cpus: Math.round(share * 1000) / 1000,
    processes: pids?.current ?? 0,
  };
}

async function ask<T>(
  hosts: Hosts,
  container: Container,
  what: 'json' | 'top' | 'stats',
  query: Readonly<Record<string, boolean>>,
): Promise<T> {
  const path = `/containers/${container.id}/${what}`;
  const call = (engine: Engine, options: CallOptions): Promise<T> =>
    engine.call('look into a container', (api, signal) => api.json<T>({ path, query, signal }), options);
  return withTargetOf(hosts, container, undefined, (target, signal) => call(target.engine, { signal }));
}

function words(value: string | readonly string[] | null | undefined): readonly string[] {
  return value === null || value === undefined ? [] : [value].flat();
}
