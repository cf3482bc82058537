/**
 * Whether the platform lives, for who restarts it, and whether it is ready for work, for who sends it some: two pages without a token.
 * They name the parts that are missing; why, is in the log.
 */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import { homePaths } from '../config.js';
import { isErrno, toSlipwayError } from '../errors.js';
import type { Logger } from '../log.js';
import type { ApiTools } from './tools.js';

/** A part that says nothing for so long, in ms, is missing. */
const ANSWER_MS = 2000;
/** Whoever asks more often gets the same answer again. */
const FRESH_MS = 1000;

/** Throws while it is not there. */
export type Part = () => Promise<unknown>;

export interface Readiness {
  readonly ready: boolean;
  readonly parts: Readonly<Record<string, 'ok' | 'missing'>>;
}

/** What a push needs from acceptance to traffic. */
export function partsOf({
  config,
  queues,
  retention: { registry, registryHost },
  deployer,
}: Pick<ApiTools, 'config' | 'queues' | 'retention' | 'deployer'>): Readonly<Record<string, Part>> {
  const { appRepositories, deployments } = homePaths(config.home);
  // An image that nobody has: the answer is that it is not there.
  const noImage = { registry: registryHost, repository: 'slipway/readiness' };
  return {
    redis: () => queues.ping(),
    registry: () => registry.headManifest(noImage, 'none', AbortSignal.timeout(ANSWER_MS)),
    home: () => Promise.all([config.home, appRepositories, deployments].map(checkWritable)),
    deployer: () => deployer.ping(),
  };
}

export function healthRoutes(
  server: FastifyInstance,
  parts: Readonly<Record<string, Part>>,
  log: Logger,
): void {
  let known: { readonly until: number; readonly readiness: Promise<Readiness> } | undefined;
  server.get('/healthz', () => ({ status: 'ok' }));
  server.get('/readyz', async (_request, reply) => {
    if (known === undefined || known.until < Date.now())
      known = { until: Date.now() + FRESH_MS, readiness: look(parts, log) };
    const readiness = await known.readiness;
    return reply
      .code(readiness.ready ? 200 : 503)
      .header('cache-control', 'no-store')
      .send(readiness);
  });
}

async function look(parts: Readonly<Record<string, Part>>, log: Logger): Promise<Readiness> {
  const states = await Promise.all(
    Object.entries(parts).map(async ([name, part]): Promise<[string, 'ok' | 'missing']> => {
      try {
        await inTime(part());
        return [name, 'ok'];
      } catch (thrown) {
        log.warn({ part: name, err: toSlipwayError(thrown).message }, 'not ready');
        return [name, 'missing'];
      }
    }),
  );
  return { ready: states.every(([, state]) => state === 'ok'), parts: Object.fromEntries(states) };
}

async function inTime(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${ANSWER_MS} ms`)), ANSWER_MS);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    // It may still fail when nobody waits for it.
    work.catch(() => undefined);
  }
}

/** Of a new home the first that needs a directory makes it. */
async function checkWritable(directory: string): Promise<void> {
  await access(directory, constants.W_OK).catch((thrown: unknown) => {
    if (!isErrno(thrown, 'ENOENT')) throw thrown;
  });
}
