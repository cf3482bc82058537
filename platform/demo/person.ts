/** The person of the demo: a working copy of an example app, git, the CLI, and nothing else. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../src/root.js';
import type { Platform } from '../platform.js';
import { type Result, run, type Shown } from './commands.js';
import type { Phase } from './report.js';
import type { Target } from './traffic.js';

/** Of `slipway builds --json`: the fields that the demo shows. */
export interface BuildSummary {
  readonly id: string;
  readonly state: string;
  readonly release?: number;
  readonly steps?: { readonly cached: number; readonly total: number };
  readonly phases: readonly Phase[];
}

/** Of `slipway ps --json`. */
export interface RunningProcess {
  readonly release: number;
  readonly host: string;
  readonly state: string;
}

export const APP = 'hello';
const MESSAGE = 'message.txt';

export class Person {
  readonly #copy: string;
  readonly #platform: Platform;
  readonly #shown: Shown;
  readonly #env: NodeJS.ProcessEnv;
  readonly #signal: AbortSignal;

  constructor(platform: Platform, shown: Shown, signal: AbortSignal) {
    this.#platform = platform;
    this.#copy = join(platform.config.home, 'demo', APP);
    this.#shown = shown;
    this.#signal = signal;
    // A home of its own: neither the settings nor the credentials of the person at the machine are touched.
    const home = join(platform.config.home, 'demo');
    this.#env = {
      PATH: process.env.PATH,
      HOME: home,
      XDG_CONFIG_HOME: join(home, '.config'),
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_AUTHOR_NAME: 'Demo',
      GIT_AUTHOR_EMAIL: 'demo@example.com',
      GIT_COMMITTER_NAME: 'Demo',
      GIT_COMMITTER_EMAIL: 'demo@example.com',
    };
  }

  /** Where the app's page is. */
  get target(): Target {
    const { config } = this.#platform;
    const port = Number(config.edge.bind.split(':')[1]);
    return { host: '127.0.0.1', port, name: `${APP}.${config.appDomain}` };
  }

  /** Logs in and makes an app of the example, in a new repository. */
  async begin(token: string): Promise<void> {
    cpSync(join(projectRoot(), 'examples', APP), this.#copy, { recursive: true });
    await this.#must('git', ['init', '--quiet', '--initial-branch', this.#platform.config.deployBranch]);
    await this.commit('The hello example');
    await this.#must(this.#cli, ['login', this.#platform.url], token);
    await this.#must(this.#cli, ['apps:create', APP]);
  }

  write(file: string, change: (text: string) => string): void {
    const path = join(this.#copy, file);
    writeFileSync(path, change(readFileSync(path, 'utf8')));
  }

  say(message: string): void {
    this.write(MESSAGE, () => `${message}\n`);
  }

  async commit(message: string): Promise<void> {
    await this.#must('git', ['add', '--all']);
    await this.#must('git', ['commit', '--quiet', '--message', message]);
  }

  async undoCommit(): Promise<void> {
    await this.#must('git', ['reset', '--quiet', '--hard', 'HEAD~1']);
  }

  push(): Promise<Result> {
    return this.#run('git', ['push', 'slipway', this.#platform.config.deployBranch]);
  }

  slipway(...args: string[]): Promise<Result> {
    return this.#run(this.#cli, args);
  }

  /** Of `slipway ps`. */
  async processes(): Promise<readonly RunningProcess[]> {
    return (await this.#asked('ps')) as RunningProcess[];
  }

  async newestBuild(): Promise<BuildSummary | undefined> {
    return ((await this.#asked('builds', '--limit', '1')) as BuildSummary[])[0];
  }

  /** Without showing it. */
  async #asked(...args: string[]): Promise<unknown> {
    const options = { cwd: this.#copy, env: this.#env, signal: this.#signal };
    const { exitCode, output } = await run(this.#cli, [...args, '--json'], options);
    if (exitCode !== 0) throw new Error(`slipway ${args[0]} failed:\n${output}`);
    return JSON.parse(output);
  }

  get #cli(): string {
    return join(projectRoot(), 'bin', 'slipway');
  }

  #run(program: string, args: readonly string[], input?: string): Promise<Result> {
    const name = program === this.#cli ? 'slipway' : program;
    this.#shown.write(`\n$ ${[name, ...args].join(' ')}\n`);
    return run(program, args, {
      cwd: this.#copy,
      env: this.#env,
      shown: this.#shown,
      signal: this.#signal,
      ...(input === undefined ? {} : { input }),
    });
  }

  async #must(program: string, args: readonly string[], input?: string): Promise<void> {
    const { exitCode, output } = await this.#run(program, args, input);
    if (exitCode !== 0)
      throw new Error(`${program} ${args[0]} failed with exit code ${exitCode}:\n${output}`);
  }
}
