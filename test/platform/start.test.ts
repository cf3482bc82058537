import { type ChildProcess, spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identify, isAlive, type ProcessIdentity } from '../../platform/proc.js';
import { projectRoot } from '../../src/root.js';
import { until } from '../support/until.js';

const asRoot = process.getuid?.() === 0;
if (!asRoot) console.log('skipped: only root can start a platform');

const ROOT = projectRoot();
let dir: string;
let engine: Server;
const supervisors: ChildProcess[] = [];

/** The processes: one that serves, and one that notes in a file when it stops, and whether Redis was still there then. */
const WEB = `import { createServer } from 'node:http';
const [host, port] = process.env.SLIPWAY_LISTEN.split(':');
createServer((request, response) => response.end('web')).listen(Number(port), host);`;
const WITNESS = `import { appendFileSync } from 'node:fs';
import { Redis } from '${ROOT}/node_modules/ioredis/built/index.js';
const redis = new Redis(process.env.SLIPWAY_REDIS_URL);
process.on('SIGTERM', async () => {
  appendFileSync('${'DIR'}/witness', (await redis.ping()) + '\\n');
  process.exit();
});
console.log('witness is here');`;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'slipway-start-'));
  writeFileSync(join(dir, 'web.mjs'), WEB);
  writeFileSync(join(dir, 'witness.mjs'), WITNESS.replaceAll('DIR', dir));
  writeFileSync(join(dir, 'Procfile'), `web: node ${dir}/web.mjs\nwitness: node ${dir}/witness.mjs\n`);
  // Stands in for the engine: the real one has tests of its own.
  engine = createServer((request, response) => {
    appendFileSync(join(dir, 'engine-calls'), `${request.method} ${request.url}\n`);
    response.end(request.url === '/_ping' ? 'OK' : '[]');
  });
  await new Promise<void>((resolve) => engine.listen(join(dir, 'docker.sock'), resolve));
});

afterEach(async () => {
  for (const child of supervisors.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
  }
  engine.closeAllConnections();
  engine.close();
  rmSync(dir, { recursive: true, force: true });
});

interface Supervisor {
  readonly child: ChildProcess;
  output(): string;
  readonly exit: Promise<number | null>;
}

function start(env: NodeJS.ProcessEnv = {}, args = ['--procfile', join(dir, 'Procfile')]): Supervisor {
  const child = spawn(process.execPath, [join(ROOT, 'dist', 'platform', 'start.js'), ...args], {
    env: {
      PATH: process.env.PATH,
      SLIPWAY_HOME: join(dir, 'home'),
      DOCKER_HOST: `unix://${dir}/docker.sock`,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  supervisors.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (data: string) => {
      output += data;
    });
  }
  return { child, output: () => output, exit: new Promise((resolve) => child.once('exit', resolve)) };
}

async function started(env: NodeJS.ProcessEnv = {}): Promise<Supervisor> {
  const supervisor = start(env);
  let ended = false;
  void supervisor.exit.then(() => {
    ended = true;
  });
  const signs = ['Stop everything with', 'witness is here'];
  await until(() => ended || signs.every((sign) => supervisor.output().includes(sign)), 60_000);
  if (ended) throw new Error(`the start failed:\n${supervisor.output()}`);
  return supervisor;
}

/** Every part, by the pid files. */
function parts(): Record<string, ProcessIdentity> {
  const run = join(dir, 'home', 'run');
  const files = readdirSync(run).filter((file) => file.endsWith('.pid'));
  return Object.fromEntries(
    files.map((file) => [file.slice(0, -4), JSON.parse(readFileSync(join(run, file), 'utf8'))]),
  );
}

const urlOf = (supervisor: Supervisor): string => /API and git +(\S+)/.exec(supervisor.output())![1]!;

describe.skipIf(!asRoot)('npm start', () => {
  it('starts what nobody configured, then the processes, and says where everything is', async () => {
    const supervisor = await started();
    expect(Object.keys(parts()).sort()).toEqual([
      'edge',
      'redis',
      'registry',
      'slipway',
      'ssh',
      'web',
      'witness',
    ]);
    expect(await (await fetch(urlOf(supervisor))).text()).toBe('web');
    const out = supervisor.output();
    expect(out).toContain('witness  | witness is here');
    expect(out).toContain('used as configured or found: engine');
    expect(out).toMatch(/administrator's token, shown this once:\n {2}slipway_\w+/);
  });

  it('keeps the token of the first start to itself, and shows none at the second', async () => {
    const first = await started();
    const token = /slipway_\S{50,}/.exec(first.output())![0];
    const file = join(dir, 'home', 'run', 'admin-token');
    expect(readFileSync(file, 'utf8').trim()).toBe(token);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    first.child.kill('SIGTERM');
    await first.exit;
    expect((await started()).output()).not.toContain('slipway_');
  });

  it('has the same addresses at the second start', async () => {
    const first = await started();
    first.child.kill('SIGTERM');
    expect(await first.exit).toBe(0);
    const second = await started();
    expect(urlOf(second)).toBe(urlOf(first));
  });

  it('stops the processes before the services they need, then everything', async () => {
    const supervisor = await started();
    const running = Object.values(parts());
    supervisor.child.kill('SIGINT');
    expect(await supervisor.exit).toBe(0);
    expect(readFileSync(join(dir, 'witness'), 'utf8')).toBe('PONG\n');
    expect(running.filter(isAlive)).toEqual([]);
    expect(readdirSync(join(dir, 'home', 'run')).filter((file) => file.endsWith('.pid'))).toEqual([]);
  });

  it('stops the containers of this platform on an engine of others, since it takes their edge away', async () => {
    const supervisor = await started();
    writeFileSync(join(dir, 'home', 'platform.id'), 'abcd2345\n');
    supervisor.child.kill('SIGTERM');
    await supervisor.exit;
    const calls = decodeURIComponent(readFileSync(join(dir, 'engine-calls'), 'utf8'));
    expect(calls).toContain('/containers/json?filters={"label":["slipway.platform=abcd2345"]}');
  });

  it('takes the ^C that npm passes on a second time as the same', async () => {
    const supervisor = await started();
    supervisor.child.kill('SIGINT');
    supervisor.child.kill('SIGINT');
    expect(await supervisor.exit).toBe(0);
    expect(supervisor.output()).not.toContain('killing everything');
  });

  it('kills everything at the second ^C', async () => {
    writeFileSync(
      join(dir, 'witness.mjs'),
      "process.on('SIGTERM', () => {}); console.log('witness is here'); setInterval(() => {}, 1000);",
    );
    const supervisor = await started();
    const running = Object.entries(parts()).filter(([name]) => name !== 'slipway');
    supervisor.child.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 1200));
    supervisor.child.kill('SIGINT');
    expect(await supervisor.exit).toBe(130);
    await until(() => running.every(([, identity]) => !isAlive(identity)));
  });

  it('refuses a home that another one uses, and names its pid', async () => {
    const first = await started();
    const second = start();
    expect(await second.exit).toBe(1);
    expect(second.output()).toContain(`Slipway already runs on ${dir}/home (pid ${first.child.pid})`);
    expect(await (await fetch(urlOf(first))).text()).toBe('web');
  });

  it('stops what a killed one left, and starts with the same addresses', async () => {
    const first = await started();
    const left = Object.entries(parts()).filter(([name]) => name !== 'slipway');
    first.child.kill('SIGKILL');
    await first.exit;
    // The edge and Redis go on meanwhile: traffic does not need the supervisor.
    expect(
      left.filter(([name]) => name === 'edge' || name === 'redis').every(([, identity]) => isAlive(identity)),
    ).toBe(true);
    const second = await started();
    expect(second.output()).toMatch(/stopping edge \(pid \d+\), left by a start that was killed/);
    expect(left.filter(([, identity]) => isAlive(identity))).toEqual([]);
    expect(urlOf(second)).toBe(urlOf(first));
  });

  it('starts a process again that was killed', async () => {
    const supervisor = await started();
    process.kill(parts().web!.pid, 'SIGKILL');
    await until(() =>
      fetch(urlOf(supervisor)).then(
        (response) => response.ok,
        () => false,
      ),
    );
    expect(supervisor.output()).toContain('web was ended by SIGKILL; it starts again in 0.5 s');
  });

  it('stops everything again when a process does not start, with its last words', async () => {
    writeFileSync(join(dir, 'witness.mjs'), "console.error('no disk'); process.exit(7);");
    writeFileSync(join(dir, 'web.mjs'), 'setInterval(() => {}, 1000);');
    const supervisor = start();
    expect(await supervisor.exit).toBe(1);
    expect(supervisor.output()).toMatch(/ ! {5}witness ended with exit code 7\n {4}no disk/);
    expect(parts()).toEqual({});
  });

  it('gives up the start at ^C and leaves nothing', async () => {
    writeFileSync(join(dir, 'web.mjs'), 'setInterval(() => {}, 1000);');
    const supervisor = start();
    await until(() => existsSync(join(dir, 'home', 'run', 'witness.pid')));
    const running = Object.entries(parts()).filter(([name]) => name !== 'slipway');
    supervisor.child.kill('SIGINT');
    expect(await supervisor.exit).toBe(130);
    expect(running.filter(([, identity]) => isAlive(identity))).toEqual([]);
  });

  it.each([
    ['DOCKER_HOST', { DOCKER_HOST: 'unix:///nonexistent.sock' }],
    ['SLIPWAY_REGISTRY', { SLIPWAY_REGISTRY: '127.0.0.1:1' }],
    ['SLIPWAY_REDIS_URL', { SLIPWAY_REDIS_URL: 'redis://127.0.0.1:1' }],
    ['SLIPWAY_EDGE_SOCKET', { SLIPWAY_EDGE_SOCKET: '/nonexistent.sock' }],
    ['SLIPWAY_LEASE_MS', { SLIPWAY_LEASE_MS: 'soon' }],
  ])('says that %s is wrong, and leaves nothing running', async (name, env) => {
    const supervisor = start(env);
    expect(await supervisor.exit).toBe(1);
    expect(supervisor.output()).toMatch(new RegExp(` ! {5}.*${name}`, 's'));
    const run = join(dir, 'home', 'run');
    expect(existsSync(run) ? parts() : {}).toEqual({});
  });

  it('answers an unknown option with its usage and exit code 2', async () => {
    const supervisor = start({}, ['--wrong']);
    expect(await supervisor.exit).toBe(2);
    expect(supervisor.output()).toContain('usage: npm start');
  });
});

describe('who the parts are', () => {
  it('is told apart from a process that has got the same pid since', () => {
    const me = identify(process.pid)!;
    expect(isAlive(me)).toBe(true);
    expect(isAlive({ ...me, startTicks: me.startTicks + 1 })).toBe(false);
  });
});
