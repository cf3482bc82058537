/** bin/slipway as a shell starts it, with what `bin/setup` compiled. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { projectRoot } from '../../src/root.js';
import { Platform } from '../api/support/platform.js';
import { until } from '../support/until.js';

const LAUNCHER = join(projectRoot(), 'bin', 'slipway');
const isCompiled = existsSync(join(projectRoot(), 'dist', 'src', 'cli', 'main.js'));
if (!isCompiled) console.warn('bin/slipway is not tested: the TypeScript is not compiled (run bin/setup)');

class Program {
  readonly child: ChildProcess;
  out = '';
  err = '';
  readonly ended: Promise<{ code: number | null; signal: string | null }>;

  constructor(url: string, token: string, ...argv: string[]) {
    this.child = spawn(LAUNCHER, argv, {
      env: { PATH: process.env.PATH, HOME: '/nonexistent', SLIPWAY_URL: url, SLIPWAY_TOKEN: token },
    });
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.out += chunk.toString();
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.err += chunk.toString();
    });
    this.ended = new Promise((resolve) =>
      this.child.on('close', (code, signal) => resolve({ code, signal })),
    );
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }
}

describe.skipIf(!isCompiled)('bin/slipway', () => {
  let platform: Platform;
  let url: string;
  const start = (...argv: string[]): Program => new Program(url, platform.token('admin'), ...argv);

  beforeAll(async () => {
    platform = await Platform.start();
    url = await platform.url();
    await platform.createApp('hello');
  });
  afterAll(() => platform.stop());

  test('ends by itself with the exit code of the command', async () => {
    const done = start('apps', '--json');
    expect([await done.ended, JSON.parse(done.out), done.err]).toEqual([
      { code: 0, signal: null },
      [expect.objectContaining({ name: 'hello' })],
      '',
    ]);
    const wrong = start('nothing');
    expect([await wrong.ended, wrong.out]).toEqual([{ code: 2, signal: null }, '']);
    const absent = start('ps', '-a', 'absent');
    expect([await absent.ended, absent.err]).toEqual([
      { code: 1, signal: null },
      ' !     there is no app "absent" that you may use\n !     see: slipway apps:list\n',
    ]);
  });

  test('^C while following ends it with 0 and the way to go on; the build goes on', async () => {
    const { id } = await platform.building('hello');
    await platform.log('hello', id, (log) => log.headline('Building'));
    const program = start('builds:output', '-f', '-a', 'hello');
    await until(() => program.out.includes('Building'));
    program.child.kill('SIGINT');
    expect(await program.ended).toEqual({ code: 0, signal: null });
    expect(program.err).toBe(
      `build ${id} goes on; follow it with: slipway builds:output ${id} -f --offset 16 -a hello\n`,
    );
    expect((await platform.store.get('hello', id))?.state).toBe('building');
  });

  test('^C while it waits for a token ends it with 130', async () => {
    const program = start('git:credential', 'get');
    // Nothing says that it waits; it is asked until it hears.
    const asking = setInterval(() => program.child.kill('SIGINT'), 300);
    const { code, signal } = await program.ended;
    clearInterval(asking);
    expect(code === 130 || signal === 'SIGINT').toBe(true);
  });

  test('a reader that has enough ends it quietly', async () => {
    const { id, claim } = await platform.building('hello', 'FROM long');
    await platform.log('hello', id, async (log) => {
      for (let at = 0; at < 5000; at += 1) await log.raw(`${'x'.repeat(900)}\n`);
    });
    const program = start('builds:output', id, '-a', 'hello');
    program.child.stdout?.once('data', () => program.child.stdout?.destroy());
    expect(await program.ended).toEqual({ code: 0, signal: null });
    expect(program.err).toBe('');
    await platform.store.end('hello', id, { state: 'failed', claim });
  });
});
