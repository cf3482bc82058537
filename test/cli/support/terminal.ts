/** The command line as a person meets it: arguments in, text and an exit code out. In this process. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { main } from '../../../src/cli/main.js';
import type { Input } from '../../../src/cli/usage.js';
import { temporaryDirectory } from '../../support/directories.js';

export interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** stdout as the JSON that it must be. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it
  readonly json: any;
}

export interface RunOptions {
  readonly stdin?: string | Input;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

export class Terminal {
  readonly home: string;
  directory: string;
  env: NodeJS.ProcessEnv;
  /** What the commands have printed so far, of both streams. */
  shown = '';

  private constructor(home: string) {
    this.home = home;
    this.directory = join(home, 'work');
    this.env = {
      PATH: process.env.PATH,
      HOME: home,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CEILING_DIRECTORIES: home,
    };
  }

  static async open(): Promise<Terminal> {
    const terminal = new Terminal(await temporaryDirectory());
    await mkdir(terminal.directory);
    return terminal;
  }

  /** One that is logged in, by the environment. */
  static async at(url: string, token: string): Promise<Terminal> {
    const terminal = await Terminal.open();
    terminal.env = { ...terminal.env, SLIPWAY_URL: url, SLIPWAY_TOKEN: token };
    return terminal;
  }

  async run(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const into = (parts: Buffer[]): Writable =>
      new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          parts.push(chunk);
          this.shown += chunk.toString('utf8');
          done();
        },
      });
    const { stdin = '', env = this.env, signal = new AbortController().signal } = options;
    const code = await main(argv, {
      env,
      directory: this.directory,
      stdin: typeof stdin === 'string' ? Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]) : stdin,
      streams: { out: into(out), err: into(err) },
      signal,
    });
    const text = Buffer.concat(out).toString('utf8');
    return {
      code,
      out: text,
      err: Buffer.concat(err).toString('utf8'),
      get json(): unknown {
        return JSON.parse(text);
      },
    };
  }
}
