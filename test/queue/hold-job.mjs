// A worker of another process that takes one job, says so, and never ends it. It is killed by the test.
import { Worker } from 'bullmq';

const [socket, queue, leaseMs] = process.argv.slice(2);
const worker = new Worker(
  queue,
  async (job) => {
    process.stdout.write(`holding ${job.data.app}\n`);
    await new Promise(() => setInterval(() => undefined, 1000));
  },
  {
    connection: { path: socket },
    prefix: 'slipway',
    lockDuration: Number(leaseMs),
    stalledInterval: 2000,
    maxStalledCount: Number.MAX_SAFE_INTEGER,
  },
);
worker.on('error', () => undefined);
