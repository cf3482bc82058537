/**
 * A platform that people come to by SSH: the real sshd in its room, the real door, ledger and API. What builder and deployer would do with a
 * push is a script.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { makeHome, platformPaths } from '../../../platform/home.js';
import { Output } from '../../../platform/output.js';
import type { Service } from '../../../platform/services/service.js';
import { startSsh } from '../../../platform/services/ssh.js';
import { createApp } from '../../../src/beginnings.js';
import { Acceptance } from '../../../src/git/accept.js';
import { hookProgram, installHook } from '../../../src/git/hook-program.js';
import { HookServer } from '../../../src/git/hook-server.js';
import type { AppDirectory } from '../../../src/git/push.js';
import { GitServices } from '../../../src/git/services.js';
import { createLogger } from '../../../src/log.js';
import { BuildLog } from '../../../src/logs/log-writer.js';
import { parseSshKey } from '../../../src/model/ssh-key.js';
import { type DoorTimes, SshDoor } from '../../../src/ssh/door.js';
import { Platform } from '../../api/support/platform.js';
import { clientEnvironment } from '../../git/support/repositories.js';
import { freePort } from '../../support/ports.js';
import { type MadeKey, makeSshKey } from '../../support/ssh-keys.js';
import { until } from '../../support/until.js';

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Run {
  readonly input?: string | Buffer;
  readonly options?: readonly string[];
  readonly user?: string;
  readonly isFresh?: boolean;
}

/** Why a test with the room of sshd cannot run here, or undefined. */
export function roomMissing(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'the room of sshd needs root';
}

export class SshPlatform {
  readonly api: Platform;
  readonly port: number;
  readonly ssh: Service;
  readonly door: SshDoor;
  readonly keys: Map<string, MadeKey> = new Map();
  readonly #hooks: HookServer;
  readonly #knownHosts: string;
  readonly #connections = new Map<string, ChildProcess>();

  private constructor(parts: {
    api: Platform;
    port: number;
    ssh: Service;
    door: SshDoor;
    hooks: HookServer;
    knownHosts: string;
  }) {
    this.api = parts.api;
    this.port = parts.port;
    this.ssh = parts.ssh;
    this.door = parts.door;
    this.#hooks = parts.hooks;
    this.#knownHosts = parts.knownHosts;
  }

  /** With the users of `names`, each with a key. */
  static async start(names: readonly string[], times: Partial<DoorTimes> = {}): Promise<SshPlatform> {
    const api = await Platform.start();
    const log = createLogger('test', process.env.TEST_LOG ?? 'silent');
    const { people, passes } = api.platform;
    const apps: AppDirectory = {
      deployBranch: async (app) => ((await api.ledger.appExists(app)) ? 'main' : undefined),
      lock: async () => undefined,
      create: (app, branch, who) => createApp({ ledger: api.ledger, people }, app, branch, who),
    };
    const acceptance = new Acceptance({
      store: api.store,
      repositories: api.repositories,
      git: api.git,
      apps,
      queues: { enqueueBuild: async (app) => void goLive(api, app) },
      defaultDeployBranch: 'main',
      limits: api.config.limits,
      log,
    });
    const hooks = new HookServer({
      socketPath: api.paths.hookSocket,
      receive: (push, viewer) => acceptance.receive(push, viewer),
      log,
    });
    const hooksDirectory = join(api.paths.run, 'hooks');
    await installHook(hooksDirectory, hookProgram());
    await hooks.start();
    const services = new GitServices({
      git: api.git,
      repositories: api.repositories,
      hooks,
      hooksDirectory,
      defaultDeployBranch: 'main',
      limits: api.config.limits,
    });
    const door = new SshDoor({
      socketPath: api.paths.sshSocket,
      people,
      passes,
      services,
      apps,
      apiUrl: await api.url(),
      limits: api.config.limits,
      log,
      times,
    });
    await door.start();
    const paths = platformPaths(api.home);
    makeHome(paths);
    const port = await freePort();
    const output = new Output({ write: () => true });
    const ssh = await startSsh({ paths, output }, { host: '127.0.0.1', port });
    const knownHosts = join(api.home, 'known_hosts');
    const [type, blob] = (await readFile(join(api.paths.ssh, 'host_ed25519_key.pub'), 'utf8')).split(' ');
    await writeFile(knownHosts, `[127.0.0.1]:${port} ${type} ${blob}\n`);
    const platform = new SshPlatform({ api, port, ssh, door, hooks, knownHosts });
    for (const name of names) {
      const rights = { administrator: name === 'root', mayCreateApps: false };
      await people.addUser(name, rights, 'op');
      const key = await makeSshKey();
      platform.keys.set(name, key);
      await people.addKey(name, parseSshKey(key.line), 'op');
    }
    return platform;
  }

  async stop(): Promise<void> {
    for (const connection of this.#connections.values()) connection.kill('SIGKILL');
    await this.ssh.stop();
    await this.door.close();
    await this.#hooks.close();
    await this.api.stop();
  }

  get url(): string {
    return `ssh://git@127.0.0.1:${this.port}`;
  }

  /** What `ssh` is called with to come as a user; a name without a key comes with one that nobody knows. */
  options(name: string): string[] {
    const key = this.keys.get(name)?.path ?? '/nonexistent';
    return [
      ...['-F', 'none', '-i', key, '-p', String(this.port)],
      ...['-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes', '-o', 'LogLevel=ERROR'],
      ...['-o', 'StrictHostKeyChecking=yes', '-o', `UserKnownHostsFile=${this.#knownHosts}`],
    ];
  }

  /** One connection of a user, which their commands share: what takes time is to make one. */
  async #connection(name: string): Promise<string> {
    const path = join(this.api.home, `ssh-${name}`);
    if (this.#connections.has(name)) return path;
    const argv = [...this.options(name), '-M', '-S', path, '-N', 'git@127.0.0.1'];
    this.#connections.set(name, spawn('ssh', argv, { env: { PATH: process.env.PATH }, stdio: 'ignore' }));
    await until(() => existsSync(path));
    return path;
  }

  /** `ssh git@host COMMAND`; more options before. `isFresh`: by a connection of its own. */
  async run(name: string, command: string | undefined, how: Run = {}): Promise<Ended> {
    const { input = '', options = [], user = 'git', isFresh = false } = how;
    const shared = isFresh ? [] : ['-S', await this.#connection(name)];
    const argv = [...this.options(name), ...shared, ...options, `${user}@127.0.0.1`];
    const child = spawn('ssh', command === undefined ? argv : [...argv, command], {
      env: { PATH: process.env.PATH, SSH_AUTH_SOCK: '' },
    });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    return new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? -1, out, err })));
  }

  /** git in a directory, as a user. */
  async git(name: string, directory: string, ...args: string[]): Promise<Ended> {
    const command = ['ssh', ...this.options(name)].join(' ');
    try {
      const env = { ...clientEnvironment(), GIT_SSH_COMMAND: command, GIT_SSH_VARIANT: 'ssh' };
      const { stdout, stderr } = await promisify(execFile)('git', args, { cwd: directory, env });
      return { code: 0, out: stdout, err: stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, out: stdout, err: stderr };
    }
  }

  /** What lies in the directory of repositories: nothing may be left of what was refused. */
  get repositories(): string {
    return dirname(this.api.repositories.path('x'));
  }
}

/** What builder and deployer do with the newest push. */
async function goLive(api: Platform, app: string): Promise<void> {
  const push = (await api.store.open(app)).filter(({ state }) => state === 'accepted').at(-1);
  if (push?.push === undefined) return;
  const claim = await api.store.claim(app, push.id, 'build', 'a builder');
  if (claim === undefined) return;
  const log = await BuildLog.open(api.store.logPath(app, push.id), api.config.limits);
  await log.headline('Building');
  await api.store.append(app, push.id, { type: 'release', at: 1, claim: claim.token, number: 1 });
  const rollout = await api.store.claim(app, push.id, 'rollout', 'a deployer');
  const from = await api.repositories.branch(app, 'main');
  await api.repositories.moveBranch(app, 'main', from, push.push.newOid);
  await log.final(`v1 of ${app} is live`);
  await log.close();
  await api.store.end(app, push.id, { state: 'live', claim: rollout?.token ?? '' });
}
