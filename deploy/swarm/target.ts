/**
 * A Docker Swarm as a target, by the engine of one of its managers. Its containers are the tasks of this platform's services; where
 * they run, and that they run again, is the Swarm's matter. Only services that carry this platform's label are seen or touched.
 * Services are made in services.ts.
 */
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { SlipwayError } from '../../src/errors.js';
import type { ReleaseImage } from '../../src/model/release.js';
import { LABELS, RELEASE_PHASE, swarmNetworkName } from '../names.js';
import type { Container, ContainerEvent, Inspection } from '../targets/container.js';
import { DockerTarget, type TargetOptions } from '../targets/docker.js';
import { type CallOptions, type Engine, statusOf } from '../targets/engine.js';
import type { EngineRequest } from '../targets/engine-api.js';
import { type LogStreamOptions, logStream } from '../targets/log-stream.js';
import { splitOutput } from '../targets/output.js';
import { registryHeaders } from '../targets/pull.js';
import type { Target } from '../targets/target.js';
import {
  containersOf,
  type Node,
  type Seen,
  type Service,
  type ServiceSpec,
  type Task,
  toInspection,
} from './documents.js';
import { changesBetween } from './watch.js';

const POLL_MS = 300;
const REMOVAL_MS = 60_000;

export class SwarmTarget implements Target {
  readonly host: string;
  readonly engine: Engine;
  /** On each node, by that node's engine. */
  readonly publishes = true;
  readonly executes = false;
  readonly platform: string;
  /** The manager's own engine: it has the image, so that we know what it exposes and how it is checked, and runs single commands. */
  readonly manager: DockerTarget;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(options: Omit<TargetOptions, 'memoryBytes'>) {
    this.host = options.host;
    this.engine = options.engine;
    this.platform = options.platform;
    this.manager = new DockerTarget(options);
    this.#headers = registryHeaders(options.registry);
  }

  ping(options: CallOptions): Promise<void> {
    return this.manager.ping(options);
  }

  /** On the manager. The nodes pull what they are to run when they are told to. */
  pull(image: ReleaseImage, options: { signal?: AbortSignal } = {}): Promise<boolean> {
    return this.manager.pull(image, options);
  }

  has(image: ReleaseImage): Promise<boolean> {
    return this.manager.has(image);
  }

  reference(image: ReleaseImage): string {
    return this.manager.reference(image);
  }

  /** What the image says of itself. Throws `engine_unavailable` when the manager has lost it. */
  imageConfig(image: ReleaseImage): ReturnType<DockerTarget['imageConfig']> {
    return this.manager.imageConfig(image);
  }

  /** With the tasks, what a release phase has left on the manager. */
  async list(app?: string, options: CallOptions = {}): Promise<Container[]> {
    const [tasks, single] = await Promise.all([this.tasks(app, options), this.manager.list(app, options)]);
    // The manager may be a host of its own besides: what runs there for that one is not ours.
    return [...tasks, ...single.filter(({ instance }) => instance.process === RELEASE_PHASE)];
  }

  async tasks(app?: string, options: CallOptions = {}): Promise<Container[]> {
    const seen = await this.see(app, options);
    return seen.services.flatMap((service) => containersOf(this.host, service, seen));
  }

  /** Throws `engine_unavailable` when the Swarm has no leader. */
  async see(app?: string, options: CallOptions = {}): Promise<Seen> {
    const label = [
      `${LABELS.platform}=${this.platform}`,
      ...(app === undefined ? [] : [`${LABELS.app}=${app}`]),
    ];
    const query = { filters: JSON.stringify({ label }) };
    const [services, tasks, nodes] = await Promise.all([
      this.#read<Service[]>('list services', { path: '/services', query }, options),
      this.#read<Task[]>('list tasks', { path: '/tasks', query }, options),
      this.#read<Node[]>('list nodes', { path: '/nodes' }, options),
    ]);
    return { services, tasks, nodes };
  }

  /** The ports that services have on the nodes, foreign ones too. */
  async publishedPorts(options: CallOptions): Promise<Set<number>> {
    const all = await this.#read<Service[]>('list services', { path: '/services' }, options);
    return new Set(
      all.flatMap(({ Spec }) => (Spec.EndpointSpec?.Ports ?? []).flatMap((port) => port.PublishedPort ?? [])),
    );
  }

  /** False when there is one of its name already. */
  async create(spec: ServiceSpec, options: CallOptions): Promise<boolean> {
    try {
      await this.#write('create a service', '/services/create', spec, options);
      return true;
    } catch (error) {
      if (statusOf(error) === 409) return false;
      throw error;
    }
  }

  /** False when somebody else has changed it meanwhile, or it is gone. */
  async update({ ID, Version }: Service, spec: ServiceSpec, options: CallOptions): Promise<boolean> {
    try {
      await this.#write('update a service', `/services/${ID}/update?version=${Version.Index}`, spec, options);
      return true;
    } catch (error) {
      if (statusOf(error) === 404 || /out of sequence/.test((error as Error).message)) return false;
      throw error;
    }
  }

  /** Its id. */
  async ensureSecret({ name, app, deployment, value }: SecretWish, options: CallOptions): Promise<string> {
    const find = async (): Promise<string | undefined> => {
      const query = { filters: JSON.stringify({ name: [name] }) };
      const found = await this.#read<Secret[]>('list secrets', { path: '/secrets', query }, options);
      return found.find(({ Spec }) => Spec.Name === name)?.ID;
    };
    const known = await find();
    if (known !== undefined) return known;
    const body = {
      Name: name,
      Labels: {
        [LABELS.platform]: this.platform,
        [LABELS.app]: app,
        [LABELS.deployment]: deployment,
      },
      Data: Buffer.from(value).toString('base64'),
    };
    await this.#write('create a secret', '/secrets/create', body, options).catch((error: unknown) => {
      // Another deployer was first.
      if (statusOf(error) !== 409) throw error;
    });
    const made = await find();
    if (made === undefined) throw this.engine.unavailable('has lost a secret that was just made');
    return made;
  }

  /** The overlay network between an app's processes. Its name. */
  async ensureNetwork(app: string, options: CallOptions): Promise<string> {
    const name = this.#networkOf(app);
    if ((await this.#networkNamed(name, options)) !== undefined) return name;
    const body = {
      Name: name,
      CheckDuplicate: true,
      Driver: 'overlay',
      Attachable: true,
      Labels: { [LABELS.platform]: this.platform, [LABELS.app]: app },
    };
    await this.#write('create a network', '/networks/create', body, options).catch((error: unknown) => {
      // Another deployer was first.
      if (statusOf(error) !== 409 && !/already exists/.test((error as Error).message)) throw error;
    });
    return name;
  }

  /** The same, for single containers on the manager. Throws `conflict` when it takes none. */
  async ensureAttachable(app: string, options: CallOptions): Promise<string> {
    const name = await this.ensureNetwork(app, options);
    if ((await this.#networkNamed(name, options))?.Attachable !== false) return name;
    throw new SlipwayError('conflict', `the network ${name} takes no single containers`, {
      where: this.host,
      hint: `it was made before they could join it; to have it made anew: slipway ps:stop -a ${app}, then ps:start`,
    });
  }

  async get(id: string, options: CallOptions = {}): Promise<Container> {
    const found = (await this.list(undefined, options)).find((container) => container.id === id);
    if (found !== undefined) return found;
    throw new SlipwayError('not_found', `there is no task ${id.slice(0, 12)}`);
  }

  async inspect(id: string, options: CallOptions = {}): Promise<Inspection> {
    const task = await this.#find<Task>('inspect a task', `/tasks/${id}`, options);
    if (task === undefined) return GONE;
    const service = await this.#find<Service>('inspect a service', `/services/${task.ServiceID}`, options);
    const query = { filters: JSON.stringify({ service: [task.ServiceID] }) };
    const all = await this.#read<Task[]>('list tasks', { path: '/tasks', query }, options);
    return toInspection(task, service, all.filter(({ Slot }) => Slot === task.Slot).length);
  }

  async events(signal: AbortSignal): Promise<AsyncIterable<ContainerEvent>> {
    const look = (): Promise<Container[]> => this.tasks(undefined, { signal });
    return changesBetween(await look(), look, signal);
  }

  async lastLines(id: string, count: number, options: CallOptions = {}): Promise<string[]> {
    const query = { stdout: true, stderr: true, tail: count };
    try {
      const output = await this.engine.call(
        'read the log of a task',
        (api, signal) => api.bytes({ path: `/tasks/${id}/logs`, query, signal }),
        options,
      );
      return splitOutput(output).slice(-count);
    } catch (error) {
      if (statusOf(error) === 404) return [];
      throw error;
    }
  }

  logs(id: string, options: LogStreamOptions): Promise<Readable> {
    return logStream(this.engine, id, options, 'tasks');
  }

  /** The container of a task on the manager's own node; undefined on another, whose engine alone reaches into it. */
  async containerHere(id: string, options: CallOptions = {}): Promise<string | undefined> {
    const task = await this.#find<Task>('inspect a task', `/tasks/${id}`, options);
    const { Swarm } = await this.#read<EngineInfo>('say what it is', { path: '/info' }, options);
    const isHere = task?.NodeID !== undefined && task.NodeID === Swarm?.NodeID;
    return isHere ? task.Status.ContainerStatus?.ContainerID : undefined;
  }

  /** Only the engine of its node reaches into a task; the Swarm itself runs the checks of images. */
  async execute(): Promise<never> {
    throw new SlipwayError('conflict', 'a command cannot be run in a task of a Swarm from its manager', {
      where: this.host,
    });
  }

  /** The Swarm has started another. */
  async restart(): Promise<boolean> {
    return false;
  }

  /** From its first moment on. */
  async keep(): Promise<void> {}

  /** The grace is in the service already. */
  stop(id: string, _graceMs: number, options: CallOptions = {}): Promise<void> {
    return this.remove(id, options);
  }

  /** The whole service of a task: none of them is of use without the others. */
  async remove(id: string, options: CallOptions = {}): Promise<void> {
    const task = await this.#find<Task>('inspect a task', `/tasks/${id}`, options);
    const serviceId = task?.ServiceID ?? id;
    const service = await this.#find<Service>('inspect a service', `/services/${serviceId}`, options);
    if (service === undefined) return this.manager.remove(id, options);
    const app = service.Spec.Labels?.[LABELS.app];
    if (app === undefined) return;
    await this.#delete('remove a service', `/services/${serviceId}`, options);
    for (const endsAt = performance.now() + REMOVAL_MS; performance.now() < endsAt; ) {
      // Tasks on a node that is down never end.
      const now = await this.see(app, options);
      const left = now.tasks.filter((task) => task.ServiceID === serviceId && isOnReadyNode(task, now.nodes));
      if (left.length === 0) break;
      await sleep(POLL_MS, undefined, options.signal === undefined ? {} : { signal: options.signal });
    }
    await this.#removeSecrets(service.Spec.Labels?.[LABELS.deployment], options);
    await this.#removeUnusedNetwork(app, options);
  }

  /** Those that another service of the release still uses the Swarm does not let go. */
  async #removeSecrets(deployment: string | undefined, options: CallOptions): Promise<void> {
    if (deployment === undefined) return;
    const label = [`${LABELS.platform}=${this.platform}`, `${LABELS.deployment}=${deployment}`];
    const query = { filters: JSON.stringify({ label }) };
    const found = await this.#read<Secret[]>('list secrets', { path: '/secrets', query }, options);
    for (const { ID } of found)
      await this.#delete('remove a secret', `/secrets/${ID}`, options).catch(() => undefined);
  }

  /** While a node lets go of it the Swarm refuses: then the next release uses it, or the removal of the next one removes it. */
  async #removeUnusedNetwork(app: string, options: CallOptions): Promise<void> {
    const { services } = await this.see(app, options);
    if (services.length > 0) return;
    await this.#delete('remove a network', `/networks/${this.#networkOf(app)}`, options).catch(
      () => undefined,
    );
  }

  #networkNamed(name: string, options: CallOptions): Promise<Network | undefined> {
    return this.#find<Network>('inspect a network', `/networks/${name}`, options);
  }

  #networkOf(app: string): string {
    return swarmNetworkName(this.platform, app);
  }

  async #delete(doing: string, path: string, options: CallOptions): Promise<void> {
    try {
      await this.engine.call(doing, (api, signal) => api.bytes({ method: 'DELETE', path, signal }), options);
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
    }
  }

  async #write(doing: string, path: string, body: unknown, options: CallOptions): Promise<void> {
    const headers = this.#headers;
    await this.engine.call(
      doing,
      (api, signal) => api.bytes({ method: 'POST', path, body, headers, signal }),
      options,
    );
  }

  async #find<T>(doing: string, path: string, options: CallOptions): Promise<T | undefined> {
    try {
      return await this.#read<T>(doing, { path }, options);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  async #read<T>(
    doing: string,
    request: Pick<EngineRequest, 'path' | 'query'>,
    options: CallOptions,
  ): Promise<T> {
    return this.engine.call(doing, (api, signal) => api.json<T>({ ...request, signal }), options);
  }
}

export function isSwarm(target: Target): target is SwarmTarget {
  return target instanceof SwarmTarget;
}

export interface SecretWish {
  readonly name: string;
  readonly app: string;
  readonly deployment: string;
  readonly value: string;
}

interface EngineInfo {
  readonly Swarm?: { readonly NodeID?: string };
}

interface Network {
  readonly Attachable?: boolean;
}

interface Secret {
  readonly ID: string;
  readonly Spec: { readonly Name: string };
}

const GONE: Inspection = {
  state: 'exited',
  exitCode: 0,
  outOfMemory: false,
  error: 'the Swarm has taken the task away',
  port: Number.NaN,
  portIsExposed: false,
  restarts: 0,
};

function isOnReadyNode({ NodeID, Status }: Task, nodes: readonly Node[]): boolean {
  const isOver = ['complete', 'shutdown', 'failed', 'rejected', 'remove', 'orphaned'].includes(Status.State);
  return !isOver && nodes.some(({ ID, Status: node }) => ID === NodeID && node.State === 'ready');
}
