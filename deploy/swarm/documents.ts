/** The Swarm's documents to our nouns and back. Pure: Engine API 1.41, /services, /tasks and /nodes. */
import { createHash } from 'node:crypto';
import { WEB_TYPE } from '../../src/model/process.js';
import type { ProcessResources } from '../../src/model/release.js';
import { type Address, LABELS } from '../names.js';
import type { Container, ContainerState, Inspection } from '../targets/container.js';
import type { SecretReference } from './secrets.js';

const NANOSECONDS_PER_MS = 1e6;
/** A service is a DNS label. */
const NAME_LENGTH = 63;
/** How many instances a service holds: what a person scaled it to by hand is not what it should be. */
export const COUNT_LABEL = 'slipway.instances';
/** The engine's own default is 30 s before the first look: a release would wait for it. */
const HEALTH_INTERVAL_MS = 3_000;

export interface ServiceSpec {
  readonly Name: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly TaskTemplate: {
    readonly ContainerSpec?: {
      readonly Image: string;
      readonly Args?: readonly string[] | null;
      readonly Env?: readonly string[] | null;
      readonly Healthcheck?: { readonly Test?: readonly string[]; readonly StartPeriod?: number } | null;
    } & Readonly<Record<string, unknown>>;
  } & Readonly<Record<string, unknown>>;
  readonly Mode?: { readonly Replicated?: { readonly Replicas?: number } };
  readonly EndpointSpec?: {
    readonly Mode?: string;
    readonly Ports?: readonly { readonly PublishedPort?: number }[] | null;
  };
}

export interface Service {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly CreatedAt: string;
  readonly Spec: ServiceSpec & Readonly<Record<string, unknown>>;
  readonly UpdateStatus?: { readonly State?: string; readonly Message?: string } | null;
}

export interface Task {
  readonly ID: string;
  readonly CreatedAt: string;
  readonly ServiceID: string;
  readonly Slot?: number;
  readonly NodeID?: string;
  readonly DesiredState: string;
  readonly Status: {
    readonly Timestamp: string;
    readonly State: string;
    readonly Message?: string;
    readonly Err?: string;
    readonly ContainerStatus?: { readonly ExitCode?: number } | null;
  };
}

export interface Node {
  readonly ID: string;
  readonly Description?: { readonly Hostname?: string };
  readonly Spec: { readonly Availability?: string; readonly Role?: string };
  readonly Status: { readonly State: string; readonly Addr?: string };
  readonly ManagerStatus?: {
    readonly Leader?: boolean;
    readonly Reachability?: string;
    readonly Addr?: string;
  };
}

/** All that a manager says of a platform's services. */
export interface Seen {
  readonly services: readonly Service[];
  readonly tasks: readonly Task[];
  readonly nodes: readonly Node[];
}

export interface ServiceWish {
  readonly platform: string;
  readonly app: string;
  readonly release: number;
  readonly deployment: string;
  readonly process: string;
  /** Its instances are those from this number on. */
  readonly first: number;
  readonly count: number;
  /** By digest. */
  readonly image: string;
  readonly port: { readonly port: number; readonly isExposed: boolean };
  /** The port that it has on each node; absent where nobody sends requests to it. */
  readonly published?: number;
  readonly env: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly resources?: ProcessResources;
  readonly secrets?: readonly SecretReference[];
  readonly network: string;
  readonly graceMs: number;
  /** Of the image's HEALTHCHECK, when it has one, or a check of the release. */
  readonly healthcheck?: ServiceHealthcheck;
}

/** What is absent is as the image says. */
export interface ServiceHealthcheck {
  readonly argv?: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs?: number;
  readonly startPeriodMs?: number;
  /** So many looks in a row may fail. */
  readonly retries?: number;
}

/** The same for the same instances, so that two deployers at once cannot make it twice. */
export function serviceName({ platform, app, release, process, first }: ServiceWish): string {
  const name = `${app}_v${release}_${process}_${first}_${platform}`;
  if (name.length <= NAME_LENGTH) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 12);
  return `${name.slice(0, NAME_LENGTH - hash.length - 1).replace(/[-_]+$/, '')}_${hash}`;
}

/**
 * The labels are the service's only: a task's container on some node is the Swarm's, and must not look like one of a rollout's to
 * who has that node as a host of its own. Names are resolved to the tasks themselves (dnsrr): addresses in front of them need IPVS,
 * which not every kernel has.
 */
export function serviceSpec(wish: ServiceWish): ServiceSpec {
  const { command, resources = {}, port, published, healthcheck } = wish;
  const { memoryBytes, cpus, processes } = resources;
  const limits = {
    ...(memoryBytes === undefined ? {} : { MemoryBytes: memoryBytes }),
    ...(cpus === undefined ? {} : { NanoCPUs: Math.round(cpus * 1e9) }),
    ...(processes === undefined ? {} : { Pids: processes }),
  };
  return {
    Name: serviceName(wish),
    Labels: {
      [LABELS.platform]: wish.platform,
      [LABELS.app]: wish.app,
      [LABELS.release]: String(wish.release),
      [LABELS.deployment]: wish.deployment,
      [LABELS.process]: wish.process,
      [LABELS.instance]: String(wish.first),
      [COUNT_LABEL]: String(wish.count),
      [LABELS.port]: String(port.port),
      [LABELS.exposed]: port.isExposed ? 'yes' : 'no',
      ...(published === undefined ? {} : { [LABELS.published]: String(published) }),
    },
    TaskTemplate: {
      ContainerSpec: {
        Image: wish.image,
        ...(command === undefined ? {} : { Args: [...command] }),
        Env: Object.entries({ ...wish.env, PORT: String(port.port) }).map(
          ([name, value]) => `${name}=${value}`,
        ),
        ...(wish.secrets === undefined || wish.secrets.length === 0 ? {} : { Secrets: wish.secrets }),
        StopGracePeriod: wish.graceMs * NANOSECONDS_PER_MS,
        ...(healthcheck === undefined ? {} : { Healthcheck: healthcheckOf(healthcheck) }),
      },
      Resources: {
        ...(Object.keys(limits).length === 0 ? {} : { Limits: limits }),
        // Memory that is promised twice kills somebody; processor time is only shared.
        ...(memoryBytes === undefined ? {} : { Reservations: { MemoryBytes: memoryBytes } }),
      },
      RestartPolicy: { Condition: 'any', Delay: 1000 * NANOSECONDS_PER_MS },
      LogDriver: { Name: 'json-file', Options: { 'max-size': '10m', 'max-file': '3' } },
      Networks: [{ Target: wish.network }],
    },
    Mode: { Replicated: { Replicas: wish.count } },
    ...({ UpdateConfig: UPDATES, RollbackConfig: { ...UPDATES, FailureAction: 'pause' } } as object),
    EndpointSpec: {
      Mode: 'dnsrr',
      Ports:
        published === undefined
          ? []
          : [
              {
                Protocol: 'tcp',
                TargetPort: port.port,
                PublishedPort: published,
                PublishMode: 'host',
              } as object,
            ],
    },
  };
}

function healthcheckOf(check: ServiceHealthcheck): Readonly<Record<string, unknown>> {
  const { argv, intervalMs, timeoutMs, startPeriodMs, retries } = check;
  return {
    ...(argv === undefined ? {} : { Test: ['CMD', ...argv] }),
    Interval: (intervalMs || HEALTH_INTERVAL_MS) * NANOSECONDS_PER_MS,
    ...(timeoutMs === undefined ? {} : { Timeout: timeoutMs * NANOSECONDS_PER_MS }),
    ...(startPeriodMs === undefined ? {} : { StartPeriod: startPeriodMs * NANOSECONDS_PER_MS }),
    ...(retries === undefined ? {} : { Retries: retries }),
  };
}

/** For an update of what runs: a release is never one, but what somebody changed by hand is put back by one. */
const UPDATES = {
  Parallelism: 1,
  Delay: 0,
  // A port of the node is only free when the old task is gone.
  Order: 'stop-first',
  FailureAction: 'rollback',
  Monitor: 5_000 * NANOSECONDS_PER_MS,
  MaxFailureRatio: 0,
} as const;

/** What the labels say; undefined when they are not those of a rollout. */
export interface Placed {
  readonly app: string;
  readonly release: number;
  readonly deployment: string;
  readonly process: string;
  readonly first: number;
  readonly count: number;
  readonly published: number | undefined;
}

export function placedBy({ Spec }: Service): Placed | undefined {
  const labels = Spec.Labels ?? {};
  const number = (name: string): number => Number(labels[name] ?? Number.NaN);
  const [app, process] = [labels[LABELS.app], labels[LABELS.process]];
  const [release, first, count] = [
    number(LABELS.release),
    number(LABELS.instance),
    number(COUNT_LABEL),
  ] as const;
  if (app === undefined || process === undefined) return undefined;
  if (![release, first, count].every(Number.isInteger)) return undefined;
  const published = number(LABELS.published);
  const deployment = labels[LABELS.deployment] ?? '';
  return {
    app,
    release,
    deployment,
    process,
    first,
    count,
    published: Number.isInteger(published) ? published : undefined,
  };
}

/**
 * One container for each instance: the task that the Swarm wants to run for it now. A service that has no task yet, or none any
 * more, is shown as instance 0, which nobody wants.
 */
export function containersOf(host: string, service: Service, { tasks, nodes }: Seen): Container[] {
  const placed = placedBy(service);
  if (placed === undefined) return [];
  const { app, release, deployment, process, first, count, published } = placed;
  const base = { host, name: service.Spec.Name, app, release, deployment };
  const wanted = wantedTasks(service, tasks).slice(0, count);
  if (wanted.length === 0)
    return [{ ...base, id: service.ID, instance: { process, number: 0 }, state: 'created' }];
  return wanted.map((task, index) => {
    const node = nodes.find(({ ID }) => ID === task.NodeID);
    const state = stateOf(task);
    const address = published === undefined || state !== 'running' ? undefined : addressOf(node, published);
    return {
      ...base,
      id: (state === 'running' ? task : (lastFailed(task, tasks) ?? task)).ID,
      instance: { process, number: first + index },
      state,
      ...(process === WEB_TYPE && address !== undefined ? { address } : {}),
    };
  });
}

/** At most one for each slot, in the order of the slots. Their numbers may have gaps after somebody scaled by hand. */
export function wantedTasks(service: Service, tasks: readonly Task[]): Task[] {
  const bySlot = new Map<number, Task>();
  for (const task of tasks) {
    if (task.ServiceID !== service.ID || !isWanted(task)) continue;
    const other = bySlot.get(task.Slot ?? 0);
    if (other === undefined || rank(task) > rank(other)) bySlot.set(task.Slot ?? 0, task);
  }
  return [...bySlot].sort(([a], [b]) => a - b).map(([, task]) => task);
}

/** Whose last words are asked for while its slot is being filled again. */
function lastFailed({ ServiceID, Slot }: Task, tasks: readonly Task[]): Task | undefined {
  return tasks
    .filter((task) => task.ServiceID === ServiceID && task.Slot === Slot && hasFailed(task))
    .sort((a, b) => (a.Status.Timestamp < b.Status.Timestamp ? 1 : -1))[0];
}

function isWanted({ DesiredState }: Task): boolean {
  return DesiredState === 'running' || DesiredState === 'ready';
}

function rank(task: Task): number {
  return stateOf(task) === 'running' ? 1 : 0;
}

/** What is wanted and does not run is in the Swarm's hands, as a container that restarts is in the engine's. */
function stateOf({ Status }: Task): ContainerState {
  return Status.State === 'running' ? 'running' : 'restarting';
}

/** It ended by itself, or could not be started. What the Swarm shut down did neither. */
export function hasFailed({ Status: { State } }: Task): boolean {
  return State === 'failed' || State === 'rejected' || State === 'complete';
}

/** A manager may know itself only as 0.0.0.0. */
export function nodeAddress({ Status, ManagerStatus }: Node): string | undefined {
  const { Addr } = Status;
  if (Addr !== undefined && Addr !== '' && Addr !== '0.0.0.0') return Addr;
  return ManagerStatus?.Addr?.replace(/:\d+$/, '');
}

function addressOf(node: Node | undefined, port: number): Address | undefined {
  const host = node === undefined ? undefined : nodeAddress(node);
  return host === undefined ? undefined : { host, port };
}

export function nodeName(nodes: readonly Node[], id: string | undefined): string {
  const node = nodes.find(({ ID }) => ID === id);
  const name =
    node?.Description?.Hostname ?? (id === undefined || id === '' ? 'that is unknown' : id.slice(0, 12));
  const address = node === undefined ? undefined : nodeAddress(node);
  return address === undefined ? name : `${name} (${address})`;
}

export function toInspection(task: Task, service: Service | undefined, attempts: number): Inspection {
  const labels = service?.Spec.Labels ?? {};
  const { State, Timestamp, Err, ContainerStatus } = task.Status;
  const isRunning = State === 'running';
  const hasHealthcheck = Boolean(service?.Spec.TaskTemplate.ContainerSpec?.Healthcheck);
  return {
    state: isRunning ? 'running' : isWanted(task) && !hasFailed(task) ? 'created' : 'exited',
    exitCode: ContainerStatus?.ExitCode ?? 0,
    outOfMemory: false,
    error: Err ?? '',
    port: Number(labels[LABELS.port]),
    portIsExposed: labels[LABELS.exposed] === 'yes',
    restarts: Math.max(0, attempts - 1),
    ...(isRunning || hasFailed(task) ? { startedAt: Timestamp } : {}),
    // A task counts as running when its check has passed.
    ...(hasHealthcheck ? { health: { status: isRunning ? 'healthy' : 'starting', lastOutput: '' } } : {}),
  };
}
