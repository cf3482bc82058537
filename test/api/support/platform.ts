/**
 * The web process as its API's users meet it: the real server, ledger, journals, logs and queue in a temporary home. What
 * builder and deployer would do is a script: they write to the same journals.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { DeployerClient } from '../../../src/api/deployer-client.js';
import { PROBLEM_TYPE, type Problem } from '../../../src/api/errors.js';
import type { RouteDescription } from '../../../src/api/route.js';
import { type Config, homePaths, type Limits, loadConfig } from '../../../src/config.js';
import type { DeployTools } from '../../../src/deploys.js';
import { Acceptance } from '../../../src/git/accept.js';
import { AppRepositories } from '../../../src/git/app-repository.js';
import { Git } from '../../../src/git/git.js';
import { openOutside } from '../../../src/git/outside/open.js';
import { retentionParts } from '../../../src/housekeeping/retention/open.js';
import { appDirectory } from '../../../src/ledger/app-directory.js';
import { EventLog } from '../../../src/ledger/event-log.js';
import { Ledger } from '../../../src/ledger/ledger.js';
import { PlatformLedger } from '../../../src/ledger/platform.js';
import { Vault } from '../../../src/ledger/vault.js';
import { createLogger, type Logger } from '../../../src/log.js';
import { BuildLog } from '../../../src/logs/log-writer.js';
import type { Deployment, FinalState } from '../../../src/model/deployment.js';
import type { Release } from '../../../src/model/release.js';
import type { Page } from '../../../src/page.js';
import { Queues } from '../../../src/queue/queues.js';
import { DeploymentStore } from '../../../src/records/deployments.js';
import { RegistryClient } from '../../../src/registry/client.js';
import { ReviewApps } from '../../../src/reviews/review-apps.js';
import { buildServer, type ServerTimes } from '../../../src/server.js';
import { temporaryDirectory } from '../../support/directories.js';
import { startRedis, type TestRedis } from '../../support/redis.js';
import { commitFile } from '../../support/repository.js';
import { ScriptedDeployer } from './deployer.js';

export interface Answer {
  readonly status: number;
  /** Of an error what it says, as a client reads it out of the problem details: code, message, where and hint. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it
  readonly body: any;
  readonly text: string;
  readonly headers: LightMyRequestResponse['headers'];
}

export type Who = 'admin' | 'alice' | 'reader' | 'nobody' | 'revoked' | 'wrong';

export interface PlatformOptions {
  readonly limits?: Partial<Limits>;
  readonly times?: Partial<ServerTimes>;
  /** More of the environment. */
  readonly settings?: Readonly<Record<string, string>>;
  /** `host:port`; by default there is none. */
  readonly registry?: string;
  /** By default there is only the API. */
  readonly page?: Page;
  /** More settings. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Call {
  /** Whose token: alice may do everything with hello and shop, reader may use hello only. */
  readonly as?: Who | undefined;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

export class Platform {
  readonly home: string;
  readonly config: Config;
  readonly paths: ReturnType<typeof homePaths>;
  readonly git: Git = new Git();
  readonly repositories: AppRepositories;
  readonly ledger: Ledger;
  readonly platform: PlatformLedger;
  readonly store: DeploymentStore;
  readonly redis: TestRedis;
  readonly queues: Queues;
  readonly deployer: ScriptedDeployer;
  readonly registry: RegistryClient;
  readonly server: FastifyInstance;
  readonly tokens: Map<Who, string> = new Map();
  /** All routes of the server, as `METHOD /path/:param`. */
  readonly routes: string[] = [];
  /** The descriptions of those below /v1. */
  readonly described: RouteDescription[] = [];
  #url: string | undefined;

  private constructor(home: string, vault: Vault, redis: TestRedis, options: PlatformOptions) {
    const config = loadConfig({
      SLIPWAY_HOME: home,
      SLIPWAY_EDGE_BIND: '127.0.0.1:8080',
      SLIPWAY_EDGE_TLS_BIND: '127.0.0.1:8443',
      SLIPWAY_URL: 'http://slipway.test:7070',
      ...options.settings,
      ...(options.registry === undefined ? {} : { SLIPWAY_REGISTRY: options.registry }),
      ...options.env,
    });
    this.home = home;
    // Tests ask more often than people.
    const limits = { ...config.limits, strangersPerMinute: 1_000_000, ...options.limits };
    this.config = { ...config, limits };
    this.paths = homePaths(home);
    this.redis = redis;
    this.repositories = new AppRepositories(this.paths, this.git);
    this.ledger = new Ledger(this.paths, this.git, vault, {
      createRepository: (app) => this.repositories.ensure(app, 'main'),
    });
    this.platform = new PlatformLedger(this.paths, this.git);
    this.store = new DeploymentStore(home);
    const log = createLogger('test', process.env.TEST_LOG ?? 'silent');
    this.queues = new Queues(redis.url, { log });
    this.registry = RegistryClient.fromConfig(this.config, log);
    this.deployer = new ScriptedDeployer(this.paths.deployerSocket);
    this.server = buildServer(
      {
        config: this.config,
        store: this.store,
        ledger: this.ledger,
        platform: this.platform,
        people: this.platform.people,
        events: new EventLog(this.git, this.paths),
        hostBook: this.platform.hosts,
        history: this.repositories,
        queues: this.queues,
        limits: this.config.limits,
        deployer: new DeployerClient(this.paths.deployerSocket),
        deploys: this.#deploys(log),
        reviews: new ReviewApps({ ...this, people: this.platform.people }),
        retention: retentionParts(this.config, {
          ledger: this.ledger,
          store: this.store,
          repositories: this.repositories,
          registry: this.registry,
        }),
      },
      (_instance, _options, done) => done(),
      log,
      { bodyMs: 60_000, revokedMs: 200, pingMs: 15_000, stallMs: 60_000, ...options.times },
      options.page,
    );
    this.server.addHook('onRoute', ({ method, url, config }) => {
      for (const each of [method].flat()) this.routes.push(`${each} ${url}`);
      if (config?.described !== undefined && method !== 'HEAD') this.described.push(config.described);
    });
  }

  #deploys(log: Logger): DeployTools {
    const { config, git, ledger, queues, registry, repositories, store } = this;
    const apps = appDirectory(ledger, this.platform.people);
    const acceptance = new Acceptance({
      ...{ store, repositories, git, apps, queues, log },
      defaultDeployBranch: 'main',
      limits: config.limits,
    });
    const outside = openOutside(config, { git, repositories, ledger });
    return { config, ledger, repositories, git, outside, registry, acceptance };
  }

  static async start(options: PlatformOptions = {}): Promise<Platform> {
    const home = await temporaryDirectory();
    const redis = await startRedis();
    const platform = new Platform(home, await Vault.open(homePaths(home).secretKey), redis, options);
    await mkdir(dirname(platform.paths.deployerSocket), { recursive: true });
    await platform.deployer.listen();
    const { tokens } = platform.platform;
    const make = async (
      who: Who,
      apps: '*' | string[],
      admin: boolean,
      mayCreateApps: boolean,
    ): Promise<string> => {
      const { id, token } = await tokens.create({
        name: who,
        apps,
        admin,
        mayCreateApps,
        who: 'the operator',
      });
      platform.tokens.set(who, token);
      return id;
    };
    await make('admin', '*', true, true);
    await make('alice', ['hello', 'shop'], false, true);
    await make('reader', ['hello'], false, false);
    await tokens.revoke(await make('revoked', '*', true, true), 'the operator');
    const right = platform.token('admin');
    platform.tokens.set('wrong', `${right.slice(0, -1)}${right.endsWith('A') ? 'E' : 'A'}`);
    await platform.server.ready();
    return platform;
  }

  async stop(): Promise<void> {
    this.server.server.closeAllConnections();
    await this.server.close();
    await this.deployer.stop();
    this.registry.close();
    await this.queues.close();
  }

  /** Where a client reaches it; listening from the first call on. */
  async url(): Promise<string> {
    this.#url ??= await this.server.listen({ host: '127.0.0.1', port: 0 });
    return this.#url;
  }

  token(who: Who): string {
    return this.tokens.get(who) ?? '';
  }

  /** One request without a network. As admin unless said otherwise. */
  async call(method: string, path: string, { as = 'admin', body, headers = {} }: Call = {}): Promise<Answer> {
    const response = await this.server.inject({
      method: method as NonNullable<InjectOptions['method']>,
      url: path,
      headers: {
        ...(as === 'nobody' ? {} : { authorization: `Bearer ${this.token(as)}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return {
      status: response.statusCode,
      body: errorOf(parsed(response.body), response.headers['content-type']),
      text: response.body,
      headers: response.headers,
    };
  }

  async createApp(app: string): Promise<void> {
    await this.ledger.createApp(app, { deployBranch: 'main' }, 'alice');
  }

  /** A commit of the app; its content makes it another one. */
  commit(app: string, content: string): Promise<string> {
    return commitFile(this.repositories.path(app), 'Dockerfile', content);
  }

  /** A push that was accepted, as src/git leaves it. */
  async push(app: string, content = 'FROM scratch\n', who = 'alice'): Promise<Deployment> {
    const newOid = await this.commit(app, content);
    const options = { detach: false, noCache: false, buildOnly: false };
    return this.store.create(app, {
      kind: 'push',
      who,
      push: { ref: 'refs/heads/main', oldOid: '0'.repeat(40), newOid, options },
    });
  }

  /** A push that a builder works on; the claim is the builder's. */
  async building(app: string, content?: string): Promise<{ id: string; claim: string }> {
    const { id } = await this.push(app, content);
    const claim = await this.store.claim(app, id, 'build', 'a builder');
    return { id, claim: claim!.token };
  }

  /** A push that is built: its release waits for the deployer. */
  async ready(
    app: string,
    content?: string,
    processes: Release['processes'] = [{ type: 'web', scale: 1 }],
  ): Promise<{ id: string; release: Release }> {
    const { id, claim } = await this.building(app, content);
    const pushed = await this.store.get(app, id);
    const release = await this.ledger.appendRelease(
      app,
      {
        kind: 'deploy',
        image: { repository: `apps/${app}`, digest: `sha256:${pushed!.push!.newOid.padEnd(64, '0')}` },
        source: pushed!.push!.newOid,
        config: (await this.ledger.read(app)).config,
        processes,
        deploymentId: id,
        description: `deploy ${pushed!.push!.newOid.slice(0, 7)}`,
      },
      'alice',
    );
    await this.store.append(app, id, { type: 'release', at: Date.now(), claim, number: release.number });
    return { id, release };
  }

  /** What a deployer does in the end with a deployment that is ready. */
  async finish(app: string, id: string, state: FinalState, reason?: string, code?: string): Promise<void> {
    const claim = await this.store.claim(app, id, 'rollout', 'a deployer');
    const deployment = await this.store.get(app, id);
    const why = reason === undefined ? {} : { reason };
    if (state !== 'built')
      await this.ledger.recordOutcome(app, deployment!.release!, {
        state,
        at: new Date().toISOString(),
        ...why,
      });
    await this.store.end(app, id, {
      state,
      ...why,
      ...(code === undefined ? {} : { code }),
      claim: claim!.token,
    });
  }

  /** A push that went live. */
  async live(
    app: string,
    content?: string,
    processes?: Release['processes'],
  ): Promise<{ id: string; release: Release }> {
    const made = await this.ready(app, content, processes);
    await this.finish(app, made.id, 'live');
    return made;
  }

  async log(app: string, id: string, write: (log: BuildLog) => Promise<void>): Promise<void> {
    const log = await BuildLog.open(this.store.logPath(app, id), this.config.limits);
    try {
      await write(log);
    } finally {
      await log.close();
    }
  }

  /** How many jobs wait for the deployer. */
  async rollouts(): Promise<string[]> {
    const client = this.redis.client();
    const names = (await client.keys('*rollouts:*')).filter((name) =>
      /:rollouts:[a-z][a-z0-9-]*-[0-9a-f-]{36}$/.test(name),
    );
    return names.map((name) => name.replace(/^.*:rollouts:(.*)-[0-9a-f-]{36}$/, '$1')).sort();
  }
}

/** The rest is held against the document of the API, in openapi.test.ts. */
export function errorOf(body: unknown, type: unknown): unknown {
  if (type !== PROBLEM_TYPE || body === undefined) return body;
  const {
    type: _type,
    title: _title,
    status: _status,
    instance: _instance,
    detail,
    ...rest
  } = body as Problem;
  return { ...rest, message: detail };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
