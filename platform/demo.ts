/**
 * `npm run demo`: a platform on a new, temporary home, and the way of a push from beginning to end. With `--hosts N` over so many
 * machines, each a network namespace with an engine; with `--swarm N` over one Swarm of so many. On a terminal it stays up afterwards; otherwise it stops everything, and its
 * exit code says whether all was as it should be.
 */

import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeError, SlipwayError, toSlipwayError } from '../src/errors.js';
import { playOverHosts } from './demo/hosts-scenario.js';
import { type Machines, startMachines } from './demo/machines.js';
import { type MachinesRegistry, startMachinesRegistry } from './demo/machines-registry.js';
import { Report } from './demo/report.js';
import { play } from './demo/scenario.js';
import { playOverSwarm } from './demo/swarm-scenario.js';
import { Output } from './output.js';
import { type Platform, startPlatform } from './platform.js';

const SHOWN_LINES = 30;
const MOST_HOSTS = 26;

const stayUp = process.stdin.isTTY && process.stdout.isTTY;
const interrupted = new AbortController();
let interruptedAt: number | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => void interrupt(signal));

async function interrupt(signal: string): Promise<void> {
  const first = interruptedAt === undefined;
  interruptedAt ??= Date.now();
  interrupted.abort(new SlipwayError('cancelled', `interrupted by ${signal}`));
  // Again means at once; but npm passes on a terminal's ^C that has come here already.
  if (first || platform === undefined || Date.now() - interruptedAt < 1000) return;
  await platform.kill();
  process.exit(130);
}

const { positionals, values } = parseArgs({
  options: { hosts: { type: 'string' }, swarm: { type: 'string' } },
  allowPositionals: true,
});
const hostNames = namesOfHosts(
  values.swarm === undefined ? '--hosts' : '--swarm',
  values.swarm ?? values.hosts,
);
const playOverMachines = values.swarm === undefined ? playOverHosts : playOverSwarm;
const home = mkdtempSync(join(tmpdir(), 'slipway-demo-'));
const log = join(home, 'platform.log');
const report = new Report();
let platform: Platform | undefined;
let machines: Machines | undefined;
let registry: MachinesRegistry | undefined;
let failed = false;

try {
  const setupMs = Number(positionals[0] ?? 0);
  if (setupMs > 0) report.add({ what: 'setup', ms: setupMs, phases: [], problems: [] });
  const stream = createWriteStream(log);
  await once(stream, 'open');
  console.log(`=====> a platform on a new home, ${home}`);
  const startedAt = performance.now();
  if (hostNames.length > 0) {
    console.log(`=====> ${hostNames.length} machines: network namespaces with an engine each`);
    machines = await startMachines(hostNames.map((name) => ({ name })));
    registry = await startMachinesRegistry(machines, home);
  }
  platform = await startPlatform({
    env: { ...demoEnvironment(), ...registry?.env },
    home,
    output: new Output(stream),
    signal: interrupted.signal,
  });
  report.add({
    what: 'a platform on a new home',
    ms: performance.now() - startedAt,
    phases: [],
    problems: [],
  });
  const stage = { platform, report, shown: process.stdout, signal: interrupted.signal };
  await (machines === undefined ? play(stage) : playOverMachines(stage, machines));
} catch (thrown) {
  failed = true;
  const error = interrupted.signal.aborted
    ? toSlipwayError(interrupted.signal.reason)
    : toSlipwayError(thrown);
  console.error('');
  for (const line of describeError(error)) console.error(` !     ${line}`);
  if (!interrupted.signal.aborted) showLog();
}

console.log(`\n${report.lines().join('\n')}\n`);
if (!failed && !report.allAsExpected) showLog();
if (platform !== undefined && !failed && stayUp) {
  console.log(invitation(platform).join('\n'));
  if (!interrupted.signal.aborted) await once(interrupted.signal, 'abort');
}
console.log('=====> stopping everything');
await platform?.stop();
await registry?.stop();
await machines?.stop();
rmSync(home, { recursive: true, force: true });
process.exit(interrupted.signal.aborted && !stayUp ? 130 : failed || !report.allAsExpected ? 1 : 0);

/** Settings of another platform that this terminal may have must not lead the demo there; an engine of one's own may. */
function demoEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SLIPWAY_')));
}

/** `a`, `b`, `c`, … */
function namesOfHosts(option: string, count: string | undefined): string[] {
  if (count === undefined) return [];
  const wanted = Number(count);
  if (!Number.isInteger(wanted) || wanted < 2 || wanted > MOST_HOSTS) {
    console.error(` !     ${option} wants a number from 2 to ${MOST_HOSTS}, not ${JSON.stringify(count)}`);
    process.exit(2);
  }
  return Array.from({ length: wanted }, (_, index) => String.fromCharCode('a'.charCodeAt(0) + index));
}

function showLog(): void {
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-SHOWN_LINES);
  console.error(`\nThe last lines of the platform:\n${lines.join('\n')}`);
}

function invitation({ url, config, appUrl }: Platform): string[] {
  return [
    `The platform stays up. See ${appUrl('hello')}`,
    '',
    'Push your own app, from a git repository with a Dockerfile:',
    `  ${process.cwd()}/bin/slipway login ${url} < ${config.home}/run/admin-token`,
    `  ${process.cwd()}/bin/slipway apps:create my-app`,
    `  git push slipway HEAD:${config.deployBranch}`,
    '',
    'Ctrl-C stops everything and removes it. To keep apps, use `npm start`.',
  ];
}
