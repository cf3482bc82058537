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

describe('checks', () => {
  test('are those of the live release, or of another, and part of info and diff', async () => {
    await platform.createApp('checks');
    expect((await terminal.run(['checks', '-a', 'checks'])).out).toBe('checks has no live release yet\n');
    const web = { type: 'web', scale: 1 };
    const check = { name: 'ready', path: '/health', status: [204], successes: 5 };
    await platform.live('checks', 'FROM a');
    await platform.live('checks', 'FROM b', [
      { ...web, checks: [check, { log: 'Listening' }] },
      { type: 'worker', scale: 0 },
    ]);
    const { out } = await terminal.run(['checks', '-a', 'checks']);
    expect(out.split('\n')).toEqual([
      'v2 of checks',
      'PROCESS  CHECK',
      'web      ready: GET /health, status 204, 5 in a row',
      'web      log line "Listening"',
      'worker   default: the HEALTHCHECK of its image; else it lives 5 s',
      '',
    ]);
    expect((await terminal.run(['checks', 'v1', '-a', 'checks'])).out).toMatch(
      /^v1 of checks\n.*\nweb +default: /,
    );
    expect((await terminal.run(['checks', '--json', '-a', 'checks'])).json).toEqual({
      release: 'v2',
      processes: [
        { type: 'web', checks: [check, { log: 'Listening' }] },
        { type: 'worker', checks: [] },
      ],
    });
    expect((await terminal.run(['releases:info', 'v2', '-a', 'checks'])).out).toContain(
      'checks    web: ready: GET /health, status 204, 5 in a row; log line "Listening"\n',
    );
    expect((await terminal.run(['releases:diff', 'v2', '-a', 'checks'])).out).toContain(
      '~ process  web: checks default → ready: GET /health, status 204, 5 in a row; log line "Listening"\n',
    );
  });
});

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
      "process   web: 1 × the image's own command",
      'hosts     local',
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

describe('the history of releases', () => {
  test('shows what a release changed, and which are bad', async () => {
    await platform.createApp('history');
    await platform.live('history', 'FROM a');
    await rolledOut('history', ['config:set', 'A=hunter2', 'B=x'], 'live');
    await rolledOut('history', ['ps:scale', 'web=2'], 'live');
    await rolledOut('history', ['ps:resources', '-p', 'web', '--memory', '64m'], 'live');
    const diff = await terminal.run(['releases:diff', 'v1', 'v4', '-a', 'history']);
    expect([diff.code, diff.out]).toEqual([
      0,
      [
        'history: v1 → v4',
        '+ config   A',
        '+ config   B',
        '~ process  web: scale 1 → 2',
        '~ process  web: limits none → memory 64m',
        '',
      ].join('\n'),
    ]);
    expect((await terminal.run(['releases:diff', 'v3', '--json', '-a', 'history'])).json).toMatchObject({
      from: 'v2',
      to: 'v3',
    });
    await platform.live('history', 'FROM b');
    const code = await terminal.run(['releases:diff', '5', '-a', 'history']);
    expect(code.out.split('\n')).toEqual([
      'history: v4 → v5',
      expect.stringMatching(/^~ image {4}sha256:[0-9a-f]{12} → sha256:[0-9a-f]{12}$/),
      expect.stringMatching(/^~ commit {3}[0-9a-f]{7} → [0-9a-f]{7}$/),
      expect.stringMatching(/^ {2}\+ {8}[0-9a-f]{7} a change$/),
      expect.stringMatching(/^ {2}- {8}[0-9a-f]{7} a change$/),
      '~ process  web: scale 2 → 1',
      '~ process  web: limits memory 64m → none',
      '',
    ]);
    const bad = await terminal.run(['releases:mark-bad', 'v4', 'too slow', '-a', 'history']);
    expect([bad.code, bad.out]).toEqual([0, 'v4 of history is marked bad\n']);
    const live = await terminal.run(['releases:mark-bad', 'v5', 'worse', '-a', 'history']);
    expect(live.out).toContain('it is live; to leave it: slipway rollback -a history\n');
    expect((await terminal.run(['releases', '-a', 'history'])).out).toMatch(
      /^v4 +was live, bad .* too slow$/m,
    );
    expect((await terminal.run(['releases:info', 'v4', '-a', 'history'])).out).toMatch(
      /^bad {7}too slow \(admin, \S+ \S+Z\)$/m,
    );
    const refused = await terminal.run(['rollback', 'v4', '-a', 'history']);
    expect([refused.code, refused.err]).toEqual([
      1,
      ' !     v4 of history is marked bad by admin: too slow\n' +
        ' !     choose another one, or all the same: slipway rollback v4 --force -a history\n',
    ]);
    const forced = await rolledOut('history', ['rollback', 'v4', '--force', '--code-only'], 'live');
    expect([forced.code, forced.out]).toEqual([
      0,
      '-----> Rolling history back to the code of v4\n-----> Rolling out\n',
    ]);
    const good = await terminal.run(['releases:mark-good', 'v4', '-a', 'history']);
    expect(good.out).toBe('v4 of history is not marked bad\n');
    for (const [argv, message] of [
      [['rollback', '--code-only', '--config-only'], '--code-only and --config-only exclude each other'],
      [['releases:mark-bad', 'v4', ' '], 'a reason is missing'],
      [['releases:diff'], 'too few arguments'],
    ] as const) {
      const { code: exit, err } = await terminal.run([...argv, '-a', 'history']);
      expect([argv, exit, err]).toEqual([argv, 2, expect.stringContaining(message)]);
    }
  });
});

describe('process types', () => {
  test('are shown, scaled, limited, restarted, stopped and started', async () => {
    await platform.createApp('types');
    expect((await terminal.run(['ps:scale', '-a', 'types'])).out).toBe(
      'types has no process types yet: they come with the first deploy\n',
    );
    expect((await terminal.run(['ps:scale', 'web=2', '-a', 'types'])).out).toBe(
      'stored; types gets it with its next deploy\n',
    );
    expect((await terminal.run(['ps:scale', '-a', 'types'])).out).toMatch(
      /^web +2 +none +not known before the first deploy$/m,
    );
    await platform.live('types');
    const scaled = await rolledOut('types', ['ps', 'scale', 'web=3'], 'live');
    expect([scaled.code, scaled.out]).toEqual([0, '-----> Scale of types: web=3\n-----> Rolling out\n']);
    expect((await terminal.run(['ps:scale', 'web=3', '-a', 'types'])).out).toBe(
      'nothing to roll out: types runs so already\n',
    );
    await rolledOut(
      'types',
      ['resource:limit', '-p', 'web', '--memory', '64m', '--cpus', '0.5', '--processes', '20'],
      'live',
    );
    await rolledOut('types', ['ps:resources', '-p', 'web', '--cpus', 'none'], 'live');
    expect((await terminal.run(['ps:resources', '-a', 'types'])).out.split('\n')).toEqual([
      'PROCESS  SCALE  LIMITS                    COMMAND',
      "web      3      memory 64m, processes 20  the image's own command",
      '',
    ]);
    expect((await rolledOut('types', ['ps:restart'], 'live')).out).toBe(
      '-----> Restarting types\n-----> Rolling out\n',
    );
    expect((await rolledOut('types', ['ps:stop'], 'live')).code).toBe(0);
    expect((await terminal.run(['ps:stop', '-a', 'types'])).out).toBe('types is stopped already\n');
    expect((await terminal.run(['ps:scale', '-a', 'types'])).out).toContain('web      0, stopped (3)  ');
    expect((await terminal.run(['ps:scale', 'web=1', '-a', 'types'])).out).toBe(
      'stored; types is stopped, and gets it with: slipway ps:start -a types\n',
    );
    expect((await rolledOut('types', ['ps:start'], 'live')).code).toBe(0);
    expect((await terminal.run(['ps:start', '-a', 'types'])).out).toBe('types is started already\n');
    expect((await terminal.run(['ps:scale', '--json', '-a', 'types'])).json).toMatchObject({
      release: 'v7',
      processes: [{ type: 'web', scale: 1 }],
    });
    for (const [argv, message] of [
      [['ps:scale', 'web'], '"web" must be TYPE=COUNT'],
      [['ps:scale', 'web=-1'], '"web=-1" must be TYPE=COUNT'],
      [['ps:scale', 'wbe=1'], 'types has no process type "wbe"'],
      [['ps:resources', '--cpus', '1'], 'of which process type?'],
      [['ps:resources', '-p', 'web'], 'which limit?'],
      [['ps:resources', '-p', 'web', '--cpus', 'x'], 'limits.cpus: cpus must be a number'],
    ] as const) {
      const { code, err } = await terminal.run([...argv, '-a', 'types']);
      expect([argv, code, err]).toEqual([argv, 2, expect.stringContaining(message)]);
    }
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
