/**
 * A builder process without queues: opened as src/build/builder.ts does, asked over IPC, building as src/build/job.ts does.
 * Its settings come from the environment, like those of the real one.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { appRemoteCache, buildApp } from '../../../src/build/app-build.js';
import type { BuildResult } from '../../../src/build/build-request.js';
import { openBuildTools } from '../../../src/build/builder.js';
import { pushBuiltImage } from '../../../src/build/push-image.js';
import { loadConfig } from '../../../src/config.js';
import { createLogger } from '../../../src/log.js';
import { BuildLog } from '../../../src/logs/log-writer.js';
import { imageRepository } from '../../../src/model/image-repository.js';
import { readOutcomes } from '../../../src/records/step-outcomes.js';
import type { Answer, FromWorker, Request, ToWorker } from './messages.js';

const config = loadConfig();
const builder = await openBuildTools(config, createLogger('bench', config.logLevel));
const last = new Map<string, BuildResult>();
const never = new AbortController().signal;

process.on('message', (message: ToWorker) => {
  void answer(message.request).then(
    (given) => reply({ id: message.id, answer: given }),
    (error: Error) => reply({ id: message.id, error: error.stack ?? String(error) }),
  );
});
process.once('disconnect', () => void builder.close().then(() => process.exit(0)));
process.send?.('ready');

function reply(message: FromWorker): void {
  process.send?.(message);
}

async function answer(request: Request): Promise<Answer> {
  const { repositories } = builder.tools;
  switch (request.kind) {
    case 'create':
      await repositories.ensure(request.app, 'main');
      return { gitDir: repositories.path(request.app) };
    case 'build':
      return build(request);
    case 'push':
      await push(request.app);
      return imageOf(request.app);
    case 'stored': {
      const blobs = await builder.tools.builderStore.blobs.list();
      return { storedBytes: blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
    }
    case 'settle':
      await builder.tools.exports.settled();
      return {};
  }
}

async function build({
  app,
  commit,
  push: pushed,
  noCache,
}: Extract<Request, { kind: 'build' }>): Promise<Answer> {
  const { tools } = builder;
  const phases: Record<string, number> = {};
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work();
    phases[name] = performance.now() - started;
    return result;
  };
  const id = tools.store.newId();
  const path = tools.store.logPath(app, id);
  await mkdir(dirname(path), { recursive: true });
  const log = await BuildLog.open(path, tools.config.limits);
  try {
    await using _using = await tools.builderStore.running.begin();
    const remote = appRemoteCache(tools, app, () => undefined, never);
    const result = await timed('build', () =>
      buildApp(tools, { app, scope: app, id, commit, noCache, remote, log }, never),
    );
    last.set(app, result);
    if (pushed) await timed('push', () => push(app));
    const outcomes = await readOutcomes(tools.store.stepsPath(app, id));
    for (const { step, text, result: how, ms } of outcomes)
      if (how === 'executed') phases[`step ${step} ${text.slice(0, 60)}`] = ms ?? 0;
    if (remote !== undefined) tools.exports.add(app, remote);
    const executedSteps = outcomes.filter((each) => each.result === 'executed').length;
    return { ...imageOf(app), phases, executedSteps };
  } finally {
    await log.close();
  }
}

async function push(app: string): Promise<void> {
  const { config, registry } = builder.tools;
  await pushBuiltImage(config, registry, lastOf(app), app, never);
}

function imageOf(app: string): Answer {
  return { repository: imageRepository(app), digest: lastOf(app).image.digest };
}

function lastOf(app: string): BuildResult {
  const found = last.get(app);
  if (found === undefined) throw new Error(`nothing was built for ${app}`);
  return found;
}
