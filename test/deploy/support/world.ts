/** All real parts of a rollout around one home: engine, registry, HAProxy, repositories, ledger and records. */
import { mkdir, readFile } from 'node:fs/promises';
import { deployNext } from '../../../deploy/deployer.js';
import { Drift } from '../../../deploy/drift.js';
import { Edge } from '../../../deploy/edge/edge.js';
import { Haproxy } from '../../../deploy/edge/haproxy.js';
import { EdgeStateFile } from '../../../deploy/edge/state-file.js';
import { Followed } from '../../../deploy/followed.js';
import type { Host, Hosts } from '../../../deploy/hosts.js';
import { type ReconcileParts, reconcileAll } from '../../../deploy/reconcile.js';
import { Retirements } from '../../../deploy/retire.js';
import { SwarmTarget } from '../../../deploy/swarm/target.js';
import type { Container } from '../../../deploy/targets/container.js';
import { DockerTarget } from '../../../deploy/targets/docker.js';
import { Engine } from '../../../deploy/targets/engine.js';
import type { Machine, Machines } from '../../../platform/demo/machines.js';
import { type Config, homePaths, loadConfig } from '../../../src/config.js';
import { SlipwayError } from '../../../src/errors.js';
import { AppRepositories } from '../../../src/git/app-repository.js';
import { Git } from '../../../src/git/git.js';
import { Ledger } from '../../../src/ledger/ledger.js';
import { Vault } from '../../../src/ledger/vault.js';
import { createLogger } from '../../../src/log.js';
import type { Deployment, DeploymentKind } from '../../../src/model/deployment.js';
import { LOCAL_HOST } from '../../../src/model/host.js';
import type { ReleaseImage, ReleaseProcess } from '../../../src/model/release.js';
import { DeploymentStore } from '../../../src/records/deployments.js';
import { RegistryClient } from '../../../src/registry/client.js';
import { Turns } from '../../../src/turns.js';
import { temporaryDirectory } from '../../support/directories.js';
import { startDocker, type TestDocker } from '../../support/docker.js';
import { commitFile } from '../../support/repository.js';
import { startEdge, type TestEdge } from './edge.js';
import { type ImageWish, pushImage } from './images.js';
import { ask } from './load.js';
import { startRegistry, type TestRegistry } from './registry.js';

const NO_OID = '0'.repeat(40);
export const PLATFORM = 'testtest';

/** Names of hosts, each with its engine as DOCKER_HOST wants it; with `swarm+` in front it is a manager. */
type Engines = readonly (readonly [string, string])[];

/** Called around each step that a deployer takes outside its own memory. */
export type Step = <T>(name: string, run: () => Promise<T>) => Promise<T>;

export class World {
  readonly docker: TestDocker;
  readonly registry: TestRegistry;
  readonly edge: TestEdge;
  readonly config: Config;
  readonly store: DeploymentStore;
  readonly ledger: Ledger;
  readonly repositories: AppRepositories;
  readonly parts: ReconcileParts;
  /** The first host's. */
  readonly target: DockerTarget;
  readonly #engines: Engines;
  /** The last commit made for each app. */
  readonly #sources = new Map<string, string>();

  private constructor(
    docker: TestDocker,
    engines: Engines,
    registry: TestRegistry,
    edge: TestEdge,
    config: Config,
    vault: Vault,
  ) {
    this.docker = docker;
    this.#engines = engines;
    this.registry = registry;
    this.edge = edge;
    this.config = config;
    const paths = homePaths(config.home);
    const git = new Git();
    this.store = new DeploymentStore(config.home);
    this.repositories = new AppRepositories(paths, git);
    this.ledger = new Ledger(paths, git, vault, {
      createRepository: (app) => this.repositories.create(app, 'main'),
    });
    this.parts = this.deployer();
    [this.target] = this.#targets() as [DockerTarget];
  }

  static async open(): Promise<World> {
    const [docker, registry] = await Promise.all([startDocker(), startRegistry()]);
    return World.#around(docker, [[LOCAL_HOST, docker.host]], registry);
  }

  /** With the machines as its hosts, or with these, and no local engine. It stops them when it is closed. */
  static async over(machines: Machines, engines?: Engines): Promise<World> {
    const [first] = machines.all as [Machine];
    const docker: TestDocker = {
      host: first.dockerHost,
      tcpHost: first.dockerHost,
      docker: (args, options) => first.docker(args, options),
      restart: async () => {
        await first.kill();
        await first.start();
      },
      pause: () => first.kill(),
      resume: () => first.start(),
      stop: () => machines.stop(),
    };
    const each = machines.all.map(({ name, dockerHost }) => [name, dockerHost] as const);
    return World.#around(docker, engines ?? each, await startRegistry(machines.ourAddress));
  }

  static async #around(docker: TestDocker, engines: Engines, registry: TestRegistry): Promise<World> {
    const edge = await startEdge();
    const home = await temporaryDirectory();
    const paths = homePaths(home);
    await mkdir(paths.appRepositories, { recursive: true });
    const config = loadConfig({
      SLIPWAY_HOME: home,
      SLIPWAY_REGISTRY: registry.host,
      SLIPWAY_INSECURE_REGISTRIES: registry.host,
      DOCKER_HOST: docker.host,
      SLIPWAY_EDGE_SOCKET: edge.masterSocket,
      SLIPWAY_EDGE_CONFIG: edge.configFile,
      SLIPWAY_EDGE_BIND: edge.settings.bind,
      SLIPWAY_LIMIT_STOP_GRACE_MS: '2000',
      SLIPWAY_LIMIT_DRAIN_TIMEOUT_MS: '3000',
      SLIPWAY_LIMIT_HEALTH_TIMEOUT_MS: '6000',
    });
    return new World(docker, engines, registry, edge, config, await Vault.open(paths.secretKey));
  }

  /** A deployer of its own, as another process would be; `step` sees each of its steps. */
  deployer({
    step = (_name, run) => run(),
    memoryBytes,
    adopt = true,
  }: {
    step?: Step;
    memoryBytes?: number;
    adopt?: boolean;
  } = {}): ReconcileParts {
    const { config } = this;
    const log = createLogger('test', process.env.TEST_LOG ?? 'silent');
    return {
      config,
      store: watched('store', this.store, step),
      ledger: watched('ledger', this.ledger, step),
      repositories: watched('repositories', this.repositories, step),
      registry: watched('registry', RegistryClient.fromConfig(config), step),
      hosts: hostsOf(this.#targets({ step, memoryBytes })),
      edge: new Edge({
        haproxy: watched('haproxy', new Haproxy(config.edge.masterSocket), step),
        file: watched('file', new EdgeStateFile(config.edge.configFile), step),
        settings: this.edge.settings,
        log,
      }),
      log,
      fast: { adopt },
      turns: new Turns(),
      retirements: new Retirements(),
      followed: new Followed(),
      by: 'test',
      appRepositories: homePaths(config.home).appRepositories,
      drift: new Drift(),
    };
  }

  #targets({ step, memoryBytes }: { step?: Step; memoryBytes?: number | undefined } = {}): Host['target'][] {
    return this.#engines.map(([host, address]) => {
      const plain = new Engine(address.replace(/^swarm\+/, ''));
      const engine = step === undefined ? plain : watched('engine', plain, step);
      const options = { host, engine, platform: PLATFORM, registry: this.config.registry };
      if (address.startsWith('swarm+')) return new SwarmTarget(options);
      return new DockerTarget({
        ...options,
        ...(memoryBytes === undefined ? {} : { memoryBytes }),
      });
    });
  }

  image(wish: ImageWish): Promise<ReleaseImage> {
    return pushImage(this.docker, this.registry.host, 'apps/test', wish);
  }

  async createApp(app: string): Promise<void> {
    await this.ledger.createApp(app, { deployBranch: 'main' }, 'alice');
  }

  /** A release that waits for its rollout, as a builder or the API leaves it. */
  async release(
    app: string,
    image: ReleaseImage,
    {
      kind = 'push',
      source,
      scale = 1,
      processes = [{ type: 'web', scale }],
      hosts,
    }: {
      kind?: DeploymentKind;
      source?: string;
      scale?: number;
      processes?: readonly ReleaseProcess[];
      hosts?: readonly string[];
    } = {},
  ): Promise<Deployment> {
    const commit = source ?? (await this.commit(app));
    const oldOid = (await this.repositories.branch(app, 'main')) ?? NO_OID;
    const options = { detach: false, noCache: false, buildOnly: false };
    const push = { ref: 'refs/heads/main', oldOid, newOid: commit, options };
    const { id } = await this.store.create(app, { kind, who: 'alice', ...(kind === 'push' ? { push } : {}) });
    const { config } = await this.ledger.read(app);
    const claim = kind === 'push' ? await this.store.claim(app, id, 'build', 'builder') : undefined;
    if (claim !== undefined) {
      const built = { type: 'built', at: Date.now(), claim: claim.token, digest: image.digest } as const;
      await this.store.append(app, id, { ...built, steps: { cached: 2, total: 3 } });
    }
    const draft = {
      kind: kind === 'push' ? ('deploy' as const) : kind,
      image,
      source: commit,
      config,
      processes,
      ...(hosts === undefined ? {} : { hosts }),
      deploymentId: id,
      description: `deploy ${commit.slice(0, 7)}`,
    };
    const { number } = await this.ledger.appendRelease(app, draft, 'alice');
    return this.store.append(app, id, {
      type: 'release',
      at: Date.now(),
      number,
      ...(claim === undefined ? {} : { claim: claim.token }),
    });
  }

  /** A commit without a parent, as in a new repository. */
  firstCommit(app: string): Promise<string> {
    this.#sources.delete(app);
    return this.commit(app);
  }

  /** A commit on top of the app's last one. */
  async commit(app: string): Promise<string> {
    const gitDir = this.repositories.path(app);
    const git = new Git();
    const parent = this.#sources.get(app);
    const oid = await commitFile(gitDir, 'file', `${Math.random()}`);
    if (parent === undefined) {
      this.#sources.set(app, oid);
      return oid;
    }
    const tree = await git.text(['rev-parse', `${oid}^{tree}`], { gitDir });
    const who = {
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a',
    };
    const child = await git.text(['commit-tree', tree, '-p', parent, '-m', 'a change'], { gitDir, env: who });
    this.#sources.set(app, child);
    return child;
  }

  /** Rolls out what waits and returns how this deployment ended. */
  async rollOut({ app, id }: Deployment, parts: ReconcileParts = this.parts): Promise<Deployment> {
    await deployNext(parts, app, new AbortController().signal);
    await parts.retirements.idle();
    return this.deployment(app, id);
  }

  async deployment(app: string, id: string): Promise<Deployment> {
    const found = await this.store.get(app, id);
    if (found === undefined) throw new Error(`no deployment ${id}`);
    return found;
  }

  reconcile(parts: ReconcileParts = this.parts): Promise<void> {
    return reconcileAll(parts, new AbortController().signal);
  }

  /** `v1 running`, of each of the app's containers. */
  async states(app: string): Promise<string[]> {
    return (await this.containers(app)).map(({ release, state }) => `v${release} ${state}`);
  }

  /** On all hosts. Throws when one of them does not answer. */
  async containers(app?: string): Promise<Container[]> {
    return (await Promise.all(this.#targets().map((target) => target.list(app)))).flat();
  }

  log({ app, id }: Deployment): Promise<string> {
    return readFile(this.store.logPath(app, id), 'utf8');
  }

  async get(app: string, path = '/'): Promise<{ status: number; body: string }> {
    const { status, body } = await ask(undefined, { port: this.edge.port, host: `${app}.localhost`, path });
    return { status, body: body.trim() };
  }

  async close(): Promise<void> {
    await this.docker.stop();
    await this.edge.stop();
    await this.registry.stop();
  }
}

/** Over these targets, each by the name that its containers carry. */
function hostsOf(targets: readonly Host['target'][]): Hosts {
  const all = targets.map((target) => ({ name: target.host, target }));
  return {
    list: async () => all,
    get: async (name) => {
      const found = all.find((host) => host.name === name);
      if (found === undefined) throw new SlipwayError('not_found', `there is no host ${name}`);
      return found;
    },
  };
}

/** The same object, but each call of a method goes through `step`. */
function watched<T extends object>(name: string, object: T, step: Step): T {
  return new Proxy(object, {
    get: (target, property) => {
      const value = Reflect.get(target, property, target) as unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const run = (): unknown => value.apply(target, args);
        // Neither a generator nor a path is a step.
        if (property === 'watch' || property === 'logPath' || property === 'revealConfig') return run();
        if (property === 'translate' || property === 'unavailable') return run();
        const what = name === 'engine' ? String(args[0]) : String(property);
        return step(`${name}: ${what}`, async () => run());
      };
    },
  });
}
