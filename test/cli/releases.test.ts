/** releases, rollback and config:* against a real platform, with what the deployer would do played by the test. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Platform } from '../api/support/platform.js';
import { until } from '../support/until.js';
import { type Result, Terminal } from './support/terminal.js';

let platform: Platform;
let terminal: Terminal;

beforeAll(async () => {
  platform = await Platform.start();
  await platform.url();
});
beforeEach(async () => {
  terminal = await Terminal.at(await platform.url(), platform.token('admin'));
});
afterAll(() => platform.stop());

/** Runs a command that follows a rollout, which ends like this. */
async function rolledOut(
  app: string,
  argv: readonly string[],
  state: 'live' | 'failed' | 'cancelled' | 'superseded',
  reason?: string,
  code?: string,
): Promise<Result> {
  const running = terminal.run([...argv, '-a', app]);
  let id = '';
  await until(async () => {
    const ready = (await platform.store.open(app)).find((each) => each.state === 'ready');
    id = ready?.id ?? '';
    return id !== '';
  });
  await platform.log(app, id, (log) => log.headline('Rolling out'));
  await platform.finish(app, id, state, reason, code);
  return running;
}

describe('releases', () => {
  test('are listed, and shown one by one', async () => {
    await platform.createApp('list');
    expect((await terminal.run(['releases', '-a', 'list'])).out).toBe('list has no release yet\n');
    await terminal.run(['config:set', 'B=x', 'A=y', '-a', 'list']);
    const { release } = await platform.live('list', 'FROM a');
    const failed = await platform.ready('list', 'FROM b');
    await platform.finish('list', failed.id, 'failed', 'web did not\nanswer');
    const { out } = await terminal.run(['releases', '-a', 'list']);
    expect(out.split('\n')).toEqual([
      expect.stringMatching(/^RELEASE +STATE +WHAT +COMMIT +MADE +BY +REASON$/),
      expect.stringMatching(
        /^v2 +failed +deploy [0-9a-f]{7} +[0-9a-f]{7} +\S+ \S+Z +alice +web did not answer$/,
      ),
      expect.stringMatching(/^v1 +live +deploy [0-9a-f]{7} +[0-9a-f]{7} +\S+ \S+Z +alice$/),
      '',
    ]);
    const shown = await terminal.run(['releases:info', '1', '-a', 'list']);
    expect(shown.out.split('\n')).toEqual([
      'release   v1 of list',
      'state     live',
      `what      ${release.description}`,
      `image     apps/list@${release.image.digest}`,
      `commit    ${release.source}`,
      'config    A, B',
      `build     ${release.deploymentId}`,
      expect.stringMatching(/^made {6}\S+ \S+Z by alice$/),
      '',
    ]);
    expect((await terminal.run(['releases', 'info', 'v2', '-a', 'list'])).out).toContain(
      'state     failed: web did not answer\n',
    );
    const wrong = await terminal.run(['releases:info', 'latest', '-a', 'list']);
    expect([wrong.code, wrong.err]).toEqual([
      2,
      ' !     "latest" is not a release\n !     write it as v12\n',
    ]);
    const absent = await terminal.run(['releases:info', 'v9', '-a', 'list']);
    expect([absent.code, absent.err]).toEqual([
      1,
      ' !     list has no release v9\n !     see: slipway releases -a list\n',
    ]);
  });
});

describe('rollback', () => {
  beforeAll(async () => {
    await platform.createApp('back');
    await platform.live('back', 'FROM a');
    await platform.live('back', 'FROM b');
  });

  test('follows the rollout, and its exit code says how it ended', async () => {
    const endings = [
      ['failed', 'no such image', 'image_not_found', 1],
      ['cancelled', 'cancelled by bob', 'cancelled', 3],
      ['superseded', 'superseded by build b9', 'superseded', 4],
      ['failed', 'web is unhealthy', 'unhealthy', 5],
    ] as const;
    for (const [state, reason, failure, exit] of endings) {
      const { code, out, err } = await rolledOut('back', ['rollback', 'v1'], state, reason, failure);
      expect([state, code, out]).toEqual([
        state,
        exit,
        '-----> Rolling back back to v1\n-----> Rolling out\n',
      ]);
      expect(err).toMatch(new RegExp(`^ !     build b\\w+ ${state}: ${reason}\n$`));
    }
    const live = await rolledOut('back', ['rollback'], 'live');
    expect([live.code, live.out, live.err]).toEqual([
      0,
      '-----> Rolling back back to v1\n-----> Rolling out\n',
      '',
    ]);
    const json = await rolledOut('back', ['rollback', 'v2', '--json'], 'live');
    expect([json.code, json.json, json.err]).toEqual([
      0,
      expect.objectContaining({ kind: 'rollback', state: 'live', release: 8 }),
      '-----> Rolling back back to v2\n-----> Rolling out\n',
    ]);
  });

  test('with --detach does not wait', async () => {
    const { code, out } = await terminal.run(['rollback', '--detach', '-a', 'back']);
    const [open] = await platform.store.open('back');
    expect([code, out]).toEqual([
      0,
      `v9 is being rolled out; follow it with: slipway builds:output ${open!.id} -f -a back\n`,
    ]);
    await platform.finish('back', open!.id, 'cancelled');
  });

  test('that cannot be is refused before anything is done', async () => {
    const cases: [string[], number, string][] = [
      [['rollback', 'v99'], 1, 'back has no release v99'],
      [['rollback', 'v8'], 1, 'v8 is the live release of back'],
      [['rollback', 'v3'], 1, 'v3 of back never went live (failed)'],
      [['rollback', 'yesterday'], 2, '"yesterday" is not a release'],
      [['rollback', 'v1', 'v2'], 2, 'too many arguments; usage: slipway rollback [vN]'],
    ];
    for (const [argv, exit, message] of cases) {
      const { code, out, err } = await terminal.run([...argv, '-a', 'back']);
      expect([argv, code, out, err.split('\n')[0]]).toEqual([argv, exit, '', ` !     ${message}`]);
    }
    expect(await platform.store.open('back')).toEqual([]);
  });

  test('^C leaves it going on, with the way to follow it', async () => {
    const interrupted = new AbortController();
    const running = terminal.run(['rollback', 'v1', '-a', 'back'], { signal: interrupted.signal });
    await until(() => terminal.shown.includes('Rolling back'));
    interrupted.abort();
    const { code, err } = await running;
    const [open] = await platform.store.open('back');
    expect([code, err, open?.state]).toEqual([
      0,
      `build ${open?.id} goes on; follow it with: slipway builds:output ${open?.id} -f --offset 31 -a back\n`,
      'ready',
    ]);
    await platform.finish('back', open!.id, 'live');
  });
});

describe('config', () => {
  test('before the first deploy waits for it', async () => {
    await platform.createApp('fresh');
    expect((await terminal.run(['config', '-a', 'fresh'])).out).toBe('no config vars\n');
    const { code, out } = await terminal.run(['config:set', 'A=1', '-a', 'fresh']);
    expect([code, out]).toEqual([0, 'stored; fresh gets them with its next deploy\n']);
    const json = await terminal.run(['config:unset', 'A', '-a', 'fresh', '--json']);
    expect(json.json).toEqual({ app: 'fresh', stored: ['A'], live: false });
  });

  test('set, get, show and unset keep every byte', async () => {
    await platform.createApp('vars');
    const pairs = [
      'LINES=one\ntwo\n',
      'EQUALS=a=b==',
      'EMPTY=',
      'DASH=--x',
      'BLANK= x ',
      'ESC=\x1b[31mred',
      'toString=x',
    ];
    expect((await terminal.run(['config', 'set', ...pairs, '-a', 'vars'])).code).toBe(0);
    const shown = await terminal.run(['config', '-a', 'vars']);
    expect(shown.out.split('\n').sort()).toEqual(
      [
        '',
        'LINES="one\\ntwo\\n"',
        'EQUALS=a=b==',
        'EMPTY=',
        'DASH=--x',
        'BLANK= x ',
        'ESC="\\u001b[31mred"',
        'toString=x',
      ].sort(),
    );
    expect((await terminal.run(['config', '--json', '-a', 'vars'])).json).toMatchObject({
      LINES: 'one\ntwo\n',
      EMPTY: '',
    });
    expect((await terminal.run(['config:get', 'LINES', '-a', 'vars'])).out).toBe('one\ntwo\n\n');
    expect((await terminal.run(['config:get', 'EMPTY', '-a', 'vars'])).out).toBe('\n');
    expect((await terminal.run(['config:get', 'EQUALS', '-a', 'vars', '--json'])).json).toEqual({
      EQUALS: 'a=b==',
    });
    await terminal.run(['config:unset', 'toString', 'LINES', '-a', 'vars']);
    for (const name of ['toString', 'LINES', 'constructor', '__proto__', 'ABSENT']) {
      const { code, out, err } = await terminal.run(['config:get', name, '-a', 'vars']);
      expect([name, code, out, err]).toEqual([
        name,
        1,
        '',
        ` !     ${name} is not set\n !     see: slipway config\n`,
      ]);
    }
  });

  test('what is no var is refused without being sent or shown', async () => {
    const asked: [string[], string][] = [
      [['config:set', 'NAME'], '"NAME" must be NAME=VALUE'],
      [['config:set', 'supersecretvalueofmine'], '"supersecretvalueofmi" must be NAME=VALUE'],
      [['config:set', '=x'], '"=x" must be NAME=VALUE'],
      [['config:set', '1A=x'], '"1A" is not a config var\'s name'],
      [['config:set', 'A-B=x'], '"A-B" is not a config var\'s name'],
      [['config:set', '__proto__=x'], '"__proto__" is not a config var\'s name'],
      [['config:unset', 'A=x'], '"A=x" is not a config var\'s name'],
      [['config:set', 'A=x\0y'], 'the value of A holds a NUL, which no environment variable can'],
      [['config:set'], 'too few arguments; usage: slipway config:set NAME=VALUE...'],
      [['config:unset'], 'too few arguments; usage: slipway config:unset NAME...'],
      [['config:get'], 'too few arguments; usage: slipway config:get NAME'],
    ];
    for (const [argv, message] of asked) {
      const { code, out, err } = await terminal.run([...argv, '-a', 'vars']);
      expect([argv, code, out, err.split('\n')[0]]).toEqual([argv, 2, '', ` !     ${message}`]);
    }
  });

  test('with a live release is rolled out and followed', async () => {
    await platform.createApp('running');
    await platform.live('running');
    const set = await rolledOut('running', ['config:set', 'A=1', 'B=2'], 'live');
    expect([set.code, set.out]).toEqual([0, '-----> Config of running: set A, B\n-----> Rolling out\n']);
    const same = await terminal.run(['config:set', 'A=1', '-a', 'running']);
    expect([same.code, same.out]).toEqual([
      0,
      'nothing to roll out: running runs with these config vars already\n',
    ]);
    const unset = await rolledOut(
      'running',
      ['config:unset', 'A'],
      'failed',
      'web is unhealthy',
      'unhealthy',
    );
    expect(unset.code).toBe(5);
    const detached = await terminal.run(['config:set', 'C=3', '--detach', '--json', '-a', 'running']);
    expect(detached.json).toMatchObject({ kind: 'config', state: 'ready', release: 4 });
  });
});
