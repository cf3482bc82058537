import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeHome, type PlatformPaths, platformPaths } from '../../platform/home.js';
import { Output } from '../../platform/output.js';
import { chooseRange } from '../../platform/ports.js';
import { identify, inOurNetwork, isAlive } from '../../platform/proc.js';
import { answers, startEngine, stopContainers } from '../../platform/services/engine.js';
import { linkExists, mountsBelow } from '../../platform/services/engine-traces.js';
import type { Service } from '../../platform/services/service.js';
import { takeEngineLock } from '../support/engine-lock.js';
import { until } from '../support/until.js';

const run = promisify(execFile);
const asRoot = process.getuid?.() === 0;
if (!asRoot) console.log('skipped: only root can start a Docker Engine');

let giveBack: () => Promise<void>;
let paths: PlatformPaths;
let lines: string[];
let engine: Service | undefined;

beforeAll(async () => {
  giveBack = await takeEngineLock();
}, 600_000);
afterAll(() => giveBack());

beforeEach(() => {
  paths = platformPaths(mkdtempSync(join(tmpdir(), 'slipway-eng-')));
  makeHome(paths);
  lines = [];
});

afterEach(async () => {
  await engine?.stop();
  engine = undefined;
  rmSync(paths.home, { recursive: true, force: true });
});

async function start(): Promise<Docker> {
  const output = new Output({ write: (text: string) => lines.push(text) });
  const options = { range: chooseRange(), insecureRegistries: ['registry.example:5000'] };
  engine = await startEngine({ paths, output }, options);
  return new Docker({ socketPath: engine.address.replace('unix://', '') });
}

/** A container that runs until it is stopped; its image is made of the static busybox alone. */
async function runContainer(docker: Docker, labels: Record<string, string> = {}): Promise<Docker.Container> {
  const tar = (await run('tar', ['-C', '/', '-c', 'bin/busybox'], { encoding: 'buffer', maxBuffer: 1e8 }))
    .stdout;
  const stream = await docker.importImage(tar as unknown as string, { repo: 'one', tag: 'only' });
  await new Promise((resolve) => stream.on('end', resolve).resume());
  const container = await docker.createContainer({
    Image: 'one:only',
    Cmd: ['/bin/busybox', 'sh', '-c', 'trap exit TERM; while :; do /bin/busybox sleep 0.1; done'],
    Labels: labels,
  });
  await container.start();
  return container;
}

async function bridgesNow(): Promise<string[]> {
  const { stdout } = await run('ip', ['-o', 'link', 'show', 'type', 'bridge']);
  return [...stdout.matchAll(/^\d+: ([^:@]+)/gm)].map(([, name]) => name!).sort();
}

/** The command lines of all processes. */
function runningPrograms(): string {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    })
    .join('\n');
}

describe.skipIf(!asRoot)('a Docker Engine of our own', () => {
  it('runs containers, and leaves no process, mount or bridge when it is stopped', async () => {
    const before = await bridgesNow();
    const docker = await start();
    await docker.createNetwork({ Name: 'apps', Driver: 'bridge' });
    const container = await runContainer(docker);
    const { State, NetworkSettings } = await container.inspect();
    expect(State.Running).toBe(true);
    expect(NetworkSettings.Networks.bridge?.IPAddress).toMatch(/^10\.2\d\d\./);
    expect(await bridgesNow()).toHaveLength(before.length + 2);
    const shown = identify(State.Pid)!;

    await engine!.stop();
    expect(isAlive(shown)).toBe(false);
    expect(inOurNetwork('dockerd')).toEqual([]);
    expect(runningPrograms()).not.toContain(paths.home);
    expect(mountsBelow([paths.home])).toEqual([]);
    expect(await bridgesNow()).toEqual(before);
  }, 120_000);

  it('keeps the address of a bridge that another engine has left', async () => {
    const bridge = 'docker0';
    const address = async (): Promise<string> =>
      (await run('ip', ['-o', 'address', 'show', bridge]).catch(() => ({ stdout: '' }))).stdout;
    const before = await address();
    await start();
    expect(await address()).toBe(before);
  }, 120_000);

  it('that dies is started again, and the containers have gone on', async () => {
    const docker = await start();
    const container = await runContainer(docker);
    const { Pid } = (await container.inspect()).State;
    const shown = identify(Pid)!;
    process.kill(engine!.pid!, 'SIGKILL');
    await until(
      async () => (await answers(engine!.address).catch(() => false)) && engine!.pid !== undefined,
      60_000,
    );
    expect(isAlive(shown)).toBe(true);
    expect((await container.inspect()).State).toMatchObject({ Running: true, Pid });
    expect(lines.join('')).toContain('engine was ended by SIGKILL; it starts again');
  }, 120_000);

  it('stops only the containers with a label', async () => {
    const docker = await start();
    const ours = await runContainer(docker, { 'slipway.platform': 'this' });
    const other = await runContainer(docker, { 'slipway.platform': 'that' });
    await stopContainers(engine!.address, 'slipway.platform=this');
    expect((await ours.inspect()).State.Running).toBe(false);
    expect((await other.inspect()).State.Running).toBe(true);
  }, 120_000);

  it('killed at once leaves nothing either', async () => {
    const docker = await start();
    const container = await runContainer(docker);
    const shown = identify((await container.inspect()).State.Pid)!;
    await engine!.kill();
    await until(() => !isAlive(shown));
    await until(() => inOurNetwork('dockerd').length === 0);
    expect(mountsBelow([paths.home])).toEqual([]);
    expect(await linkExists('slipway0')).toBe(false);
    engine = undefined;
  }, 120_000);

  it('is not started beside another one that is not reached', async () => {
    await start();
    const other = platformPaths(mkdtempSync(join(tmpdir(), 'slipway-eng-')));
    makeHome(other);
    const output = new Output({ write: () => undefined });
    await expect(
      startEngine({ paths: other, output }, { range: '10.250', insecureRegistries: [] }),
    ).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringContaining(`pid ${engine!.pid}`),
      hint: expect.stringContaining('DOCKER_HOST'),
    });
    rmSync(other.home, { recursive: true });
  }, 120_000);
});
