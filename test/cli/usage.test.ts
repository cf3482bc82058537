/** How commands are found, what their help says, and what happens to those that are written wrong. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { nearest } from '../../src/cli/help.js';
import { printable, table } from '../../src/cli/output.js';
import { messageFrame } from '../../src/frames.js';
import { changeVolumes } from '../../src/ledger/volume-settings.js';
import { checkPair } from '../../src/model/certificate.js';
import { CronRuns } from '../../src/records/cron-runs.js';
import { Platform } from '../api/support/platform.js';
import { Receiver } from '../notify/support/receiver.js';
import { importsOf, readSources } from '../rules/sources.js';
import { makeCertificate } from '../support/certificates.js';
import { GitServer } from '../support/git-server.js';
import { startRegistry, type TestRegistry } from '../support/registry.js';
import { newRepository } from '../support/remote-repository.js';
import { makeSshKey } from '../support/ssh-keys.js';
import { Terminal } from './support/terminal.js';

let platform: Platform;
let terminal: Terminal;
let registry: TestRegistry;

beforeAll(async () => {
  registry = await startRegistry();
  const env = { SLIPWAY_OUTBOUND_ALLOW: '127.0.0.0/8' };
  platform = await Platform.start({ registry: registry.host, env });
  for (const app of ['hello', 'gone']) await platform.createApp(app);
  await platform.live('hello', 'FROM a');
  await platform.live('hello', 'FROM b');
});
beforeEach(async () => {
  terminal = await Terminal.at(await platform.url(), platform.token('admin'));
});
afterAll(async () => {
  await registry.stop();
  await platform.stop();
});

const COMMANDS = [
  'login',
  'whoami',
  'build',
  'image:history',
  'image:load',
  'image:save',
  'apps:create',
  'apps:list',
  'apps:info',
  'apps:lock',
  'apps:unlock',
  'apps:freeze',
  'apps:unfreeze',
  'apps:destroy',
  'source',
  'source:set',
  'source:clear',
  'deploy',
  'git:sync',
  'git:from-image',
  'git:auth',
  'webhooks',
  'webhooks:add',
  'webhooks:remove',
  'webhooks:received',
  'notifications',
  'notifications:add',
  'notifications:remove',
  'notifications:test',
  'notifications:deliveries',
  'builds',
  'builds:output',
  'builds:why',
  'builds:cancel',
  'releases',
  'releases:info',
  'releases:diff',
  'releases:mark-bad',
  'releases:mark-good',
  'rollback',
  'retention',
  'retention:set',
  'retention:run',
  'releases:pin',
  'releases:unpin',
  'config',
  'config:get',
  'config:set',
  'config:unset',
  'domains',
  'domains:add',
  'domains:remove',
  'domains:clear',
  'certs',
  'certs:add',
  'certs:remove',
  'certs:auto',
  'maintenance',
  'maintenance:on',
  'maintenance:off',
  'ps',
  'logs',
  'metrics',
  'ps:scale',
  'ps:resources',
  'ps:restart',
  'ps:stop',
  'ps:start',
  'checks',
  'strategy',
  'strategy:set',
  'strategy:unset',
  'run',
  'run:detached',
  'run:list',
  'run:logs',
  'run:stop',
  'enter',
  'ps:inspect',
  'ps:top',
  'ps:stats',
  'cron',
  'cron:runs',
  'cron:run',
  'cron:logs',
  'volumes',
  'volumes:create',
  'volumes:mount',
  'volumes:unmount',
  'volumes:remove',
  'volumes:backup',
  'volumes:restore',
  'volumes:exchange',
  'volumes:backups',
  'hosts',
  'hosts:add',
  'hosts:info',
  'hosts:check',
  'hosts:label',
  'hosts:cordon',
  'hosts:uncordon',
  'hosts:remove',
  'hosts:key',
  'hosts:prepare',
  'placement',
  'placement:set',
  'users',
  'users:add',
  'users:change',
  'users:remove',
  'access',
  'access:add',
  'access:remove',
  'keys',
  'keys:add',
  'keys:remove',
  'tokens:create',
  'tokens:list',
  'tokens:revoke',
  'events',
  'restore',
  'git:credential',
  'completion',
  'completion:words',
];

const WITHOUT_APP = [
  'login',
  'whoami',
  'build',
  'image:history',
  'image:load',
  'image:save',
  'apps:create',
  'apps:list',
  'hosts',
  'hosts:add',
  'hosts:info',
  'hosts:check',
  'hosts:label',
  'hosts:cordon',
  'hosts:uncordon',
  'hosts:remove',
  'hosts:key',
  'hosts:prepare',
  'users',
  'users:add',
  'users:change',
  'users:remove',
  'keys',
  'keys:add',
  'keys:remove',
  'tokens:create',
  'tokens:list',
  'tokens:revoke',
  'restore',
  'git:credential',
  'completion',
  'completion:words',
];

describe('help', () => {
  test('without a command lists all of them, one per line, and fails', async () => {
    const { code, out, err } = await terminal.run([]);
    expect([code, err]).toEqual([2, '']);
    for (const name of COMMANDS) expect(out).toMatch(new RegExp(`^  ${name}( |$)`, 'm'));
    for (const line of out.split('\n')) expect(line.length).toBeLessThan(120);
    for (const argv of [['help'], ['--help'], ['-h']]) {
      const asked = await terminal.run(argv);
      expect([argv, asked.code, asked.out]).toEqual([argv, 0, out]);
    }
    expect((await terminal.run(['--help', '--json'])).json).toEqual({ commands: COMMANDS });
  });

  test.each(COMMANDS)(
    'of %s shows its usage, options and examples, however it is asked for',
    async (name) => {
      const { code, out, err } = await terminal.run([name, '--help']);
      expect([code, err]).toEqual([0, '']);
      expect(out).toMatch(new RegExp(`^usage: slipway ${name}`));
      expect(out).toContain('\noptions:\n');
      expect(out).toMatch(new RegExp(`\nexamples:\n  .*slipway ${name.replace(':list', '(:list)?')}`));
      for (const option of ['--json', '-h, --help']) expect(out).toContain(option);
      expect([name, out.includes('-a, --app APP')]).toEqual([name, !WITHOUT_APP.includes(name)]);
      for (const line of out.split('\n')) expect(line.length).toBeLessThan(120);
      for (const argv of [
        [name, '-h'],
        ['help', name],
        [...name.split(':'), '--help'],
        ['help', ...name.split(':')],
      ])
        expect([argv, (await terminal.run(argv)).out]).toEqual([argv, out]);
      expect((await terminal.run([name, '--help', '--json'])).json).toMatchObject({ name });
      expect((await terminal.run(['help', name, '--json'])).json).toMatchObject({ name });
    },
  );

  test('needs no platform and no login', async () => {
    const { code } = await terminal.run(['rollback', '--help'], { env: {} });
    expect(code).toBe(0);
  });

  test('every example is a command that is understood', async () => {
    for (const name of COMMANDS) {
      const { out } = await terminal.run([name, '--help']);
      const examples = out
        .slice(out.indexOf('examples:'))
        .split('\n')
        .map((line) => /^ {2}slipway ([^<]*)/.exec(line)?.[1]?.trim().split(' ') ?? [])
        .filter((argv) => argv.length > 0);
      for (const argv of examples) {
        // With --help everything is checked but what the platform says. What follows -- is not ours.
        const [command = '', ...rest] = argv;
        const { code, err } = await terminal.run([command, '--help', ...rest]);
        expect([argv, code, err]).toEqual([argv, 0, '']);
      }
    }
  });
});

describe('finding the command', () => {
  test('`noun verb` is `noun:verb`, and lists have short names', async () => {
    const pairs: [string[], string[]][] = [
      [['apps', 'list'], ['apps']],
      [['apps:list'], ['apps']],
      [
        ['releases:list', '-a', 'hello'],
        ['releases', '-a', 'hello'],
      ],
      [
        ['releases', 'info', 'v1', '-a', 'hello'],
        ['releases:info', 'v1', '-a', 'hello'],
      ],
      [
        ['builds', 'list', '-a', 'hello'],
        ['builds', '-a', 'hello'],
      ],
      [
        ['config', 'show', '-a', 'hello'],
        ['config', '-a', 'hello'],
      ],
      [['tokens', 'list'], ['tokens']],
    ];
    for (const [one, other] of pairs) {
      const [first, second] = [await terminal.run(one), await terminal.run(other)];
      expect([one, first.code, first.out]).toEqual([one, 0, second.out]);
    }
  });

  test('an unknown one is met with the nearest', async () => {
    const cases: [string[], string][] = [
      [['rolback'], 'did you mean: slipway rollback'],
      [['release'], 'did you mean: slipway releases'],
      [['conifg:set', 'A=b'], 'did you mean: slipway config:set'],
      [['aps'], 'did you mean: slipway apps'],
      [['publish'], 'see: slipway help'],
      [['x'.repeat(5000)], 'see: slipway help'],
      [['help', 'rolback'], 'did you mean: slipway rollback'],
      [['__proto__'], 'see: slipway help'],
      [['constructor'], 'see: slipway help'],
    ];
    for (const [argv, hint] of cases) {
      const { code, out, err } = await terminal.run(argv);
      expect([code, out, err.split('\n')[1]]).toEqual([2, '', ` !     ${hint}`]);
      expect(err).toMatch(/^ ! {5}there is no command "/);
      expect(err.length).toBeLessThan(200);
    }
    expect(nearest('zzzzzz', ['apps', 'builds'])).toBeUndefined();
    expect(nearest('x', ['ps', 'app'])).toBeUndefined();
  });

  test('an option before the command is not guessed at', async () => {
    const { code, err } = await terminal.run(['-a', 'hello', 'apps:info']);
    expect([code, err]).toEqual([
      2,
      ' !     unknown option -a\n !     the command comes first; see: slipway help\n',
    ]);
  });

  test('wrong options and arguments are named', async () => {
    const cases: [string[], string, string][] = [
      [
        ['rollback', '--detatch'],
        "unknown option '--detatch'",
        'did you mean --detach? see: slipway rollback --help',
      ],
      [['rollback', '-x'], "unknown option '-x'", 'see: slipway rollback --help'],
      [['builds', '--limit'], "option '-n, --limit <value>' argument missing", 'see: slipway builds --help'],
      [['builds', '--json=yes'], "option '--json' does not take an argument", 'see: slipway builds --help'],
      [['apps:create', '-a', 'hello'], "unknown option '-a'", 'see: slipway apps:create --help'],
      [['logs', '-n', '-t'], "option '-n' argument is ambiguous", 'see: slipway logs --help'],
      [
        ['apps:create'],
        'too few arguments; usage: slipway apps:create NAME',
        'see: slipway apps:create --help',
      ],
      [['whoami', 'me'], 'too many arguments; usage: slipway whoami', 'see: slipway whoami --help'],
    ];
    for (const [argv, message, hint] of cases) {
      const { code, out, err } = await terminal.run(argv);
      expect([argv, code, out, err]).toEqual([argv, 2, '', ` !     ${message}\n !     ${hint}\n`]);
    }
  });

  test('an app name that is none is refused here, before anybody is asked', async () => {
    for (const app of ['../x', 'Hello', '', 'a'.repeat(41), '-x', '\x1b[31m', 'a b']) {
      const { code, err } = await terminal.run(['ps', `--app=${app}`], {
        env: { ...terminal.env, SLIPWAY_URL: 'http://127.0.0.1:1' },
      });
      expect([app, code, err]).toEqual([
        app,
        2,
        expect.stringMatching(/^ ! {5}".*" is not an app name\n ! {5}use 1 to 40/),
      ]);
      expect(err).not.toContain('\x1b');
    }
  });
});

describe('with --json', () => {
  test('every command prints one JSON value to stdout, and nothing else', async () => {
    const answers: Record<string, unknown> = {
      'GET /apps/hello/ps': { processes: [], silent: [] },
      'GET /apps/hello/runs': { runs: [], silent: [] },
      'POST /apps/hello/runs': { name: 'run.482913', host: 'local', container: 'c' },
      'POST /apps/hello/runs/run.482913/stop': { name: 'run.482913' },
      'GET /apps/hello/ps/web.1': {
        process: 'web.1',
        container: 'c',
        name: 'n',
        image: 'i',
        entrypoint: [],
        command: [],
        user: '',
        directory: '',
        state: 'running',
        resources: {},
        volumes: [],
        variables: [],
      },
      'GET /apps/hello/ps/web.1/top': { titles: ['PID'], processes: [] },
      'GET /apps/hello/usage': { usage: [], silent: [] },
      'POST /apps/hello/cron/nightly/runs': { entry: 'nightly', run: 'r', name: 'n', host: 'local' },
      'GET /hosts': [],
      'GET /host-key': { publicKey: 'ssh-ed25519 AAAA' },
      'POST /hosts': { host: { name: 'beta' }, warnings: [] },
      'POST /hosts/alpha/check': { name: 'alpha', good: true, findings: [] },
      'POST /hosts/alpha/remove': { name: 'alpha', containers: 0 },
      'POST /host-preparations': { done: true },
      'POST /image-sweeps?dry-run=1&app=hello': { hosts: [] },
      'GET /apps/hello/volumes/data/backups': { backups: [] },
    };
    platform.deployer.script = ({ method, url }, response) => {
      const answer = answers[`${method} ${url}`];
      if (url?.includes('/logs')) response.end('line\n');
      else response.end(`${JSON.stringify(answer ?? { problems: [], traffic: null })}\n`);
    };
    platform.deployer.converse = (connection) => {
      connection.resume();
      const sha256 = createHash('sha256').digest('hex');
      const copy = { bytes: 0, sha256, stopped: [] };
      connection.end(messageFrame({ exit: { code: 0, outOfMemory: false, copy } }));
    };
    const at = { at: 'now', by: 'alice' };
    const other = { content: 'ab12ab12ab12', is: 'restored', ...at } as const;
    await changeVolumes(platform.ledger, 'hello', 'alice', 'restore old', ({ volumes, removed }) => ({
      volumes: { ...volumes, old: { host: 'local', content: '12ab12ab12ab', other, ...at } },
      removed,
    }));
    const backup = join(terminal.directory, 'data.tar.gz');
    await platform.platform.hosts.add({ name: 'alpha', address: 'tcp://alpha.test:1', labels: {} }, 'alice');
    const { certificate, key } = await makeCertificate(['a.test']);
    await writeFile(join(terminal.directory, 'cert.pem'), certificate);
    await writeFile(join(terminal.directory, 'key.pem'), key);
    const pair = [join(terminal.directory, 'cert.pem'), join(terminal.directory, 'key.pem')];
    const { id } = (await platform.store.list('hello'))[0]!;
    const waiting = await platform.push('hello', 'FROM waiting');
    const token = await terminal.run(['tokens:create', 'x', '--apps', 'hello', '--json']);
    const sshKey = await makeSshKey();
    await writeFile(join(terminal.directory, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
    const image = `${registry.host}/made:1`;
    const work = await newRepository(join(terminal.home, 'elsewhere'), { Dockerfile: 'FROM scratch\n' });
    const server = await GitServer.start(work);
    onTestFinished(() => server.stop());
    const { url } = await Receiver.start();
    const webhook = await terminal.run(['webhooks:add', 'gitea', server.url, '-a', 'hello', '--json']);
    const notification = await terminal.run(['notifications:add', url, '-a', 'hello', '--json']);
    terminal.env = { ...terminal.env, SLIPWAY_HOME: join(terminal.home, 'restored') };
    const runs: string[][] = [
      ['apps:create', 'made'],
      ['source', '-a', 'hello'],
      ['source:set', '--path', 'services/api', '-a', 'made'],
      ['source:clear', '-a', 'made'],
      ['apps:list'],
      ['apps:info', 'hello'],
      ['apps:lock', '--reason', 'x', '-a', 'gone'],
      ['apps:unlock', '-a', 'gone'],
      ['apps:freeze', 'Fri 16:00-Mon 08:00', '--reason', 'x', '-a', 'gone'],
      ['apps:unfreeze', '-a', 'gone'],
      ['apps:destroy', 'gone', '--confirm', 'gone'],
      ['builds', '-a', 'hello'],
      ['builds:why', id, '-a', 'hello'],
      ['builds:output', id, '-a', 'hello'],
      ['builds:output', id, '-f', '-a', 'hello'],
      ['builds:cancel', waiting.id, '-a', 'hello'],
      ['git:auth', '-a', 'hello'],
      ['webhooks:add', 'github', 'https://github.com/acme/shop.git', '-a', 'hello'],
      ['webhooks', '-a', 'hello'],
      ['webhooks:received', webhook.json.id, '-a', 'hello'],
      ['webhooks:remove', webhook.json.id, '-a', 'hello'],
      ['notifications:add', 'https://hooks.example.com/x', '-a', 'hello'],
      ['notifications', '-a', 'hello'],
      ['notifications:test', notification.json.id, '-a', 'hello'],
      ['notifications:deliveries', '-a', 'hello'],
      ['notifications:remove', notification.json.id, '-a', 'hello'],
      ['deploy', '--detach', '-a', 'hello'],
      ['git:sync', server.url, '--detach', '-a', 'hello'],
      ['releases', '-a', 'hello'],
      ['releases:info', 'v1', '-a', 'hello'],
      ['releases:diff', 'v2', '-a', 'hello'],
      ['releases:mark-bad', 'v2', 'slow', '-a', 'hello'],
      ['releases:mark-good', 'v2', '-a', 'hello'],
      ['rollback', '--detach', '-a', 'hello'],
      ['ps:scale', '-a', 'hello'],
      ['ps:scale', 'web=2', '--detach', '-a', 'hello'],
      ['ps:resources', '-p', 'web', '--cpus', '1', '--detach', '-a', 'hello'],
      ['ps:restart', '--detach', '-a', 'hello'],
      ['ps:stop', '--detach', '-a', 'hello'],
      ['ps:start', '--detach', '-a', 'hello'],
      ['checks', '-a', 'hello'],
      ['strategy:set', 'rolling,batch=2', '-a', 'hello'],
      ['strategy', '-a', 'hello'],
      ['strategy:unset', '-a', 'hello'],
      ['retention', '-a', 'hello'],
      ['retention:set', '--keep', '3', '-a', 'hello'],
      ['retention:run', '--dry-run', '-a', 'hello'],
      ['releases:pin', 'v1', '-a', 'hello'],
      ['releases:unpin', 'v1', '-a', 'hello'],
      ['restore', platform.home, '--dry-run'],
      ['config', '-a', 'hello'],
      ['config:set', 'A=b', '--detach', '-a', 'hello'],
      ['config:get', 'A', '-a', 'hello'],
      ['config:unset', 'A', '--detach', '-a', 'hello'],
      ['domains:add', 'a.test', 'b.test', '-a', 'hello'],
      ['domains', '-a', 'hello'],
      ['domains:remove', 'b.test', '-a', 'hello'],
      ['certs:add', ...pair, '-a', 'hello'],
      ['certs', '-a', 'hello'],
      ['certs:auto', '-a', 'hello'],
      ['certs:remove', checkPair(certificate, key).id, '-a', 'hello'],
      ['domains:clear', '-a', 'hello'],
      ['maintenance:on', '-a', 'hello'],
      ['maintenance', '-a', 'hello'],
      ['maintenance:off', '-a', 'hello'],
      ['metrics', '-a', 'hello'],
      ['login', await platform.url()],
      ['whoami'],
      ['ps', '-a', 'hello'],
      ['logs', '-a', 'hello'],
      ['run', '-a', 'hello', 'ls'],
      ['run:detached', '-a', 'hello', 'ls'],
      ['run:list', '-a', 'hello'],
      ['run:logs', 'run.482913', '-a', 'hello'],
      ['run:stop', 'run.482913', '-a', 'hello'],
      ['enter', '-a', 'hello'],
      ['ps:inspect', '-a', 'hello'],
      ['ps:top', '-a', 'hello'],
      ['ps:stats', '-a', 'hello'],
      ['cron', '-a', 'hello'],
      ['cron:runs', 'nightly', '-a', 'hello'],
      ['cron:run', 'nightly', '-a', 'hello'],
      ['cron:logs', 'nightly', '-a', 'hello'],
      ['volumes:create', 'data', '-a', 'hello'],
      ['volumes:mount', 'data', 'web:/data', '--detach', '-a', 'hello'],
      ['volumes', '-a', 'hello'],
      ['volumes:unmount', 'data', '--detach', '-a', 'hello'],
      ['volumes:backup', 'data', backup, '-a', 'hello'],
      ['volumes:backups', 'data', '-a', 'hello'],
      ['volumes:restore', 'data', backup, '--no-exchange', '-a', 'hello'],
      ['volumes:exchange', 'old', '-a', 'hello'],
      ['volumes:remove', 'data', '-a', 'hello'],
      ['hosts'],
      ['hosts:add', 'beta', 'tcp://beta.test:1'],
      ['hosts:info', 'alpha'],
      ['hosts:check', 'alpha'],
      ['hosts:label', 'alpha', 'zone=eu'],
      ['hosts:cordon', 'alpha'],
      ['hosts:uncordon', 'alpha'],
      ['placement:set', '--host', 'alpha', '--detach', '-a', 'hello'],
      ['placement', '-a', 'hello'],
      ['placement:set', '--default', '--detach', '-a', 'hello'],
      ['hosts:remove', 'alpha'],
      ['hosts:key'],
      ['hosts:prepare', 'ssh://root@10.0.0.5'],
      ['users:add', 'ada'],
      ['users:change', 'ada', '--may-create'],
      ['users'],
      ['access:add', 'ada', 'viewer', '-a', 'hello'],
      ['access', '-a', 'hello'],
      ['access:remove', 'ada', '-a', 'hello'],
      ['keys:add', `${sshKey.path}.pub`, '--user', 'ada'],
      ['keys'],
      ['keys:remove', sshKey.fingerprint],
      ['users:remove', 'ada'],
      ['events', '-a', 'hello'],
      ['tokens:create', 'y', '--admin'],
      ['tokens:list'],
      ['tokens:revoke', token.json.id],
      ['git:credential', 'get'],
      ['completion', 'bash'],
      ['completion:words', 'apps:l'],
      ['build', '-q', '--store', join(terminal.home, 'store'), '-o', 'type=oci,dest=made.tar', '.'],
      ['image:history', 'made.tar'],
      ['image:load', 'made.tar', image],
      ['image:save', image, 'saved.tar'],
      ['git:from-image', image, '--detach', '-a', 'hello'],
    ];
    expect([...new Set(runs.map(([name]) => name))].sort()).toEqual([...COMMANDS].sort());
    const [cron, nightly] = [new CronRuns(platform.home), '20260101T030000Z'];
    await cron.claim('hello', 'nightly', nightly, { by: 'slipway-1-1', at: 0 });
    const run = (await cron.get('hello', 'nightly', nightly))!;
    await cron.place(run, { host: 'local', release: 1, at: 0 });
    await cron.end(run, { outcome: 'ok', exitCode: 0, at: 0 }, 'done\n');
    for (const argv of runs) {
      const { host } = new URL(await platform.url());
      const result = await terminal.run([...argv, '--json'], { stdin: `protocol=http\nhost=${host}\n` });
      expect([argv, result.code, result.err]).toEqual([argv, 0, '']);
      expect([argv, typeof result.json]).toEqual([argv, 'object']);
    }
  });

  test('an error leaves stdout empty', async () => {
    const { code, out, err } = await terminal.run(['apps:info', 'absent', '--json']);
    expect([code, out]).toEqual([1, '']);
    expect(err).toBe(' !     there is no app "absent" that you may use\n !     see: slipway apps:list\n');
  });
});

describe('text of others', () => {
  test('does not reach the terminal as commands to it', () => {
    expect(printable('a\x1b[31mb\r\nc\x07\u009bd')).toBe('a [31mb c d');
    expect(table(['A', 'B'], [['x\ny', '\x1b]0;title\x07']])).toEqual(['A    B', 'x y   ]0;title']);
  });
});

test('starts without a heavy module: only builtins and small files of this project', () => {
  const sources = readSources(['client', 'src']);
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const each of importsOf(path, sources.get(path) ?? '')) {
      if (each.typeOnly || each.deferred) continue;
      if (sources.has(each.target)) visit(each.target);
      else expect([path, each.target]).toEqual([path, expect.stringMatching(/^node:/)]);
    }
  };
  visit('src/cli/main.ts');
  expect([...seen].filter((path) => !path.startsWith('src/cli/')).sort()).toEqual([
    'client/event-stream.ts',
    'src/clock.ts',
    'src/errors.ts',
    'src/format-bytes.ts',
    'src/frames.ts',
    'src/logs/seconds.ts',
    'src/model/access.ts',
    'src/model/app.ts',
    'src/model/check.ts',
    'src/model/cron.ts',
    'src/model/domain.ts',
    'src/model/host.ts',
    'src/model/process.ts',
    'src/model/release-diff.ts',
    'src/model/resources.ts',
    'src/model/strategy.ts',
    'src/model/volume.ts',
    'src/root.ts',
  ]);
});
