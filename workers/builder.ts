/** The builder process: takes build jobs. What a build does is src/build; this is its life. */

import { openBuilder } from '../src/build/builder.js';
import { startWorker } from '../src/queue/worker.js';
import { live } from './life.js';

await live('builder', async ({ config, log }) => {
  const builder = await openBuilder(config, log);
  const worker = startWorker({
    queue: 'builds',
    concurrency: config.builderConcurrency,
    leaseMs: config.leaseMs,
    redisUrl: config.redisUrl,
    log,
    handle: (app, lease) => builder.buildNext(app, lease),
  });
  return async () => {
    await worker.close();
    await builder.close();
  };
});
