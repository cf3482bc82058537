/** What lives as long as a deployer is not made heavier by each thing that it asks. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { whileItAnswers } from '../../deploy/answering.js';
import { Drift } from '../../deploy/drift.js';
import type { Host } from '../../deploy/hosts.js';
import type { ReconcileParts } from '../../deploy/reconcile.js';
import { startReconciler } from '../../deploy/reconciler.js';
import { DockerTarget } from '../../deploy/targets/docker.js';
import { Engine } from '../../deploy/targets/engine.js';
import { createLogger } from '../../src/log.js';
import { until } from '../support/until.js';

let server: Server;
let host: Host;
/** How many signals were made of each signal by AbortSignal.any. */
let made: Map<AbortSignal, number>;
let asked: string[];

/** A double of an engine, which runs nothing. */
beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    if (path.startsWith('/events')) response.flushHeaders();
    else response.end('[]');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const engine = new Engine(`tcp://127.0.0.1:${port}`);
  const registry = { host: '127.0.0.1:5000' };
  host = { name: 'a', target: new DockerTarget({ host: 'a', engine, platform: 'testtest', registry }) };
  made = new Map();
  const any = AbortSignal.any.bind(AbortSignal);
  vi.spyOn(AbortSignal, 'any').mockImplementation((signals) => {
    const sources = [...signals];
    for (const source of sources) made.set(source, (made.get(source) ?? 0) + 1);
    return any(sources);
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const pings = (): number => asked.filter((path) => path === '/_ping').length;

it('asks a host again and again without a trace in the signals that last', async () => {
  const stop = new AbortController();
  await whileItAnswers(host.target, stop.signal, () => until(() => pings() >= 4));
  expect(Math.max(...made.values())).toBeLessThanOrEqual(2);
});

it('reconciles again and again without a trace in the signals that last', async () => {
  let passes = 0;
  const parts = {
    hosts: { list: async () => [host], get: async () => host },
    ledger: { listApps: async () => [] },
    edge: {
      converge: async () => undefined,
      state: async () => ({ generation: 0, apps: [] }),
      giveUpUnreachable: async () => undefined,
      leftovers: async () => {
        passes += 1;
        return [];
      },
    },
    drift: new Drift(),
    log: createLogger('test', 'silent'),
  } as unknown as ReconcileParts;
  const reconciler = startReconciler(parts, 1);
  await until(() => passes >= 20);
  await reconciler.close();
  expect(Math.max(...made.values())).toBeLessThanOrEqual(4);
});
