/** The engine's documents to our nouns and back. Pure: Engine API 1.41, /containers and /images. */
import type Docker from 'dockerode';
import type { ProcessResources } from '../../src/model/release.js';
import type { ContentMount } from '../../src/model/volume.js';
import { type Address, aliasesOf, appNetworkName, dockerVolumeName, LABELS, networkName } from '../names.js';
import type {
  Container,
  ContainerSpec,
  ContainerState,
  Healthcheck,
  Inspection,
  OneOff,
  OneOffSpec,
} from './container.js';

/** Tried when the image exposes no port. */
const DEFAULT_PORT = 8080;
const NANOSECONDS_PER_MS = 1e6;
/** Docker's default for a HEALTHCHECK without --timeout. */
const HEALTHCHECK_TIMEOUT_MS = 30_000;

export const RUNNING_POLICY = { Name: 'unless-stopped' } as const;

type ImageConfig = Pick<Docker.ContainerInspectInfo['Config'], 'ExposedPorts' | 'Env' | 'Healthcheck'>;

/**
 * Where the app listens: a PORT among its config vars, else the lowest TCP port that the image exposes (the engine
 * does not keep the order of EXPOSE), else the image's own PORT, else 8080.
 */
export function portOf(
  image: Partial<ImageConfig>,
  env: Readonly<Record<string, string>>,
): { port: number; isExposed: boolean } {
  const exposed = Object.keys(image.ExposedPorts ?? {})
    .flatMap((key) => /^(\d+)(?:\/tcp)?$/.exec(key)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  const ofImage = image.Env?.find((entry) => entry.startsWith('PORT='))?.slice('PORT='.length);
  const port = toPort(env.PORT) ?? exposed[0] ?? toPort(ofImage) ?? DEFAULT_PORT;
  return { port, isExposed: exposed.length > 0 };
}

function toPort(text: string | undefined): number | undefined {
  const port = Number(text);
  return text !== undefined && /^\d{1,5}$/.test(text) && port > 0 && port <= 65_535 ? port : undefined;
}

export interface Creation {
  readonly platform: string;
  readonly image: string;
  readonly spec: ContainerSpec;
  readonly port: { readonly port: number; readonly isExposed: boolean };
  readonly network: string;
  /** Absent where the network itself gives one. */
  readonly address?: string;
  /** Where the port is published, when the engine is on another machine. */
  readonly publish?: { readonly ip: string; readonly port: number } | undefined;
  readonly memoryBytes: number | undefined;
}

/**
 * Docker's own defaults hold for capabilities, seccomp and users. No `Init`: images whose own init must be process 1
 * (s6) would not start. What runs is what the image says.
 */
export function createOptions(creation: Creation): Docker.ContainerCreateOptions {
  const { platform, image, spec, port, network, address, publish, memoryBytes } = creation;
  const portKey = `${port.port}/tcp`;
  return {
    Image: image,
    Env: Object.entries({ ...spec.env, PORT: String(port.port) }).map(([key, value]) => `${key}=${value}`),
    ...(spec.command === undefined ? {} : { Cmd: [...spec.command] }),
    ExposedPorts: { [portKey]: {} },
    Labels: {
      [LABELS.platform]: platform,
      [LABELS.app]: spec.app,
      [LABELS.release]: String(spec.release),
      [LABELS.deployment]: spec.deployment,
      [LABELS.process]: spec.instance.process,
      [LABELS.instance]: String(spec.instance.number),
      [LABELS.port]: String(port.port),
      [LABELS.exposed]: port.isExposed ? 'yes' : 'no',
      ...(publish === undefined ? {} : { [LABELS.published]: String(publish.port) }),
      ...contentsLabel(spec.mounts),
    },
    HostConfig: {
      NetworkMode: network,
      RestartPolicy: spec.isKept === true ? RUNNING_POLICY : { Name: 'no' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      ...limits(spec.resources, memoryBytes),
      ...mounts(platform, spec),
      ...(publish === undefined
        ? {}
        : { PortBindings: { [portKey]: [{ HostIp: publish.ip, HostPort: String(publish.port) }] } }),
    },
    NetworkingConfig: { EndpointsConfig: { [network]: endpoint(address, aliasesOf(spec.instance)) } },
  };
}

/**
 * Its command stands where that of a process type would: after the image's ENTRYPOINT. Checks are for what serves. What an attached
 * one writes is kept nowhere.
 */
export function oneOffOptions(
  creation: Omit<Creation, 'spec' | 'publish'> & { readonly spec: OneOffSpec },
): Docker.ContainerCreateOptions {
  const { platform, image, spec, port, network, address, memoryBytes } = creation;
  const isAttached = spec.follower !== undefined;
  return {
    Image: image,
    Env: Object.entries({ PORT: String(port.port), ...spec.env }).map(([key, value]) => `${key}=${value}`),
    Cmd: [...spec.command],
    Tty: spec.hasTerminal,
    AttachStdin: isAttached,
    AttachStdout: isAttached,
    AttachStderr: isAttached,
    OpenStdin: isAttached,
    StdinOnce: isAttached,
    Healthcheck: { Test: ['NONE'] },
    Labels: {
      [LABELS.platform]: platform,
      [LABELS.app]: spec.app,
      [LABELS.release]: String(spec.release),
      [LABELS.run]: spec.name,
      [LABELS.by]: spec.by,
      ...(spec.follower === undefined ? {} : { [LABELS.follower]: spec.follower }),
    },
    HostConfig: {
      NetworkMode: network,
      RestartPolicy: { Name: 'no' },
      LogConfig: isAttached
        ? { Type: 'none', Config: {} }
        : { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      ...limits(spec.resources, memoryBytes),
      ...mounts(platform, spec),
    },
    NetworkingConfig: { EndpointsConfig: { [network]: endpoint(address) } },
  };
}

function endpoint(address: string | undefined, aliases: string[] = []): Docker.EndpointSettings {
  return {
    ...(address === undefined ? {} : { IPAMConfig: { IPv4Address: address } }),
    ...(aliases.length === 0 ? {} : { Aliases: aliases }),
  };
}

/** Undefined for a container of another kind. */
export function toOneOff(document: Docker.ContainerInfo, host: string): OneOff | undefined {
  const { Id: id, Labels: labels, State: state, Created: createdAt } = document;
  const app = labels[LABELS.app];
  const name = labels[LABELS.run];
  if (app === undefined || name === undefined) return undefined;
  const follower = labels[LABELS.follower];
  return {
    host,
    id,
    app,
    release: Number(labels[LABELS.release]),
    name,
    state: state as ContainerState,
    by: labels[LABELS.by] ?? '',
    ...(follower === undefined ? {} : { follower }),
    createdAt,
  };
}

/** An empty one gets what the image has at that path, as with Docker. */
function mounts(
  platform: string,
  { app, mounts: wanted = [] }: Pick<ContainerSpec, 'app' | 'mounts'>,
): Pick<Docker.HostConfig, 'Mounts'> {
  if (wanted.length === 0) return {};
  return {
    Mounts: wanted.map(({ volume, content, path, readOnly = false }) => ({
      Type: 'volume',
      Source: dockerVolumeName(platform, app, volume, content),
      Target: path,
      ReadOnly: readOnly,
    })),
  };
}

function contentsLabel(wanted: readonly ContentMount[] = []): Record<string, string> {
  const contents = [...new Set(wanted.map(({ content }) => content))].sort();
  return contents.length === 0 ? {} : { [LABELS.content]: contents.join(' ') };
}

/** Swap beside the memory would only make an app slow that needs more. */
function limits(
  { memoryBytes, cpus, processes }: ProcessResources = {},
  defaultMemoryBytes: number | undefined,
): Docker.HostConfig {
  const memory = memoryBytes ?? defaultMemoryBytes;
  return {
    ...(memory === undefined ? {} : { Memory: memory, MemorySwap: memory }),
    ...(cpus === undefined ? {} : { NanoCpus: Math.round(cpus * 1e9) }),
    ...(processes === undefined ? {} : { PidsLimit: processes }),
  };
}

/** An engine that is reached on the loopback address shows its containers only there. */
export function publishIp(engineHost: string): string {
  return /^(127\.|localhost$)/.test(engineHost) ? '127.0.0.1' : '0.0.0.0';
}

/** Undefined when the labels are not those that a rollout sets. `remote` is the address of an engine elsewhere. */
export function toContainer(
  document: Docker.ContainerInfo,
  host: string,
  platform: string,
  remote: string | undefined,
): Container | undefined {
  const labels = document.Labels;
  const app = labels[LABELS.app];
  const release = Number(labels[LABELS.release]);
  const process = labels[LABELS.process];
  const number = Number(labels[LABELS.instance]);
  if (app === undefined || process === undefined || !Number.isInteger(release) || !Number.isInteger(number))
    return undefined;
  const address =
    remote === undefined ? addressOnBridge(document, platform, app) : publishedAddress(document, remote);
  return {
    host,
    id: document.Id,
    name: (document.Names[0] ?? document.Id).replace(/^\//, ''),
    app,
    release,
    deployment: labels[LABELS.deployment] ?? '',
    instance: { process, number },
    state: document.State as ContainerState,
    ...(address === undefined ? {} : { address }),
    ...(labels[LABELS.content] === undefined ? {} : { contents: labels[LABELS.content]?.split(' ') ?? [] }),
  };
}

function addressOnBridge(document: Docker.ContainerInfo, platform: string, app: string): Address | undefined {
  const { Networks: networks } = document.NetworkSettings;
  const endpoint: Endpoint | undefined =
    networks[appNetworkName(platform, app)] ?? networks[networkName(platform)];
  // A container that is just restarting has no address now, but will have its fixed one again.
  const host = endpoint?.IPAddress || fixedAddress(endpoint);
  const port = Number(document.Labels[LABELS.port]);
  return host === undefined || !Number.isInteger(port) ? undefined : { host, port };
}

/** Where a container is, or will be, on a network. */
export type Endpoint = {
  readonly IPAddress?: string;
  readonly IPAMConfig?: { readonly IPv4Address?: string } | null;
};

export function fixedAddress(endpoint: Endpoint | undefined): string | undefined {
  return endpoint?.IPAMConfig?.IPv4Address;
}

function publishedAddress(document: Docker.ContainerInfo, remote: string): Address | undefined {
  const bound = document.Ports.find((entry) => entry.Type === 'tcp' && entry.PublicPort !== undefined);
  const port = Number(document.Labels[LABELS.published] ?? bound?.PublicPort);
  return Number.isInteger(port) ? { host: remote, port } : undefined;
}

export function toInspection(document: Docker.ContainerInspectInfo): Inspection {
  const { State: state, Config: config } = document;
  const port = Number(config.Labels[LABELS.port]);
  const check = toHealthcheck(config.Healthcheck);
  const last = state.Health?.Log?.at(-1);
  return {
    state: state.Status as ContainerState,
    exitCode: state.ExitCode,
    outOfMemory: state.OOMKilled,
    error: state.Error,
    port,
    portIsExposed: config.Labels[LABELS.exposed] === 'yes',
    restarts: document.RestartCount,
    ...(state.StartedAt.startsWith('0001-') ? {} : { startedAt: state.StartedAt }),
    ...(state.FinishedAt.startsWith('0001-') ? {} : { finishedAt: state.FinishedAt }),
    ...(check === undefined ? {} : { healthcheck: check }),
    ...(state.Health === undefined
      ? {}
      : { health: { status: state.Health.Status, lastOutput: last?.Output.trim() ?? '' } }),
  };
}

/** `["CMD", …]`, `["CMD-SHELL", text]`, `["NONE"]` (Image spec v1.2, Healthcheck). */
function toHealthcheck(check: Docker.HealthConfig | undefined): Healthcheck | undefined {
  const [kind, ...rest] = check?.Test ?? [];
  const argv = kind === 'CMD' ? rest : kind === 'CMD-SHELL' ? ['/bin/sh', '-c', ...rest] : [];
  if (argv.length === 0) return undefined;
  return {
    argv,
    timeoutMs: check?.Timeout ? check.Timeout / NANOSECONDS_PER_MS : HEALTHCHECK_TIMEOUT_MS,
    startPeriodMs: (check?.StartPeriod ?? 0) / NANOSECONDS_PER_MS,
  };
}
