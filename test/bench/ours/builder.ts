/** Ours as a push uses it: a warm builder process with its own home, in a process of its own, so that its cost can be seen. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseProcfile } from '../../../platform/procfile.js';
import { projectRoot } from '../../../src/root.js';
import type { Contender, PublishedImage, Work } from '../peers/contender.js';
import { sendCommit } from '../workloads/project.js';
import type { Answer, FromWorker, Request } from './messages.js';

export interface OurBuilder extends Contender {
  ask(request: Request): Promise<Answer>;
  readonly pid: number;
}

export interface OurOptions {
  readonly name?: string;
  /** Does not exist yet, or is empty. */
  readonly home: string;
  /** It is not removed when the builder stops. */
  readonly keepsHome?: boolean;
  readonly registry: string;
  readonly version: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where V8 writes a profile of the processor's time when the process ends. */
  readonly profiles?: string;
}

interface Running {
  readonly child: ChildProcess;
  ask(request: Request): Promise<Answer>;
  end(): Promise<void>;
}

/** Those of the builder in the Procfile. */
async function nodeOptions(): Promise<readonly string[]> {
  const processes = parseProcfile(await readFile(join(projectRoot(), 'Procfile'), 'utf8'));
  const { argv = [] } = processes.find(({ name }) => name === 'builder') ?? {};
  return argv.filter((word) => word.startsWith('--'));
}

export async function startOurBuilder(options: OurOptions): Promise<OurBuilder> {
  const { home, registry, name = 'slipway', version } = options;
  let running = await startWorker(options);
  const ask = (request: Request): Promise<Answer> => running.ask(request);
  return {
    name,
    version,
    mayEmpty: true,
    ask,
    get pid() {
      return running.child.pid ?? 0;
    },
    daemons: () => [running.child.pid ?? 0],
    async prepare({ app, project }: Work) {
      await ask({ kind: 'settle' });
      const { gitDir = '' } = await ask({ kind: 'create', app });
      await sendCommit(project, gitDir);
    },
    async build({ app, commit, push, noCache }: Work) {
      return (await ask({ kind: 'build', app, commit, push, noCache })).phases;
    },
    async publish({ app }: Work): Promise<PublishedImage> {
      const { repository = '', digest = '' } = await ask({ kind: 'push', app });
      return { repository, reference: digest };
    },
    async empty() {
      await running.end();
      await rm(home, { recursive: true, force: true });
      running = await startWorker(options);
    },
    async stop() {
      await running.end();
      if (options.keepsHome !== true) await rm(home, { recursive: true, force: true });
    },
  };

  async function startWorker({ env, profiles }: OurOptions): Promise<Running> {
    await mkdir(home, { recursive: true });
    const child = fork(join(import.meta.dirname, 'worker.js'), {
      env: {
        ...ownEnvironment(),
        // As platform/processes.ts starts it.
        MALLOC_ARENA_MAX: '1',
        SLIPWAY_HOME: home,
        SLIPWAY_REGISTRY: registry,
        SLIPWAY_LOG_LEVEL: 'error',
        ...env,
      },
      execArgv: [
        ...(await nodeOptions()),
        ...(profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`]),
      ],
    });
    const waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
    const ready = new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`the builder process ended with ${code}`)));
    });
    await ready;
    child.on('message', (message: FromWorker) => {
      const asked = waiting.get(message.id);
      waiting.delete(message.id);
      if ('error' in message) asked?.reject(new Error(message.error));
      else asked?.resolve(message.answer);
    });
    child.once('exit', (code) => {
      for (const { reject } of waiting.values())
        reject(new Error(`the builder process ended with ${code} in the middle of a build`));
    });
    let asked = 0;
    return {
      child,
      ask: (request) =>
        new Promise((resolve, reject) => {
          const id = ++asked;
          waiting.set(id, { resolve, reject });
          child.send({ id, request });
        }),
      async end() {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, 'exit');
        child.disconnect();
        await ended;
      },
    };
  }
}

/** Settings of a platform that this terminal may have must not lead ours there; the switches of fast paths may. */
export function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith('SLIPWAY_') || name.startsWith('SLIPWAY_FAST_'),
    ),
  );
}
