import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Output } from '../../platform/output.js';
import { Part, type PartSpec } from '../../platform/part.js';
import { identify, isAlive } from '../../platform/proc.js';
import { until } from '../support/until.js';

let dir: string;
let lines: string[];
let output: Output;
const parts: Part[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'slipway-part-'));
  lines = [];
  output = new Output({ write: (text: string) => lines.push(text) });
});

afterEach(async () => {
  await Promise.all(parts.splice(0).map((part) => part.stop()));
  rmSync(dir, { recursive: true, force: true });
});

/** A part that runs a script of Node's. It is ready when the script has made the file `ready`. */
async function startScript(script: string, more: Partial<PartSpec> = {}): Promise<Part> {
  const argv = [process.execPath, '-e', `const fs = require('node:fs'); ${script}`];
  const ready = async (): Promise<boolean> => existsSync(join(dir, 'ready'));
  const part = await Part.start(
    { name: 'part', argv, cwd: dir, runDir: dir, ready, backOffMs: 50, ...more },
    output,
  );
  parts.push(part);
  return part;
}

const READY = "fs.appendFileSync('starts', 'x'); fs.writeFileSync('ready', '');";
const STAY = 'setInterval(() => {}, 1000);';

function starts(): number {
  return existsSync(join(dir, 'starts')) ? readFileSync(join(dir, 'starts')).length : 0;
}

describe('a part', () => {
  it('prints what it writes with its name before each line', async () => {
    await startScript(`${READY} process.stdout.write('one\\ntw'); process.stdout.write('o\\n'); ${STAY}`);
    await until(() => lines.length === 2);
    expect(lines).toEqual(['part     | one\n', 'part     | two\n']);
  });

  it('that ends before it is ready fails the start with its last lines', async () => {
    const starting = startScript("console.error('the port is taken'); process.exitCode = 3;");
    await expect(starting).rejects.toThrowError(/part ended with exit code 3\n {4}the port is taken/);
  });

  it('shows only the last lines of this start when it has a log file', async () => {
    const logFile = join(dir, 'log');
    writeFileSync(logFile, 'a line of yesterday\n');
    const error = await startScript("console.error('of today'); process.exitCode = 3;", { logFile }).catch(
      (thrown: Error) => thrown,
    );
    expect(error).toMatchObject({
      message: expect.stringContaining('of today'),
      hint: expect.stringContaining(logFile),
    });
    expect((error as Error).message).not.toContain('yesterday');
  });

  it('whose program is not installed says so and how to get it', async () => {
    await expect(startScript('', { argv: ['/nonexistent/program'] })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('/nonexistent/program is not installed'),
      hint: 'run bin/setup',
    });
  });

  it('that is never ready is stopped when its time is over', async () => {
    const starting = startScript(`fs.writeFileSync('pid', String(process.pid)); ${STAY}`, {
      readyTimeoutMs: 500,
    });
    await expect(starting).rejects.toThrowError(/was not ready after/);
    expect(identify(Number(readFileSync(join(dir, 'pid'), 'utf8')))).toBeUndefined();
  });

  it('that dies is started again, with another pid, and it is said', async () => {
    const part = await startScript(READY + STAY);
    const first = part.pid;
    process.kill(first!, 'SIGKILL');
    await until(() => starts() === 2);
    expect(part.pid).not.toBe(first);
    expect(JSON.parse(readFileSync(join(dir, 'part.pid'), 'utf8'))).toMatchObject({ pid: part.pid });
    expect(lines.join('')).toContain('part was ended by SIGKILL; it starts again in 0.1 s');
  });

  it('that dies again and again is started with growing pauses', async () => {
    await startScript(`${READY} setTimeout(() => process.exit(1), 100);`, { backOffMs: 100 });
    const pauses = (): string[] => lines.join('').match(/again in [\d.]+ s/g) ?? [];
    await until(() => pauses().length >= 3);
    expect(pauses().slice(0, 3)).toEqual(['again in 0.1 s', 'again in 0.2 s', 'again in 0.4 s']);
  });

  it('takes the processes it had started with it when it dies', async () => {
    const child = `const { pid } = require('node:child_process').spawn('sleep', ['1000']); fs.writeFileSync('child', String(pid));`;
    const part = await startScript(`if (!fs.existsSync('child')) { ${child} } ${READY} ${STAY}`);
    const orphan = identify(Number(readFileSync(join(dir, 'child'), 'utf8')));
    expect(orphan).toBeDefined();
    process.kill(part.pid!, 'SIGKILL');
    await until(() => !isAlive(orphan!));
  });

  it('is asked to stop first, and is not started again', async () => {
    const part = await startScript(
      `process.on('SIGTERM', () => { fs.writeFileSync('asked', ''); process.exit(); }); ${READY} ${STAY}`,
    );
    await part.stop();
    expect(existsSync(join(dir, 'asked'))).toBe(true);
    expect(existsSync(join(dir, 'part.pid'))).toBe(false);
    expect(starts()).toBe(1);
  });

  it('that does not stop when asked is killed after the grace', async () => {
    const part = await startScript(`process.on('SIGTERM', () => {}); ${READY} ${STAY}`, { graceMs: 200 });
    const identity = identify(part.pid!);
    await part.stop();
    expect(isAlive(identity!)).toBe(false);
  });

  it('leads a session of its own, so that ^C in the terminal does not reach it', async () => {
    const part = await startScript(READY + STAY);
    const session = readFileSync(`/proc/${part.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[3];
    expect(Number(session)).toBe(part.pid);
  });
});
