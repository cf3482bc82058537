/** The processes of the Procfile: started together once the services are there, each ready when it does its work. */
import { Redis } from 'ioredis';
import type { Config } from '../src/config.js';
import type { PlatformPaths } from './home.js';
import type { Output } from './output.js';
import { Part } from './part.js';
import type { ProcessEntry } from './procfile.js';
import { startAll } from './start-all.js';

export type Process = Pick<Part, 'name' | 'pid' | 'stop' | 'kill'>;

/** A builder that is told to stop lets go of its containers and mounts first. */
const GRACE_MS = 15_000;
const ANSWER_TIMEOUT_MS = 2000;
/** A process that nobody can ask is taken for started when it has lived for so long. */
const SETTLED_MS = 1000;

/** The queue that a process takes jobs from: it is ready when Redis knows it as a worker of it. */
const QUEUE_OF: Readonly<Record<string, string>> = { builder: 'builds', deployer: 'rollouts' };

export async function startProcesses(options: {
  entries: readonly ProcessEntry[];
  root: string;
  config: Config;
  env: NodeJS.ProcessEnv;
  paths: PlatformPaths;
  output: Output;
  signal?: AbortSignal;
}): Promise<Process[]> {
  const { entries, root, config, env, paths, output } = options;
  return startAll(
    entries.map(({ name, argv: [program = '', ...rest] }) => {
      // The node that runs this is the one that the addon was built for.
      const argv = [program === 'node' ? process.execPath : program, ...rest];
      return (signal) => {
        const startedAt = Date.now();
        const ready = (): Promise<boolean> => isReady(name, config, startedAt);
        const spec = { name, argv, cwd: root, env: lean(env), runDir: paths.run, ready, graceMs: GRACE_MS };
        return Part.start(spec, output, signal);
      };
    }),
    options.signal,
  );
}

/** glibc gives each thread an area of its own to allocate from (mallopt(3)); what a start has used stays with it for ever. */
function lean(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { MALLOC_ARENA_MAX: '1', ...env };
}

async function isReady(name: string, config: Config, startedAt: number): Promise<boolean> {
  if (name === 'web') {
    const { host, port } = config.listen;
    const address = `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}/healthz`;
    return (await fetch(address, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) })).ok;
  }
  const queue = QUEUE_OF[name];
  if (queue !== undefined) return hasWorker(config.redisUrl, queue);
  return Date.now() - startedAt >= SETTLED_MS;
}

/** BullMQ names a worker's connection `<prefix>:<base64 of the queue's name>[:w:<worker's name>]`. */
async function hasWorker(redisUrl: string, queue: string): Promise<boolean> {
  const redis = new Redis(redisUrl, {
    lazyConnect: true,
    retryStrategy: () => null,
    commandTimeout: ANSWER_TIMEOUT_MS,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    const clients = String(await redis.client('LIST'));
    const name = `:${Buffer.from(queue).toString('base64')}`;
    return clients.split('\n').some((line) => / name=(\S*)/.exec(line)?.[1]?.includes(name) ?? false);
  } finally {
    redis.disconnect();
  }
}
