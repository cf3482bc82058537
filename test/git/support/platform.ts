/**
 * A platform as far as this room goes: the real HTTP server, hook, store and logs. What comes after acceptance is a script
 * that the test gives: it finds the work as the builder does, from the journals.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fastify, { type FastifyInstance } from 'fastify';
import { onTestFinished } from 'vitest';
import { DEFAULT_LIMITS, homePaths, type Limits } from '../../../src/config.js';
import { Acceptance, type AcceptanceParts } from '../../../src/git/accept.js';
import { AppRepositories } from '../../../src/git/app-repository.js';
import { Git } from '../../../src/git/git.js';
import { hookProgram, installHook } from '../../../src/git/hook-program.js';
import { HookServer } from '../../../src/git/hook-server.js';
import type { AppDirectory, Pusher } from '../../../src/git/push.js';
import { GitServices } from '../../../src/git/services.js';
import { smartHttp } from '../../../src/git/smart-http.js';
import { createLogger } from '../../../src/log.js';
import { BuildLog } from '../../../src/logs/log-writer.js';
import type { AppLock } from '../../../src/model/app.js';
import type { ActiveFreeze } from '../../../src/model/freeze.js';
import type { Claim } from '../../../src/records/deployments.js';
import { DeploymentStore } from '../../../src/records/deployments.js';
import { clientEnvironment, type WorkTree } from './repositories.js';

const run = promisify(execFile);

export const TOKENS: Readonly<Record<string, Pusher>> = {
  'owner-token': { name: 'ada', may: () => true, mayCreate: () => true },
  'hello-token': { name: 'ben', may: (app) => app === 'hello', mayCreate: () => false },
  'other-token': { name: 'eve', may: (app) => app === 'other', mayCreate: () => false },
};

/** What a test lets happen to a build that was enqueued. */
export type BuildScript = (build: Build) => Promise<void>;

export interface Build {
  readonly app: string;
  readonly id: string;
  readonly oid: string;
  readonly log: BuildLog;
  readonly claim: Claim;
  readonly platform: Platform;
}

export interface PlatformOptions {
  readonly limits?: Partial<Limits>;
  readonly script?: BuildScript;
  readonly signOfLifeMs?: number;
  readonly uploadIdleMs?: number;
  /** A real ledger in place of the list of names, for who needs it. */
  readonly around?: (platform: Platform) => Pick<AcceptanceParts, 'apps'> & Partial<AcceptanceParts>;
}

/** Goes live as the builder and the deployer do, in their order. */
export const goLive: BuildScript = async ({ app, id, oid, log, claim, platform }) => {
  await log.headline('Building');
  await log.body('step 1/1 CACHED');
  const { store, repositories } = platform;
  await store.append(app, id, { type: 'release', at: 1, claim: claim.token, number: 1 });
  const rollout = await store.claim(app, id, 'rollout', 'deployer');
  const from = await repositories.branch(app, 'main');
  await repositories.moveBranch(app, 'main', from, oid);
  await log.final(`v1 of ${app} is live`);
  await log.close();
  await store.end(app, id, { state: 'live', claim: rollout!.token });
};

/** Ends a build in one of the other ways. */
export function endAs(state: 'failed' | 'cancelled' | 'built', reason?: string): BuildScript {
  return async ({ app, id, log, claim, platform }) => {
    await log.headline('Building');
    await log.close();
    await platform.store.end(app, id, {
      state,
      claim: claim.token,
      ...(reason === undefined ? {} : { reason }),
    });
  };
}

export interface PushResult {
  readonly exitCode: number;
  /** What the pusher reads. */
  readonly text: string;
}

export class Platform {
  readonly home: string;
  readonly git: Git = new Git();
  readonly store: DeploymentStore;
  readonly repositories: AppRepositories;
  readonly apps: Map<string, string> = new Map();
  readonly locks: Map<string, AppLock> = new Map();
  readonly freezes: Map<string, ActiveFreeze> = new Map();
  readonly server: FastifyInstance;
  readonly hooks: HookServer;
  readonly services: GitServices;
  readonly directory: AppDirectory;
  readonly limits: Limits;
  script: BuildScript;
  /** What enqueueing does: the work begins at once. */
  take: (app: string) => Promise<unknown> = (app) => this.#enqueue(app);
  waiting: () => Promise<number> = async () => 0;
  readonly #running = new Set<Promise<void>>();

  private constructor(home: string, options: PlatformOptions) {
    const paths = homePaths(home);
    const log = createLogger('test', process.env.TEST_LOG ?? 'silent');
    this.home = home;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.script = options.script ?? goLive;
    this.store = new DeploymentStore(home);
    this.repositories = new AppRepositories(paths, this.git);
    const names: AppDirectory = {
      deployBranch: async (app) => this.apps.get(app),
      lock: async (app) => this.locks.get(app),
      freeze: async (app) => this.freezes.get(app),
      create: async (app, branch) => void this.apps.set(app, branch),
    };
    const around = options.around?.(this) ?? { apps: names };
    const directory = around.apps;
    const acceptance = new Acceptance({
      store: this.store,
      repositories: this.repositories,
      git: this.git,
      queues: { enqueueBuild: (app) => this.take(app), buildsWaiting: () => this.waiting() },
      defaultDeployBranch: 'main',
      limits: this.limits,
      log,
      ...around,
      ...(options.signOfLifeMs === undefined ? {} : { signOfLifeMs: options.signOfLifeMs }),
    });
    this.hooks = new HookServer({
      socketPath: paths.hookSocket,
      receive: (push, viewer) => acceptance.receive(push, viewer),
      log,
    });
    this.services = new GitServices({
      git: this.git,
      repositories: this.repositories,
      hooks: this.hooks,
      hooksDirectory: join(paths.run, 'hooks'),
      defaultDeployBranch: 'main',
      limits: this.limits,
    });
    this.directory = directory;
    this.server = fastify();
    this.server.register(smartHttp, {
      git: this.git,
      repositories: this.repositories,
      services: this.services,
      hooks: this.hooks,
      apps: directory,
      authenticate: async (token) => TOKENS[token],
      defaultDeployBranch: 'main',
      limits: this.limits,
      log,
      ...(options.uploadIdleMs === undefined ? {} : { uploadIdleMs: options.uploadIdleMs }),
    });
  }

  static async start(options: PlatformOptions = {}): Promise<Platform> {
    const home = await mkdtemp(join(tmpdir(), 'slipway-'));
    const platform = new Platform(home, options);
    await mkdir(homePaths(home).appRepositories, { recursive: true });
    await installHook(join(homePaths(home).run, 'hooks'), hookProgram());
    await platform.hooks.start();
    await platform.server.listen({ host: '127.0.0.1', port: 0 });
    onTestFinished(async () => {
      await platform.server.close();
      await platform.hooks.close();
      await Promise.allSettled(platform.#running);
      await rm(home, { recursive: true, force: true });
    });
    return platform;
  }

  async createApp(app: string): Promise<void> {
    await this.repositories.create(app, 'main');
    this.apps.set(app, 'main');
  }

  get address(): string {
    const address = this.server.server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return `127.0.0.1:${address.port}`;
  }

  url(app: string, token = 'owner-token'): string {
    return `http://slipway:${token}@${this.address}/git/${app}.git`;
  }

  /** Runs the real git client; args come after `git`, in the work tree. */
  async client(tree: WorkTree, ...args: string[]): Promise<PushResult> {
    try {
      const { stdout, stderr } = await run('git', args, {
        cwd: tree.path,
        env: clientEnvironment(),
        maxBuffer: 64 * 1024 * 1024,
      });
      return { exitCode: 0, text: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { exitCode: code, text: stdout + stderr };
    }
  }

  /** Starts the real git client and gives its output as it comes. */
  start(tree: WorkTree, ...args: string[]): RunningClient {
    const client = new RunningClient(
      spawn('git', args, { cwd: tree.path, env: clientEnvironment(), detached: true }),
    );
    onTestFinished(() => client.stop());
    return client;
  }

  /** `git push` of HEAD to main, to a remote named slipway. */
  async push(tree: WorkTree, app: string, ...args: string[]): Promise<PushResult> {
    await this.addRemote(tree, app);
    return this.client(tree, 'push', ...(args.length === 0 ? ['slipway', 'main'] : args));
  }

  async addRemote(tree: WorkTree, app: string, token = 'owner-token'): Promise<void> {
    await this.client(tree, 'remote', 'remove', 'slipway');
    await tree.git('remote', 'add', 'slipway', this.url(app, token));
  }

  gitDir(app: string): string {
    return this.repositories.path(app);
  }

  /** All refs of an app, as `<oid> <name>`. */
  async refs(app: string): Promise<string[]> {
    const text = await this.git.text(['for-each-ref', '--format=%(objectname) %(refname)'], {
      gitDir: this.gitDir(app),
    });
    return text === '' ? [] : text.split('\n');
  }

  /** Names below the directory of repositories, and what lies in quarantine: nothing may be left of a push that failed. */
  async leftovers(): Promise<string[]> {
    const root = homePaths(this.home).appRepositories;
    const found: string[] = [];
    for (const name of await readdir(root)) {
      if (!this.apps.has(name.replace(/\.git$/, ''))) found.push(name);
      for (const object of await readdir(join(root, name, 'objects')).catch(() => [])) {
        if (object.includes('incoming')) found.push(`${name}/objects/${object}`);
      }
    }
    return found;
  }

  async #enqueue(app: string): Promise<void> {
    const work = this.work(app);
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work)).catch(() => {});
  }

  /** What a builder does with a job: the newest that waits. */
  async work(app: string): Promise<void> {
    const newest = (await this.store.open(app)).filter(({ state }) => state === 'accepted').at(-1);
    if (newest?.push === undefined) return;
    const claim = await this.store.claim(app, newest.id, 'build', 'builder');
    if (claim === undefined) return;
    const log = await BuildLog.open(this.store.logPath(app, newest.id), this.limits);
    await this.script({ app, id: newest.id, oid: newest.push.newOid, log, claim, platform: this });
  }
}

/** Pids of processes whose command line contains the text. */
export async function processesWith(text: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if ((command.includes(text) || environment.includes(text)) && Number(pid) !== process.pid)
      found.push(Number(pid));
  }
  return found;
}

/** A git client under way. */
export class RunningClient {
  readonly child: ChildProcess;
  readonly ended: Promise<PushResult>;
  #text = '';
  #onText: () => void = () => {};

  constructor(child: ChildProcess) {
    this.child = child;
    const read = (chunk: Buffer): void => {
      this.#text += chunk.toString('utf8');
      this.#onText();
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    this.ended = new Promise((resolve) => {
      child.on('close', (code) => resolve({ exitCode: code ?? -1, text: this.#text }));
    });
  }

  stop(): void {
    if (this.child.exitCode === null && this.child.signalCode === null)
      process.kill(-(this.child.pid ?? 0), 'SIGKILL');
  }

  /** As a terminal does on ^C: every process of the foreground hears it. */
  interrupt(): void {
    process.kill(-(this.child.pid ?? 0), 'SIGINT');
  }

  /** Resolves when the output contains the text. */
  async shows(text: string): Promise<void> {
    while (!this.#text.includes(text)) {
      await new Promise<void>((resolve) => {
        this.#onText = resolve;
      });
    }
  }
}

/** Opens when told to; for scripts that wait for the test. */
export class Gate {
  open: () => void = () => {};
  readonly passed: Promise<void> = new Promise((resolve) => {
    this.open = resolve;
  });
}
