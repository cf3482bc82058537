/** A whole platform for tests, started as `npm start` does, and people who push to it with real git and the real CLI. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pushBusybox } from '../../../platform/base-image.js';
import { fetchPage, type Page, startTraffic } from '../../../platform/demo/traffic.js';
import { Output } from '../../../platform/output.js';
import { type Platform, startPlatform } from '../../../platform/platform.js';
import type { BuildView, ReleaseView } from '../../../src/api/views.js';
import { projectRoot } from '../../../src/root.js';
import { takeEngineLock } from '../../support/engine-lock.js';
import { until } from '../../support/until.js';

/** Recovery is tested, so it must not take the minute that it may take in production. */
const QUICK = { SLIPWAY_LEASE_MS: '3000', SLIPWAY_RECONCILE_INTERVAL_MS: '3000', SLIPWAY_LOG_LEVEL: 'info' };

export interface LiveOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** A home that is kept, for a second start. */
  readonly home?: string;
}

export interface Ended {
  readonly exitCode: number;
  readonly output: string;
}

export class LivePlatform {
  readonly platform: Platform;
  readonly home: string;
  readonly output: string[];
  readonly #giveEngineFree: () => Promise<void>;
  readonly #keepsHome: boolean;

  private constructor(
    platform: Platform,
    home: string,
    output: string[],
    keepsHome: boolean,
    free: () => Promise<void>,
  ) {
    this.platform = platform;
    this.home = home;
    this.output = output;
    this.#keepsHome = keepsHome;
    this.#giveEngineFree = free;
  }

  static async start(options: LiveOptions = {}): Promise<LivePlatform> {
    const free = await takeEngineLock();
    const home = options.home ?? (await mkdtemp(join(tmpdir(), 'sw-')));
    const lines: string[] = [];
    try {
      const platform = await startPlatform({
        home,
        // Nothing of the machine's own settings, and never an engine that is there already.
        env: { PATH: process.env.PATH, HOME: process.env.HOME, ...QUICK, ...options.env },
        output: new Output({ write: (text: string) => lines.push(text) }),
      });
      const live = new LivePlatform(platform, home, lines, options.home !== undefined, free);
      await pushBusybox(platform.config);
      return live;
    } catch (error) {
      await free();
      (error as Error).message += `\n${lines.join('').slice(-4000)}`;
      throw error;
    }
  }

  async stop(): Promise<void> {
    try {
      await this.platform.stop();
    } finally {
      await this.#giveEngineFree();
      if (!this.#keepsHome) await rm(this.home, { recursive: true, force: true });
    }
  }

  /** Kills a process or service with -9; what watches over it starts it again. */
  async kill(name: string): Promise<void> {
    const pid = this.platform.pid(name);
    if (pid === undefined) throw new Error(`${name} does not run`);
    process.kill(pid, 'SIGKILL');
    await until(() => this.platform.pid(name) !== pid);
  }

  /** What a browser gets of any app; what went wrong when nothing answers. */
  async pageOf(app: string): Promise<string> {
    const { edge, appDomain } = this.platform.config;
    const target = { host: '127.0.0.1', port: Number(edge.bind.split(':')[1]), name: `${app}.${appDomain}` };
    return fetchPage(target).then(
      ({ body }) => body,
      (error: Error) => error.message,
    );
  }

  /** A new app with a repository of its own. */
  async app(name: string, files: Readonly<Record<string, string>>): Promise<LiveApp> {
    const directory = join(this.home, 'people', name);
    await mkdir(directory, { recursive: true });
    const app = new LiveApp(this, name, directory);
    await app.git('init', '--quiet', '--initial-branch', 'main');
    await app.commit(files);
    await app.slipway('apps:create', name);
    return app;
  }
}

export class LiveApp {
  readonly name: string;
  readonly directory: string;
  readonly #live: LivePlatform;

  constructor(live: LivePlatform, name: string, directory: string) {
    this.#live = live;
    this.name = name;
    this.directory = directory;
  }

  get env(): NodeJS.ProcessEnv {
    const { platform } = this.#live;
    return {
      PATH: process.env.PATH,
      HOME: this.directory,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_AUTHOR_NAME: 'Tester',
      GIT_AUTHOR_EMAIL: 'tester@example.com',
      GIT_COMMITTER_NAME: 'Tester',
      GIT_COMMITTER_EMAIL: 'tester@example.com',
      SLIPWAY_URL: platform.url,
      SLIPWAY_TOKEN: platform.adminToken?.token ?? '',
    };
  }

  async commit(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [path, text] of Object.entries(files)) {
      const at = join(this.directory, path);
      await mkdir(dirname(at), { recursive: true });
      await writeFile(at, text);
    }
    await this.git('add', '--all', '--', '.');
    await this.git('commit', '--quiet', '--allow-empty', '--message', 'change');
  }

  async git(...args: string[]): Promise<string> {
    const { exitCode, output } = await this.start('git', args).ended;
    if (exitCode !== 0) throw new Error(`git ${args.join(' ')} failed:\n${output}`);
    return output.trim();
  }

  /** Throws unless it succeeds. */
  async slipway(...args: string[]): Promise<string> {
    const { exitCode, output } = await this.trySlipway(...args);
    if (exitCode !== 0) throw new Error(`slipway ${args.join(' ')} failed with ${exitCode}:\n${output}`);
    return output;
  }

  trySlipway(...args: string[]): Promise<Ended> {
    return this.start(join(projectRoot(), 'bin', 'slipway'), args).ended;
  }

  push(...options: string[]): Promise<Ended> {
    return this.startPush(...options).ended;
  }

  /** A push that goes on while the test does something else. */
  startPush(...options: string[]): Running {
    return this.start('git', ['push', ...options, 'slipway', 'HEAD:main']);
  }

  start(program: string, args: readonly string[]): Running {
    return new Running(
      spawn(program, [...args], { cwd: this.directory, env: this.env, stdio: ['ignore', 'pipe', 'pipe'] }),
    );
  }

  async builds(): Promise<readonly BuildView[]> {
    return this.#json(['builds', '--limit', '200', '--json', '-a', this.name]);
  }

  async releases(): Promise<readonly ReleaseView[]> {
    return this.#json(['releases', '--json', '-a', this.name]);
  }

  /** What a browser gets; status 0 when nothing answers. */
  async page(): Promise<Page> {
    return fetchPage(this.#target).catch((error: Error) => ({ status: 0, body: error.message }));
  }

  traffic(...texts: string[]): ReturnType<typeof startTraffic> {
    return startTraffic(this.#target, texts, 2);
  }

  get #target(): Parameters<typeof fetchPage>[0] {
    const { config } = this.#live.platform;
    return {
      host: '127.0.0.1',
      port: Number(config.edge.bind.split(':')[1]),
      name: `${this.name}.${config.appDomain}`,
    };
  }

  async #json<T>(args: readonly string[]): Promise<T> {
    const child = spawn(join(projectRoot(), 'bin', 'slipway'), [...args], {
      cwd: this.directory,
      env: this.env,
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (data) => {
      out += data;
    });
    child.stderr.on('data', (data) => {
      err += data;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`slipway ${args.join(' ')} failed: ${err}`);
    return JSON.parse(out) as T;
  }
}

export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  output = '';

  constructor(child: ChildProcess) {
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ exitCode: code ?? 1, output: this.output }));
    });
  }

  /** Waits until the program has printed this; fails when it ends without. */
  async says(text: string): Promise<void> {
    let over = false;
    void this.ended.then(() => {
      over = true;
    });
    await until(() => over || this.output.includes(text), 60_000);
    if (!this.output.includes(text)) throw new Error(`it ended without saying "${text}":\n${this.output}`);
  }
}

/** A Dockerfile that serves one page with busybox. `lines` come before the page is written. */
export function page(text: string, ...lines: string[]): Record<string, string> {
  return {
    Dockerfile: [
      'FROM busybox',
      'WORKDIR /srv',
      ...lines,
      'COPY index.html .',
      'EXPOSE 8080',
      'CMD ["httpd", "-f", "-p", "8080", "-h", "/srv"]',
      '',
    ].join('\n'),
    'index.html': `${text}\n`,
  };
}
