/** builds, builds:output and builds:cancel against a real platform. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Platform } from '../api/support/platform.js';
import { recordSteps } from '../support/step-outcomes.js';
import { until } from '../support/until.js';
import { Terminal } from './support/terminal.js';

let platform: Platform;
let url: string;
let terminal: Terminal;

beforeAll(async () => {
  platform = await Platform.start();
  url = await platform.url();
  for (const app of ['hello', 'empty', 'list']) await platform.createApp(app);
});
beforeEach(async () => {
  terminal = await Terminal.at(url, platform.token('admin'));
});
afterAll(() => platform.stop());

describe('the list', () => {
  test('shows each build with how it ended, in a line, whatever its reason holds', async () => {
    expect((await terminal.run(['builds', '-a', 'empty'])).out).toBe('empty has no build yet\n');
    const live = await platform.live('list', 'FROM a');
    const failed = await platform.building('list', 'FROM b');
    await platform.store.append('list', failed.id, {
      type: 'built',
      at: 1,
      claim: failed.claim,
      digest: 'sha256:0',
      steps: { cached: 2, total: 7 },
    });
    await platform.store.end('list', failed.id, {
      state: 'failed',
      reason: 'line one\nline two \x1b[31mred\x07',
      claim: failed.claim,
    });
    const { code, out, err } = await terminal.run(['builds', '-a', 'list']);
    expect([code, err]).toEqual([0, '']);
    expect(out.split('\n')).toEqual([
      expect.stringMatching(/^BUILD +STATE +KIND +RELEASE +COMMIT +CACHED +STARTED +TIME +BY +REASON$/),
      expect.stringMatching(
        new RegExp(
          `^${failed.id} +failed +push +[0-9a-f]{7} +2/7 +\\S+ \\S+Z +\\d+\\.\\d s +alice +line one line two  ?\\[31mred$`,
        ),
      ),
      expect.stringMatching(
        new RegExp(`^${live.id} +live +push +v1 +[0-9a-f]{7} +\\S+ \\S+Z +\\d+\\.\\d s +alice$`),
      ),
      '',
    ]);
    const json = await terminal.run(['builds', '-a', 'list', '--limit', '1', '--json']);
    expect(json.json).toEqual([expect.objectContaining({ id: failed.id, state: 'failed' })]);
    const wrong = await terminal.run(['builds', '-a', 'list', '-n', 'all']);
    expect([wrong.code, wrong.err]).toEqual([2, ' !     limit must be a whole number from 1 to 200\n']);
  });
});

describe('why', () => {
  test('shows each step with what became of it and why', async () => {
    const { id } = await platform.push('hello', 'FROM why');
    const none = await terminal.run(['builds:why', '-a', 'hello']);
    expect([none.code, none.out]).toEqual([0, `nothing is known of the steps of ${id} (accepted)\n`]);
    const path = platform.store.stepsPath('hello', id);
    const common = { total: 2, stage: 'build' } as const;
    const steps = [
      {
        ...common,
        step: 1,
        text: 'WORKDIR /app',
        line: 2,
        result: 'cached',
        savedMs: 1500,
        from: 'registry',
      },
      {
        ...common,
        step: 2,
        text: 'COPY . .',
        line: 3,
        result: 'executed',
        reason: '"." changed: a\x1b[31m.js',
        ms: 40,
      },
    ] as const;
    await recordSteps(path, steps);
    const { code, out } = await terminal.run(['builds:why', id, '-a', 'hello']);
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      'STEP  STAGE  LINE  RESULT             TIME    INSTRUCTION   WHY',
      '1/2   build  2     CACHED (registry)          WORKDIR /app  saved 1.50 s',
      '2/2   build  3     executed           0.04 s  COPY . .      "." changed: a [31m.js',
      '',
    ]);
    const json = await terminal.run(['builds:why', '-a', 'hello', '--json']);
    expect(json.json).toEqual({ build: expect.objectContaining({ id }), steps });
  });
});

describe('output', () => {
  test('prints the newest log, or that of a build, byte for byte', async () => {
    const first = await platform.building('hello', 'FROM a');
    await platform.log('hello', first.id, (log) => log.raw('\x1b[32mgrün\x1b[0m\n'));
    await platform.store.end('hello', first.id, { state: 'failed', claim: first.claim });
    const second = await platform.building('hello', 'FROM b');
    await platform.log('hello', second.id, async (log) => {
      for (let at = 0; at < 3000; at += 1) await log.raw(`${'x'.repeat(900)}\n`);
    });
    const newest = await terminal.run(['builds:output', '-a', 'hello']);
    expect(newest.code).toBe(0);
    expect(newest.out === (await readFile(platform.store.logPath('hello', second.id), 'utf8'))).toBe(true);
    const named = await terminal.run(['builds:output', first.id, '-a', 'hello']);
    expect([named.code, named.out, named.err]).toEqual([0, '       \x1b[32mgrün\x1b[0m\n', '']);
    const part = await terminal.run(['builds:output', first.id, '-a', 'hello', '--offset', '12']);
    expect(part.out).toBe('grün\x1b[0m\n');
    const json = await terminal.run(['builds:output', first.id, '-a', 'hello', '--json']);
    expect([json.json, json.err]).toEqual([
      expect.objectContaining({ id: first.id, state: 'failed' }),
      '       \x1b[32mgrün\x1b[0m\n',
    ]);
    await platform.store.end('hello', second.id, { state: 'failed', claim: second.claim });
  });

  test('what is not there, or no offset, is said', async () => {
    const none = await terminal.run(['builds:output', '-a', 'empty']);
    expect([none.code, none.err]).toEqual([
      1,
      ' !     empty has no build yet\n !     push to it, then see: slipway builds -a empty\n',
    ]);
    const absent = await terminal.run(['builds:output', '../../hello/x', '-a', 'empty']);
    expect([absent.code, absent.err]).toEqual([
      1,
      ' !     empty has no build "../../hello/x"\n !     see: slipway builds -a empty\n',
    ]);
    for (const offset of ['-1', 'x', '', '1.5']) {
      const { code, err } = await terminal.run(['builds:output', '-a', 'hello', `--offset=${offset}`]);
      expect([offset, code, err]).toEqual([
        offset,
        2,
        ` !     --offset must be a whole number of bytes, not ${JSON.stringify(offset)}\n`,
      ]);
    }
  });

  test('-f shows what comes until the build ends, and the exit code says how', async () => {
    const endings: [string, string | undefined, string | undefined, number, string][] = [
      ['failed', 'COPY x: not found', 'source_missing', 1, 'failed: COPY x: not found'],
      ['failed', undefined, undefined, 1, 'failed'],
      ['cancelled', 'cancelled by bob', 'cancelled', 3, 'cancelled: cancelled by bob'],
      ['superseded', 'superseded by build b2', 'superseded', 4, 'superseded: superseded by build b2'],
      ['failed', 'web is unhealthy', 'unhealthy', 5, 'failed: web is unhealthy'],
      ['live', undefined, undefined, 0, ''],
    ];
    for (const [state, reason, failure, exit, said] of endings) {
      const { id } = await platform.ready('hello', `FROM ${state} ${reason}`);
      await platform.log('hello', id, (log) => log.headline('Building'));
      const following = terminal.run(['builds:output', '-f', '-a', 'hello']);
      await until(() => terminal.shown.includes('Building'));
      await platform.log('hello', id, (log) => log.headline('Rolling out'));
      await platform.finish('hello', id, state as 'live', reason, failure);
      const { code, out, err } = await following;
      expect([state, code, out, err]).toEqual([
        state,
        exit,
        '-----> Building\n-----> Rolling out\n',
        said === '' ? '' : ` !     build ${id} ${said}\n`,
      ]);
      terminal.shown = '';
    }
    const { id, claim } = await platform.building('hello', 'FROM built');
    await platform.store.end('hello', id, { state: 'built', claim });
    expect((await terminal.run(['builds:output', id, '-f', '-a', 'hello'])).code).toBe(0);
  });

  test('-f --json prints the build as it ended, and the log to stderr', async () => {
    const { id, claim } = await platform.building('hello', 'FROM json');
    await platform.log('hello', id, (log) => log.headline('Building'));
    const following = terminal.run(['builds:output', '-f', '-a', 'hello', '--json']);
    await until(() => terminal.shown.includes('Building'));
    await platform.store.end('hello', id, { state: 'failed', reason: 'no', claim });
    const { code, json, err } = await following;
    expect([code, json, err]).toEqual([
      1,
      expect.objectContaining({ id, state: 'failed' }),
      `-----> Building\n !     build ${id} failed: no\n`,
    ]);
  });

  test('^C stops looking, and says how to go on from the very byte', async () => {
    const { id, claim } = await platform.building('hello', 'FROM interrupted');
    await platform.log('hello', id, (log) => log.headline('Building'));
    const interrupted = new AbortController();
    const following = terminal.run(['builds:output', '-f', '-a', 'hello'], { signal: interrupted.signal });
    await until(() => terminal.shown.includes('Building'));
    interrupted.abort();
    const { code, out, err } = await following;
    expect([code, out, err]).toEqual([
      0,
      '-----> Building\n',
      `build ${id} goes on; follow it with: slipway builds:output ${id} -f --offset 16 -a hello\n`,
    ]);
    expect((await platform.store.get('hello', id))?.state).toBe('building');
    await platform.log('hello', id, (log) => log.headline('Done'));
    await platform.store.end('hello', id, { state: 'failed', claim });
    const resumed = await terminal.run(['builds:output', id, '-f', '--offset', '16', '-a', 'hello']);
    expect(resumed.out).toBe('-----> Done\n');
  });

  test('^C with --json prints what is known', async () => {
    const { id, claim } = await platform.building('hello', 'FROM interrupted json');
    await platform.log('hello', id, (log) => log.headline('Building'));
    const interrupted = new AbortController();
    const argv = ['builds:output', '-f', '-a', 'hello', '--json'];
    const following = terminal.run(argv, { signal: interrupted.signal });
    await until(() => terminal.shown.includes('Building'));
    interrupted.abort();
    expect((await following).json).toMatchObject({ id, state: 'building' });
    await platform.store.end('hello', id, { state: 'failed', claim });
  });
});

describe('cancel', () => {
  test('ends what waits, asks what is worked on, and says what has ended', async () => {
    const waiting = await platform.push('hello', 'FROM waiting');
    const done = await terminal.run(['builds:cancel', '-a', 'hello']);
    expect([done.code, done.out]).toEqual([0, `build ${waiting.id} is cancelled\n`]);
    const again = await terminal.run(['builds:cancel', waiting.id, '-a', 'hello']);
    expect([again.code, again.err]).toEqual([
      1,
      ` !     build ${waiting.id} has ended: cancelled\n !     nothing of it is under way; see: slipway builds -a hello\n`,
    ]);
    const building = await platform.building('hello', 'FROM building');
    const asked = await terminal.run(['builds', 'cancel', building.id, '-a', 'hello']);
    expect([asked.code, asked.out]).toEqual([0, `build ${building.id} is being cancelled\n`]);
    const json = await terminal.run(['builds:cancel', '-a', 'hello', '--json']);
    expect(json.json).toMatchObject({ id: building.id, state: 'building', cancelledBy: 'admin' });
    await platform.store.end('hello', building.id, { state: 'cancelled', claim: building.claim });
  });
});
