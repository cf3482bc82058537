/** run, enter and the look inside, through the real web process, with a deployer that says what the test wants. */
import { request } from 'node:http';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { FRAME, frame, messageFrame, readFrames, readMessage } from '../../src/frames.js';
import { json } from '../api/support/deployer.js';
import { Platform } from '../api/support/platform.js';
import { Terminal } from './support/terminal.js';

let platform: Platform;
let terminal: Terminal;

beforeAll(async () => {
  platform = await Platform.start();
  for (const app of ['hello', 'secret']) await platform.createApp(app);
});
beforeEach(async () => {
  terminal = await Terminal.at(await platform.url(), platform.token('reader'));
  platform.deployer.asked.splice(0);
});
afterAll(() => platform.stop());

/** A deployer whose command writes all of its input back and ends with this code. */
function echoes(code: number, wishes: unknown[] = []): void {
  platform.deployer.converse = (connection) => {
    void (async () => {
      for await (const { kind, data } of readFrames(connection)) {
        if (kind === FRAME.message) {
          wishes.push(readMessage(data));
          connection.write(messageFrame({ started: { name: 'run.482913', host: 'b' } }));
          connection.write(messageFrame({}));
        } else if (data.length > 0) connection.write(frame(FRAME.output, data));
        else {
          connection.write(frame(FRAME.errors, Buffer.from('bye\n')));
          connection.end(messageFrame({ exit: { code, outOfMemory: false } }));
          return;
        }
      }
    })().catch(() => undefined);
  };
}

test('run passes command, input, output, errors and exit code on', async () => {
  const wishes: unknown[] = [];
  echoes(42, wishes);
  const argv = ['run', '-e', 'A=b=c', '--memory', '64m', '-a', 'hello', '--', 'ls', '-la', '--json'];
  const { code, out, err } = await terminal.run(argv, { stdin: 'some\ninput' });
  expect([code, out, err]).toEqual([42, 'some\ninput', 'run.482913 on b\nbye\n']);
  expect(wishes).toEqual([
    { command: ['ls', '-la', '--json'], env: { A: 'b=c' }, limits: { memory: '64m' } },
  ]);
  expect(platform.deployer.asked).toEqual(['/apps/hello/run?who=reader']);
});

test('with --json the exit code alone is on stdout', async () => {
  echoes(3);
  const {
    code,
    json: result,
    err,
  } = await terminal.run(['run', 'cat', '-a', 'hello', '--json'], { stdin: 'x' });
  expect([code, result]).toEqual([3, { exitCode: 3 }]);
  expect(err).toContain('x');
});

test('-t asks for a terminal, enter for the process', async () => {
  const wishes: unknown[] = [];
  echoes(0, wishes);
  await terminal.run(['run', '-t', 'top', '-a', 'hello']);
  await terminal.run(['enter', '-a', 'hello']);
  await terminal.run(['enter', 'worker.2', '-a', 'hello', '--', 'ps', '-ef']);
  expect(wishes).toEqual([
    { command: ['top'], terminal: { columns: 80, rows: 24 } },
    { process: 'web.1', command: ['/bin/sh'] },
    { process: 'worker.2', command: ['ps', '-ef'] },
  ]);
  expect(platform.deployer.asked).toEqual([
    '/apps/hello/run?who=reader',
    '/apps/hello/enter?who=reader',
    '/apps/hello/enter?who=reader',
  ]);
});

test('^C ends the connection, at the deployer too', async () => {
  const interrupted = new AbortController();
  const closed = new Promise<void>((resolve) => {
    platform.deployer.converse = (connection) => {
      connection.resume();
      connection.once('end', () => resolve());
      connection.write(frame(FRAME.output, Buffer.from('up\n')), () => interrupted.abort());
    };
  });
  const { code } = await terminal.run(['run', 'sleep', '9', '-a', 'hello'], {
    stdin: new PassThrough(),
    signal: interrupted.signal,
  });
  expect(code).toBe(130);
  await closed;
});

test('what the deployer refuses, and its end, is said with what to do', async () => {
  platform.deployer.converse = (connection) => {
    connection.resume();
    connection.end(
      messageFrame({ error: { code: 'no_release', message: 'hello has no live release', hint: 'push' } }),
    );
  };
  const refused = await terminal.run(['run', 'true', '-a', 'hello']);
  expect([refused.code, refused.err]).toEqual([1, ' !     hello has no live release\n !     push\n']);
  platform.deployer.converse = (connection) => void connection.destroy();
  const lost = await terminal.run(['run', 'true', '-a', 'hello']);
  expect([lost.code, lost.err]).toEqual([
    1,
    ' !     the connection to the command was lost, and the command ends with it\n !     what is to outlive a connection: slipway run:detached\n',
  ]);
});

test('nobody runs a command in an app that is not theirs, or without a token', async () => {
  const other = await terminal.run(['run', 'true', '-a', 'secret']);
  expect([other.code, other.err]).toEqual([
    1,
    ' !     there is no app "secret" that you may use\n !     see: slipway apps:list\n',
  ]);
  const wrong = await Terminal.at(await platform.url(), platform.token('revoked'));
  expect((await wrong.run(['enter', '-a', 'hello'])).err).toContain('the token is missing, wrong or revoked');
  expect(platform.deployer.asked).toEqual([]);
});

test('another upgrade is answered as if none had been asked for', async () => {
  const url = await platform.url();
  for (const [path, status] of [
    ['/healthz', 200],
    ['/v1/whoami', 401],
  ] as const) {
    const answered = await new Promise<number | undefined>((resolve, reject) => {
      const asked = request(`${url}${path}`, { headers: { connection: 'Upgrade', upgrade: 'h2c' } });
      asked.on('response', (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      asked.on('error', reject);
      asked.end();
    });
    expect(answered).toBe(status);
  }
  const plain = await platform.call('GET', '/v1/apps/hello/run');
  expect([plain.status, plain.body.code]).toEqual([400, 'bad_request']);
});

test('options of the command without -- are not guessed at', async () => {
  const { code, err } = await terminal.run(['run', 'ls', '-l', '-a', 'hello']);
  expect([code, err]).toEqual([
    2,
    " !     unknown option '-l'\n !     options of the command itself come after --: slipway run -- COMMAND --its-option\n",
  ]);
  const variable = await terminal.run(['run', 'x', '-e', 'secret-text', '-a', 'hello']);
  expect(variable.code).toBe(2);
  expect(variable.err).not.toContain('secret-text');
});

test('run:detached prints the name; run:list, run:logs and run:stop know it', async () => {
  platform.deployer.script = (_request, response) =>
    json(response, 200, { name: 'run.482913', host: 'b', container: 'c' });
  const started = await terminal.run(['run:detached', 'node', 'import.js', '-a', 'hello']);
  expect([started.code, started.out]).toEqual([0, 'run.482913\n']);
  expect((await terminal.run(['run', '--detach', 'node', '-a', 'hello'])).out).toBe('run.482913\n');
  const one = {
    name: 'run.482913',
    release: 2,
    host: 'b',
    container: 'c',
    detached: true,
    state: 'exited',
    exitCode: 3,
    by: 'bob',
    createdAt: '2026-01-02T03:04:05.000Z',
  };
  platform.deployer.script = (_request, response) =>
    json(response, 200, { runs: [one], silent: [{ host: 'c', reason: 'no answer' }] });
  const listed = await terminal.run(['run:list', '-a', 'hello']);
  expect([listed.out, listed.err]).toEqual([
    [
      'NAME        RELEASE  STATE       DETACHED  HOST  BY   STARTED',
      'run.482913  v2       exited (3)  yes       b     bob  2026-01-02 03:04:05Z',
      '',
    ].join('\n'),
    ' !     what runs on c is not known: no answer\n',
  ]);
  platform.deployer.script = (_request, response) => void response.end('one\ntwo\n');
  expect((await terminal.run(['run:logs', 'run.482913', '-a', 'hello'])).out).toBe('one\ntwo\n');
  platform.deployer.script = (_request, response) => json(response, 200, one);
  expect((await terminal.run(['ps:stop-run', 'run.482913', '-a', 'hello'])).out).toBe(
    'run.482913 had ended; removed\n',
  );
  const wrong = await terminal.run(['run:stop', '../x', '-a', 'hello']);
  expect([wrong.code, wrong.err]).toEqual([
    2,
    ' !     "../x" is not a one-off command\'s name\n !     it looks like run.482913; see: slipway run:list\n',
  ]);
});

test('ps:top and ps:stats are tables', async () => {
  platform.deployer.script = (_request, response) =>
    json(response, 200, { titles: ['PID', 'CMD'], processes: [['12', 'node server.js']] });
  expect((await terminal.run(['ps:top', '-a', 'hello'])).out).toBe('PID  CMD\n12   node server.js\n');
  const usage = {
    process: 'web.1',
    release: 2,
    host: 'b',
    memoryBytes: 3 * 2 ** 20,
    memoryLimitBytes: 2 ** 29,
    cpus: 0.254,
    processes: 4,
  };
  platform.deployer.script = (_request, response) => json(response, 200, { usage: [usage], silent: [] });
  expect((await terminal.run(['ps:stats', '-a', 'hello'])).out).toBe(
    'PROCESS  RELEASE  HOST  MEMORY  OF    CPUS  PROCESSES\nweb.1    v2       b     3.0m    512m  0.25  4\n',
  );
  expect((await terminal.run(['ps:inspect', 'web/1', '-a', 'hello'])).code).toBe(2);
});
