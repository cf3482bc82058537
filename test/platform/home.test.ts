import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  loadRecord,
  makeHome,
  type PlatformPaths,
  platformPaths,
  saveRecord,
  stopLeftovers,
  takeHome,
} from '../../platform/home.js';
import { Output } from '../../platform/output.js';
import { pidFile } from '../../platform/part.js';
import { identify, isAlive, type ProcessIdentity } from '../../platform/proc.js';

let paths: PlatformPaths;
let lines: string[];
let output: Output;
const children: ChildProcess[] = [];

beforeEach(() => {
  paths = platformPaths(mkdtempSync(join(tmpdir(), 'slipway-home-')));
  makeHome(paths);
  lines = [];
  output = new Output({ write: (text: string) => lines.push(text) });
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(paths.home, { recursive: true, force: true });
});

/** A process in a session of its own, recorded as a part. */
function leftover(name: string, change: Partial<ProcessIdentity> = {}): ProcessIdentity {
  const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  children.push(child);
  const identity = identify(child.pid!)!;
  writeFileSync(pidFile(paths.run, name), JSON.stringify({ ...identity, ...change }));
  return identity;
}

describe('the home', () => {
  it('is taken by one start at a time; the second is told the pid of the first', () => {
    const giveFree = takeHome(paths);
    expect(() => takeHome(paths)).toThrowError(
      expect.objectContaining({ code: 'conflict', message: expect.stringContaining(`pid ${process.pid}`) }),
    );
    giveFree();
    takeHome(paths)();
  });

  it('of a supervisor that was killed can be taken', () => {
    const dead = leftover('unused');
    writeFileSync(
      join(paths.run, 'slipway.pid'),
      JSON.stringify({ ...dead, startTicks: dead.startTicks - 1 }),
    );
    takeHome(paths)();
  });

  it('is not blocked by a pid file that was never finished', () => {
    writeFileSync(join(paths.run, 'slipway.pid'), '');
    takeHome(paths)();
  });

  it('remembers ports and range for the next start', () => {
    expect(loadRecord(paths.home)).toEqual({});
    saveRecord(paths.home, { ports: { web: 7070 }, range: '10.201' });
    expect(loadRecord(paths.home)).toEqual({ ports: { web: 7070 }, range: '10.201' });
  });

  it('says which file is broken', () => {
    writeFileSync(join(paths.home, 'platform.json'), '{');
    expect(() => loadRecord(paths.home)).toThrowError(
      expect.objectContaining({ where: join(paths.home, 'platform.json') }),
    );
  });
});

describe('what a killed supervisor left', () => {
  it('is stopped, processes first and services in their order, and said', async () => {
    const [redis, web, edge] = [leftover('redis'), leftover('web'), leftover('edge')];
    await stopLeftovers(paths, ['edge', 'redis'], output);
    expect([redis, web, edge].map(isAlive)).toEqual([false, false, false]);
    expect(lines.map((line) => /stopping (\w+)/.exec(line)?.[1])).toEqual(['web', 'edge', 'redis']);
    expect(existsSync(pidFile(paths.run, 'web'))).toBe(false);
  });

  it('includes what a part had started before it died itself', async () => {
    const child = spawn(
      process.execPath,
      [
        '-e',
        "process.stdout.write(String(require('node:child_process').spawn('sleep', ['1000']).pid)); setInterval(() => {}, 1000)",
      ],
      {
        detached: true,
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    children.push(child);
    const grandchild = await new Promise<number>((resolve) =>
      child.stdout!.once('data', (data) => resolve(Number(data))),
    );
    const orphan = identify(grandchild)!;
    writeFileSync(pidFile(paths.run, 'web'), JSON.stringify(identify(child.pid!)));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    await stopLeftovers(paths, [], output);
    expect(isAlive(orphan)).toBe(false);
  });

  it.each([
    ['started at another time', { startTicks: 1 }],
    ['of an earlier boot', { bootId: 'another' }],
  ])('is left alone when the pid is now that of another process: %s', async (_, change) => {
    const other = leftover('web', change);
    await stopLeftovers(paths, [], output);
    expect(isAlive(other)).toBe(true);
    expect(existsSync(pidFile(paths.run, 'web'))).toBe(false);
  });
});
