/**
 * One Docker Engine as a target: what a rollout asks of it, in the words of targets/container.ts. Each action may be
 * repeated, by this deployer or by the one that takes over from it. Only containers that carry this platform's label
 * are seen or touched.
 */
import type { Duplex, Readable } from 'node:stream';
import type Docker from 'dockerode';
import type { RegistryConfig } from '../../src/config.js';
import { checkRoom } from '../../src/disk-room.js';
import { isErrno, SlipwayError } from '../../src/errors.js';
import type { ReleaseImage } from '../../src/model/release.js';
import { type Address, containerName, LABELS, networkName, oneOffContainerName } from '../names.js';
import { attachTo } from './attach.js';
import type {
  Container,
  ContainerEvent,
  ContainerSpec,
  Inspection,
  OneOff,
  OneOffSpec,
} from './container.js';
import {
  type Creation,
  createOptions,
  oneOffOptions,
  portOf,
  publishIp,
  RUNNING_POLICY,
  toContainer,
  toInspection,
  toOneOff,
} from './documents.js';
import { type CallOptions, type Engine, refusalOf, statusOf } from './engine.js';
import type { EngineRequest } from './engine-api.js';
import { EVENT_FILTER, parseEvents } from './events.js';
import { type HeldImage, type HeldOptions, heldImages } from './held-images.js';
import { type LogStreamOptions, logStream } from './log-stream.js';
import { ensureNetwork, freeAddress, freePort, type Network } from './network.js';
import { splitOutput } from './output.js';
import { pullImage } from './pull.js';
import type { Target } from './target.js';

/** Two deployers may draw the same free address at once, and a port may be anybody's. */
const ADDRESS_ATTEMPTS = 5;
const TAKEN = /address already in use|port is already allocated/i;
const EVENTS_TIMEOUT_MS = 10_000;
/** Kept of what a check by command writes: far more than is shown, so that no secret in it is cut in half. */
const OUTPUT_BYTES = 64 * 1024;
/** Layers of many gigabytes are removed file by file. */
const REMOVE_IMAGE_MS = 5 * 60_000;
/** What a stop takes beyond the grace: the kill and the clean-up after it. */
const STOP_MARGIN_MS = 20_000;

export interface TargetOptions {
  /** The host's name, for the containers that it runs. */
  readonly host: string;
  readonly engine: Engine;
  readonly platform: string;
  readonly registry: RegistryConfig;
  /** Per container; unlimited when absent. */
  readonly memoryBytes?: number;
  /** That must be free on this machine's engine for a pull to begin; by default nothing is checked. */
  readonly freeBytes?: number;
}

export class DockerTarget implements Target {
  readonly host: string;
  readonly engine: Engine;
  readonly executes = true;
  readonly #platform: string;
  readonly #registry: RegistryConfig;
  readonly #memoryBytes: number | undefined;
  readonly #freeBytes: number;
  #looking: Promise<Network> | undefined;

  constructor({ host, engine, platform, registry, memoryBytes, freeBytes = 0 }: TargetOptions) {
    this.host = host;
    this.engine = engine;
    this.#platform = platform;
    this.#registry = registry;
    this.#memoryBytes = memoryBytes;
    this.#freeBytes = freeBytes;
  }

  get publishes(): boolean {
    return this.engine.remoteHost !== undefined;
  }

  /** Throws `engine_unavailable` when the engine does not answer. */
  async ping(options: CallOptions): Promise<void> {
    await this.engine.call(
      'say that it is there',
      (api, signal) => api.bytes({ path: '/_ping', signal }),
      options,
    );
  }

  /** The image is here after this. False when it was already. Throws `image_not_found`, `registry_…`, `engine_…`. */
  async pull(image: ReleaseImage, options: { signal?: AbortSignal } = {}): Promise<boolean> {
    if ((await this.#findImage(image)) !== undefined) return false;
    await this.#checkRoom(options);
    await pullImage(this.engine, this.reference(image), this.#registry, options.signal);
    return true;
  }

  async has(image: ReleaseImage): Promise<boolean> {
    return (await this.#findImage(image)) !== undefined;
  }

  /** Images of the platform's registry that are here. */
  async heldImages(options: HeldOptions): Promise<HeldImage[]> {
    return heldImages(this.engine, (image) => this.reference(image), options);
  }

  /** False when a container uses it, or it is not here. Layers that other images have stay. */
  async removeImage(image: ReleaseImage, options: CallOptions = {}): Promise<boolean> {
    try {
      await this.engine.call(
        'remove an image',
        (api, signal) => api.bytes({ method: 'DELETE', path: `/images/${this.reference(image)}`, signal }),
        { ...options, timeoutMs: REMOVE_IMAGE_MS },
      );
      return true;
    } catch (error) {
      const status = statusOf(error);
      if (status === 404 || status === 409) return false;
      throw error;
    }
  }

  /** `127.0.0.1:5000/apps/hello@sha256:…`: never a tag (invariant 4). */
  reference(image: ReleaseImage): string {
    return `${this.#registry.host}/${image.repository}@${image.digest}`;
  }

  /** What the image says of itself. Throws `engine_unavailable` when it is not here. */
  async imageConfig(image: ReleaseImage): Promise<Docker.ImageInspectInfo['Config']> {
    const found = await this.#findImage(image);
    if (found === undefined) throw this.#unable(`has lost the image ${this.reference(image)}`);
    return found.Config;
  }

  /** The platform's containers, of one app or of all, running or not. */
  async list(app?: string, options: CallOptions = {}): Promise<Container[]> {
    const label = [
      `${LABELS.platform}=${this.#platform}`,
      ...(app === undefined ? [] : [`${LABELS.app}=${app}`]),
    ];
    const remote = await this.#remoteAddress();
    const found = await this.#listDocuments(label, options);
    return found.flatMap((document) => toContainer(document, this.host, this.#network, remote) ?? []);
  }

  /**
   * Makes and starts a container. Unless it is kept from the beginning it is not restarted until `keep` is called, so that one
   * that dies during its checks stays as it fell. What has its name already, from a rollout that was cut off, is removed.
   */
  async start(spec: ContainerSpec, options: CallOptions = {}): Promise<Container> {
    const [image, network, remote] = await Promise.all([
      this.#findImage(spec.image),
      this.#ensureNetwork(),
      this.#remoteAddress(),
    ]);
    if (image === undefined) throw this.#unable(`has lost the image ${this.reference(spec.image)}`);
    const name = containerName(this.#platform, spec.app, spec.release, spec.instance);
    const port = portOf(image.Config, spec.env);
    for (let attempt = 1; ; attempt += 1) {
      const { address, publish } = await this.#freePlace(network);
      const wanted = createOptions({
        platform: this.#platform,
        image: this.reference(spec.image),
        spec,
        port,
        network: network.name,
        address,
        publish,
        memoryBytes: this.#memoryBytes,
      });
      const id = await this.#create(name, wanted);
      try {
        await this.#post('start a container', id, 'start', {}, options);
        const { app, release, deployment, instance } = spec;
        const at =
          publish === undefined || remote === undefined
            ? { host: address, port: port.port }
            : { host: remote, port: publish.port };
        const host = this.host;
        return { host, id, name, app, release, deployment, instance, state: 'running', address: at };
      } catch (error) {
        if (attempt < ADDRESS_ATTEMPTS && TAKEN.test(refusalOf(error))) {
          await this.remove(id);
          continue;
        }
        throw cannotStart(error);
      }
    }
  }

  /** The containers of one-off commands, of one app or of all, running or not. */
  async listOneOffs(app?: string, options: CallOptions = {}): Promise<OneOff[]> {
    const label = [
      `${LABELS.platform}=${this.#platform}`,
      LABELS.run,
      ...(app === undefined ? [] : [`${LABELS.app}=${app}`]),
    ];
    const found = await this.#listDocuments(label, options);
    return found.flatMap((document) => toOneOff(document, this.host) ?? []);
  }

  /**
   * Makes and starts the container of a one-off command, whose image is here. One that is to be attached to gets its connection before it
   * starts, so that nothing it says is lost. With its
   * name taken the engine refuses with status 409.
   */
  async startOneOff(spec: OneOffSpec, options: CallOptions = {}): Promise<{ id: string; stream?: Duplex }> {
    const [image, network] = await Promise.all([this.#findImage(spec.image), this.#ensureNetwork()]);
    if (image === undefined) throw this.#unable(`has lost the image ${this.reference(spec.image)}`);
    const name = oneOffContainerName(this.#platform, spec.app, spec.name);
    const port = portOf(image.Config, spec.env);
    for (let attempt = 1; ; attempt += 1) {
      const { address } = await this.#freePlace(network);
      const body = oneOffOptions({
        platform: this.#platform,
        image: this.reference(spec.image),
        spec,
        port,
        network: network.name,
        address,
        memoryBytes: this.#memoryBytes,
      });
      const id = await this.#createOnce(name, body);
      let stream: Duplex | undefined;
      try {
        if (spec.follower !== undefined) stream = await attachTo(this.engine, id, options);
        await this.#post('start a container', id, 'start', {}, options);
        return { id, ...(stream === undefined ? {} : { stream }) };
      } catch (error) {
        stream?.destroy();
        await this.remove(id).catch(() => undefined);
        options.signal?.throwIfAborted();
        if (attempt < ADDRESS_ATTEMPTS && TAKEN.test(refusalOf(error))) continue;
        throw cannotRun(error);
      }
    }
  }

  /** Starts a container that stopped. False when it is not there any more. */
  async restart(id: string, options: CallOptions = {}): Promise<boolean> {
    return this.#unlessGone(() => this.#post('start a container', id, 'start', {}, options));
  }

  /** From here on the engine itself restarts it, after a crash and after its own restart. */
  async keep(id: string, options: CallOptions = {}): Promise<void> {
    const body = { RestartPolicy: RUNNING_POLICY };
    await this.#post('update a container', id, 'update', { body }, options);
  }

  /** Throws `not_found`. */
  async get(id: string, options: CallOptions = {}): Promise<Container> {
    const remote = await this.#remoteAddress();
    const label = [`${LABELS.platform}=${this.#platform}`];
    const [document] = await this.#listDocuments(label, options, id);
    const container =
      document === undefined ? undefined : toContainer(document, this.host, this.#network, remote);
    if (container === undefined)
      throw new SlipwayError('not_found', `there is no container ${id.slice(0, 12)}`);
    return container;
  }

  async inspect(id: string, options: CallOptions = {}): Promise<Inspection> {
    return this.engine.call(
      'inspect a container',
      async (api, signal) =>
        toInspection(await api.json<Docker.ContainerInspectInfo>({ path: `/containers/${id}/json`, signal })),
      options,
    );
  }

  /** Resolves when it does not run any more. */
  async wait(id: string, options: CallOptions): Promise<Pick<Inspection, 'exitCode' | 'outOfMemory'>> {
    await this.#post('wait for a container', id, 'wait', {}, options);
    return this.inspect(id, options);
  }

  /** What happens to the platform's containers from the moment this resolves; ends or throws when the stream does. */
  async events(signal: AbortSignal): Promise<AsyncIterable<ContainerEvent>> {
    const filters = JSON.stringify({
      type: ['container'],
      event: EVENT_FILTER,
      label: [`${LABELS.platform}=${this.#platform}`],
    });
    // A call's own time-out would end the stream too: only the answer is awaited, not the end.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), EVENTS_TIMEOUT_MS);
    const until = AbortSignal.any([signal, late.signal]);
    const doing = 'send its events';
    try {
      const stream = await this.engine.call(
        doing,
        (api) => api.stream({ path: '/events', query: { filters }, signal: until }),
        { signal },
      );
      return this.engine.whole(doing, parseEvents(stream));
    } finally {
      clearTimeout(timer);
    }
  }

  /** The last lines that the container wrote, oldest first. Empty when it wrote none or is gone. */
  async lastLines(id: string, count: number, options: CallOptions = {}): Promise<string[]> {
    const query = { stdout: true, stderr: true, tail: count };
    const output = await this.engine.call(
      'read the log of a container',
      (api, signal) => api.bytes({ path: `/containers/${id}/logs`, query, signal }),
      options,
    );
    return splitOutput(output).slice(-count);
  }

  logs(id: string, options: LogStreamOptions): Promise<Readable> {
    return logStream(this.engine, id, options);
  }

  /** Runs argv in the container, as its health check. Returns the exit code and what it wrote, clipped. */
  async execute(
    id: string,
    argv: readonly string[],
    options: CallOptions = {},
  ): Promise<{ exitCode: number; output: string }> {
    return this.engine.call(
      'run a health check',
      async (api, signal) => {
        const { Id } = await api.json<{ Id: string }>({
          method: 'POST',
          path: `/containers/${id}/exec`,
          body: { Cmd: argv, AttachStdout: true, AttachStderr: true },
          signal,
        });
        const started = { Detach: false, Tty: false };
        const stream = await api.stream({
          method: 'POST',
          path: `/exec/${Id}/start`,
          body: started,
          signal,
        });
        const chunks: Buffer[] = [];
        let sizeBytes = 0;
        for await (const chunk of stream as AsyncIterable<Buffer>) {
          if (sizeBytes < OUTPUT_BYTES) chunks.push(chunk);
          sizeBytes += chunk.length;
        }
        const { ExitCode } = await api.json<Docker.ExecInspectInfo>({ path: `/exec/${Id}/json`, signal });
        return { exitCode: ExitCode ?? -1, output: splitOutput(Buffer.concat(chunks)).join('\n').trim() };
      },
      options,
    );
  }

  /** SIGTERM (or the image's STOPSIGNAL), after the grace SIGKILL, then it is removed with its own volumes. */
  async stop(id: string, graceMs: number, options: CallOptions = {}): Promise<void> {
    const seconds = Math.ceil(graceMs / 1000);
    await this.#unlessGone(() =>
      this.#post(
        'stop a container',
        id,
        'stop',
        { query: { t: seconds } },
        { ...options, timeoutMs: graceMs + STOP_MARGIN_MS },
      ),
    );
    await this.remove(id, options);
  }

  /** Kills it if it runs. */
  async remove(id: string, options: CallOptions = {}): Promise<void> {
    await this.#unlessGone(() =>
      this.engine.call(
        'remove a container',
        (api, signal) =>
          api.json({
            method: 'DELETE',
            path: `/containers/${id}`,
            query: { force: true, v: true },
            signal,
          }),
        options,
      ),
    );
  }

  /** One look for all containers that are started together: two at once would make the engine two networks of one name. */
  #ensureNetwork(): Promise<Network> {
    const labels = { [LABELS.platform]: this.#platform };
    this.#looking ??= ensureNetwork(this.engine, this.#network, labels).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  get #network(): string {
    return networkName(this.#platform);
  }

  async #remoteAddress(): Promise<string | undefined> {
    return this.engine.remoteHost === undefined ? undefined : this.engine.remoteAddress();
  }

  async #findImage(image: ReleaseImage): Promise<Docker.ImageInspectInfo | undefined> {
    try {
      return await this.engine.call('inspect an image', (api, signal) =>
        api.json<Docker.ImageInspectInfo>({ path: `/images/${this.reference(image)}/json`, signal }),
      );
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  /**
   * Throws `disk_full`. The engine does not tell how much room there is where it keeps its images: only on this machine that can be
   * looked at. Elsewhere a pull that finds no room ends as `disk_full` too.
   */
  async #checkRoom(options: CallOptions): Promise<void> {
    if (this.#freeBytes === 0 || this.engine.remoteHost !== undefined) return;
    const { DockerRootDir: path } = await this.engine.call(
      'say where it keeps its images',
      (api, signal) => api.json<{ DockerRootDir?: string }>({ path: '/info', signal }),
      options,
    );
    if (path === undefined) return;
    await checkRoom({
      path,
      neededBytes: this.#freeBytes,
      doing: 'pull an image',
      hint: 'free some space where the engine keeps its images (slipway retention:run, docker system df), or lower SLIPWAY_PULL_FREE_BYTES; then try again',
    }).catch((error: unknown) => {
      // An engine behind a forwarded socket, or in a container, has a file system of its own.
      if (!isErrno(error, 'ENOENT') && !isErrno(error, 'EACCES')) throw error;
    });
  }

  async #create(name: string, body: Docker.ContainerCreateOptions): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#createOnce(name, body);
      } catch (error) {
        if (statusOf(error) !== 409 || attempt > 1) throw error;
        const label = [`${LABELS.platform}=${this.#platform}`];
        const [rival] = await this.#listDocuments(label, {}, undefined, name);
        if (rival === undefined) throw error;
        await this.remove(rival.Id);
      }
    }
  }

  async #createOnce(name: string, body: Docker.ContainerCreateOptions): Promise<string> {
    return this.engine.call('create a container', async (api, signal) => {
      const create = { method: 'POST', path: '/containers/create', query: { name }, body } as const;
      return (await api.json<{ Id: string }>({ ...create, signal })).Id;
    });
  }

  /** Chosen here and not by the engine, which deals ports and addresses anew when it restarts. */
  async #freePlace({ name, ...range }: Network): Promise<Pick<Creation, 'address' | 'publish'>> {
    const all = await this.#listDocuments([`${LABELS.platform}=${this.#platform}`], {});
    const address = freeAddress(
      range,
      new Set(all.flatMap((document) => fixedAddress(document, this.#network) ?? [])),
    );
    if (address === undefined) throw this.#unable(`has no address left in ${name} (${range.subnet})`);
    const { remoteHost } = this.engine;
    if (remoteHost === undefined) return { address, publish: undefined };
    const port = freePort(new Set(all.map(({ Labels }) => Number(Labels[LABELS.published]))));
    return { address, publish: { ip: publishIp(remoteHost), port } };
  }

  async #listDocuments(
    label: string[],
    options: CallOptions,
    id?: string,
    name?: string,
  ): Promise<Docker.ContainerInfo[]> {
    const filters = {
      label,
      ...(id === undefined ? {} : { id: [id] }),
      ...(name === undefined ? {} : { name: [`^/${name.replaceAll('.', '\\.')}$`] }),
    };
    return this.engine.call(
      'list containers',
      (api, signal) =>
        api.json<Docker.ContainerInfo[]>({
          path: '/containers/json',
          query: { all: true, filters: JSON.stringify(filters) },
          signal,
        }),
      options,
    );
  }

  async #post(
    doing: string,
    id: string,
    action: string,
    request: Pick<EngineRequest, 'query' | 'body'>,
    options: CallOptions,
  ): Promise<void> {
    const path = `/containers/${id}/${action}`;
    await this.engine.call(
      doing,
      (api, signal) => api.bytes({ method: 'POST', path, ...request, signal }),
      options,
    );
  }

  /** It answers, but lacks something. */
  #unable(what: string): SlipwayError {
    return new SlipwayError('engine_unavailable', `the Docker Engine ${what}`, {
      where: this.engine.dockerHost,
    });
  }

  /** 404: gone. 304: it is already so. 409: another removal is under way. */
  async #unlessGone(run: () => Promise<unknown>): Promise<boolean> {
    try {
      await run();
      return true;
    } catch (error) {
      const status = statusOf(error);
      if (status === 304) return true;
      if (status === 404 || status === 409) return false;
      throw error;
    }
  }
}

function fixedAddress(document: Docker.ContainerInfo, network: string): Address['host'] | undefined {
  const endpoint = document.NetworkSettings.Networks[network] as
    | { IPAMConfig?: { IPv4Address?: string } | null }
    | undefined;
  return endpoint?.IPAMConfig?.IPv4Address;
}

/** The image is at fault, not the engine: its command does not exist, or is not a program. */
function cannotStart(error: unknown): unknown {
  const status = statusOf(error);
  if (status !== 400 && status !== 404 && status !== 500) return error;
  return new SlipwayError('unhealthy', `the container could not be started: ${refusalOf(error)}`, {
    hint: 'check CMD and ENTRYPOINT in the Dockerfile: the program must exist in the image and be executable',
    cause: error,
  });
}

/** A command of a person's: it is not the image that is at fault. */
function cannotRun(error: unknown): unknown {
  const status = statusOf(error);
  if (status !== 400 && status !== 404 && status !== 500) return error;
  return new SlipwayError('bad_request', `the command could not be started: ${refusalOf(error)}`, {
    hint: 'it runs as it is, without a shell, after the ENTRYPOINT of the image; its program must be in the image',
    cause: error,
  });
}
