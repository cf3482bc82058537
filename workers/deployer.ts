/** The deployer process: takes rollout jobs. What a rollout does is deploy/; this is its life. */
import { openDeployer } from '../deploy/deployer.js';
import { startWorker } from '../src/queue/worker.js';
import { live } from './life.js';

/** Rollouts mostly wait: for an engine, a health check, a drain, and with a canary for minutes or hours. */
const CONCURRENCY = 32;

await live('deployer', async ({ config, log }) => {
  const deployer = await openDeployer(config, log);
  const worker = startWorker({
    queue: 'rollouts',
    concurrency: CONCURRENCY,
    leaseMs: config.leaseMs,
    redisUrl: config.redisUrl,
    log,
    handle: (app, lease) => deployer.deployNext(app, lease),
  });
  return async () => {
    await worker.close();
    await deployer.close();
  };
});
