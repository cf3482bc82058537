/** A platform with something to see in every view. What would be running is told by a script. */
import { appendFile } from 'node:fs/promises';
import type { UsageView } from '../../../src/api/one-off-views.js';
import type { DeployerScript } from '../../api/support/deployer.js';
import { json } from '../../api/support/deployer.js';
import type { Platform } from '../../api/support/platform.js';

/** Text of others that would be markup, script or a command if somebody took it for that. */
export const HOSTILE = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>"'>{{7*7}}`;

const SINCE = new Date(Date.now() - 86_400_000).toISOString();

/** The log of a build as the builder and the deployer write it; `output` is what a step's program says. */
export async function writeLog(
  platform: Platform,
  app: string,
  id: string,
  output: readonly string[] = [],
): Promise<void> {
  await platform.log(app, id, async (log) => {
    await log.headline(`Build ${id} for ${app}`);
    await log.body('[1/3] FROM node');
    await log.body('  CACHED');
    await log.body('[2/3] RUN npm ci');
    await log.body('  not cached: "package.json" changed');
    for (const line of output) await log.raw(`${line}\n`, '  | ');
    await log.endRaw('  | ');
    await log.body('  done in 4.2 s');
    await log.body('[3/3] COPY . .');
    await log.body('  done in 0.01 s');
    await log.headline(`Releasing v2 of ${app}`);
    await log.body('started web.1 (start 0.34 s)');
    await log.final(`v2 of ${app} is live`);
  });
}

export function process(name: string, release: number, more: object = {}): object {
  return {
    process: name,
    release,
    deployment: 'b1',
    state: 'running',
    health: 'healthy',
    host: 'local',
    container: `${name}-${release}`.padEnd(64, '0'),
    startedAt: new Date(Date.now() - 3_600_000).toISOString(),
    restarts: 0,
    ...more,
  };
}

/** A deployer of one app that runs, with traffic that goes on each time it is asked. */
export function runningApp(processes: readonly object[]): DeployerScript {
  let requests = 1000;
  return (request, response) => {
    const url = request.url ?? '';
    requests += 37;
    const usage: UsageView[] = [
      {
        process: 'web.1',
        release: 2,
        host: 'local',
        memoryBytes: 80e6 + requests * 1000,
        memoryLimitBytes: 512e6,
        cpus: 0.12,
        processes: 3,
      },
    ];
    if (url === '/running')
      return json(response, 200, { running: { hello: processes.length, shop: 3, wiki: 1 } });
    if (url.endsWith('/traffic')) return json(response, 200, { traffic: traffic(requests) });
    if (url.endsWith('/usage')) return json(response, 200, { usage, silent: [] });
    if (url === '/hosts')
      return json(response, 200, [
        { name: 'local', address: 'unix:///run/docker.sock', version: '26.1.4', containers: 3 },
      ]);
    if (url.endsWith('/check'))
      return json(response, 200, {
        name: 'local',
        good: true,
        findings: [{ what: 'engine', result: 'good', says: 'Docker 26.1.4 answers' }],
      });
    if (url.includes('/logs')) {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('web.1 v2: listening on 8080\nweb.1 v2: \x1b[32mGET /\x1b[0m 200\n');
      return undefined;
    }
    return json(response, 200, { processes, silent: [], problems: [] });
  };
}

function traffic(requests: number): object {
  return {
    since: SINCE,
    requests,
    responses: { '1xx': 0, '2xx': requests - 3, '3xx': 0, '4xx': 2, '5xx': 1 },
    bytesIn: 1,
    bytesOut: 1,
    underWay: 2,
    failures: { connections: 0, responses: 0, retries: 0 },
    averageMs: { queue: 0, connect: 1, response: 12, total: 15 },
  };
}

/** A push of an app that went live, with the message of its commit and the times of its phases. */
async function deploy(platform: Platform, app: string, content: string, message: string): Promise<string> {
  const { ledger, store } = platform;
  const { id, claim } = await platform.building(app, content);
  const source = (await store.get(app, id))?.push?.newOid ?? '';
  const at = Date.now();
  for (const [name, ms] of [
    ['build', 4310],
    ['push', 480],
  ] as const)
    await store.append(app, id, { type: 'phase', at, claim, name, ms });
  const draft = {
    kind: 'deploy' as const,
    image: { repository: `apps/${app}`, digest: `sha256:${source.padEnd(64, '0')}` },
    source,
    message,
    author: 'Ada Lovelace',
    config: (await ledger.read(app)).config,
    processes: [
      { type: 'web', scale: 2 },
      { type: 'worker', scale: 1, command: ['node', 'worker.js'] },
    ],
    deploymentId: id,
    description: `deploy ${source.slice(0, 7)}`,
  };
  const { number } = await ledger.appendRelease(app, draft, 'ada');
  await store.append(app, id, { type: 'release', at, claim, number });
  const rollout = await store.claim(app, id, 'rollout', 'a deployer');
  for (const [name, ms] of [
    ['pull', 210],
    ['start', 620],
    ['check', 1900],
    ['switch', 30],
  ] as const)
    await store.append(app, id, { type: 'phase', at, claim: rollout!.token, name, ms });
  await ledger.recordOutcome(app, number, { state: 'live', at: new Date().toISOString() });
  await store.end(app, id, { state: 'live', claim: rollout!.token });
  return id;
}

/** hello with two releases and a failed push, shop with one under way, and some others; ids of builds by what they are. */
export async function furnish(
  platform: Platform,
): Promise<{ live: string; failed: string; building: string }> {
  const { ledger, store } = platform;
  for (const app of ['hello', 'empty', 'shop', 'wiki']) await platform.createApp(app);
  await ledger.setConfig(
    'hello',
    { DATABASE_URL: 'postgres://u:hunter2@db/hello', GREETING: 'good-morning' },
    'alice',
  );
  await deploy(platform, 'hello', 'FROM one', 'Say hello in Finnish, too');
  await ledger.setConfig('hello', { GREETING: 'hello' }, 'alice');
  const live = await deploy(platform, 'hello', 'FROM two', 'Cache the greetings of frequent guests');
  await writeLog(platform, 'hello', live, [
    'added 312 packages in 4s',
    '\x1b[32mfound 0 vulnerabilities\x1b[0m',
  ]);
  for (const step of STEPS) await appendFile(store.stepsPath('hello', live), `${JSON.stringify(step)}\n`);
  const failed = await platform.building('hello', 'FROM three');
  await writeLog(platform, 'hello', failed.id, ['\x1b[1;31merror\x1b[0m: no such file']);
  await store.end('hello', failed.id, {
    state: 'failed',
    reason: 'Dockerfile:3: RUN npm ci ended with exit code 1',
    code: 'step_failed',
    claim: failed.claim,
  });
  await deploy(platform, 'shop', 'FROM one', 'Round prices to the cent');
  const building = await platform.building('shop', 'FROM two');
  await writeLog(platform, 'shop', building.id);
  await deploy(platform, 'wiki', 'FROM one', 'Show who edited a page last');
  const worker = process('worker.1', 2, { host: 'beta', health: undefined, restarts: 3 });
  platform.deployer.script = runningApp([process('web.1', 2), process('web.2', 2), worker]);
  return { live, failed: failed.id, building: building.id };
}

const STEPS = [
  { step: 1, total: 3, stage: '0', text: 'FROM node', line: 1, result: 'cached', savedMs: 2100 },
  {
    step: 2,
    total: 3,
    stage: '0',
    text: 'RUN npm ci',
    line: 3,
    result: 'executed',
    reason: '"package.json" changed',
    ms: 4200,
  },
  { step: 3, total: 3, stage: '0', text: 'COPY . .', line: 4, result: 'executed', ms: 10 },
];
