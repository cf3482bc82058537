/** ps and logs, with a deployer that says what the test wants. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { json } from '../api/support/deployer.js';
import { Platform } from '../api/support/platform.js';
import { until } from '../support/until.js';
import { Terminal } from './support/terminal.js';

let platform: Platform;
let terminal: Terminal;

beforeAll(async () => {
  platform = await Platform.start();
  await platform.createApp('hello');
});
beforeEach(async () => {
  terminal = await Terminal.at(await platform.url(), platform.token('reader'));
  platform.deployer.asked.splice(0);
});
afterAll(() => platform.stop());

test('ps shows each process', async () => {
  platform.deployer.script = (_request, response) => json(response, 200, { processes: [], silent: [] });
  expect((await terminal.run(['ps', '-a', 'hello'])).out).toBe('hello runs nothing\n');
  const process = {
    process: 'web.1',
    release: 3,
    state: 'running',
    health: 'healthy',
    host: 'local',
    container: '0123456789abcdef'.repeat(4),
    startedAt: '2026-01-02T03:04:05Z',
    restarts: 2,
  };
  const { health: _none, startedAt: _never, ...bare } = process;
  platform.deployer.script = (_request, response) =>
    json(response, 200, {
      processes: [process, { ...bare, process: 'web.2', state: 'exited\x1b[2J' }],
      silent: [],
    });
  const { code, out } = await terminal.run(['ps', '-a', 'hello']);
  expect([code, out.split('\n')]).toEqual([
    0,
    [
      'PROCESS  RELEASE  STATE             HOST   CONTAINER     STARTED               RESTARTS',
      'web.1    v3       running, healthy  local  0123456789ab  2026-01-02 03:04:05Z  2',
      'web.2    v3       exited [2J        local  0123456789ab                        2',
      '',
    ],
  ]);
  expect((await terminal.run(['ps', '--json', '-a', 'hello'])).json[0]).toEqual(process);
});

test('ps says of which host nothing is known', async () => {
  platform.deployer.script = (_request, response) =>
    json(response, 200, { processes: [], silent: [{ host: 'b', reason: 'no answer' }] });
  const { code, out, err } = await terminal.run(['ps', '-a', 'hello']);
  expect([code, out, err]).toEqual([0, '', ' !     what runs on b is not known: no answer\n']);
});

test('ps without a deployer says what to do', async () => {
  platform.deployer.script = (_request, response) => void response.destroy();
  const { code, err } = await terminal.run(['ps', '-a', 'hello']);
  expect([code, err]).toEqual([
    1,
    ' !     the deployer does not answer\n !     try again in a few seconds; the operator finds the reason in its log\n',
  ]);
});

test('logs prints what there is, byte for byte, or as JSON', async () => {
  platform.deployer.script = (_request, response) =>
    void response.end('web.1 v3: grün\n\nweb.1 v3: \x1b[31mred\nlast');
  const { code, out } = await terminal.run(['logs', '-n', '5', '-a', 'hello']);
  expect([code, out]).toEqual([0, 'web.1 v3: grün\n\nweb.1 v3: \x1b[31mred\nlast']);
  expect(platform.deployer.asked).toEqual(['/apps/hello/logs?lines=5&follow=0']);
  expect((await terminal.run(['logs', '--json', '-a', 'hello'])).json).toEqual({
    app: 'hello',
    lines: ['web.1 v3: grün', '', 'web.1 v3: \x1b[31mred', 'last'],
  });
  const wrong = await terminal.run(['logs', '-n', '0', '-a', 'hello']);
  expect([wrong.code, wrong.err]).toEqual([2, ' !     lines must be a whole number from 1 to 10000\n']);
});

test('logs -t goes on until ^C, also while the app is silent', async () => {
  platform.deployer.script = (_request, response) => {
    response.writeHead(200);
    response.flushHeaders();
    setTimeout(() => response.write('gr'), 50);
    setTimeout(() => response.write(Buffer.from('ü').subarray(0, 1)), 80);
    setTimeout(() => response.write(Buffer.concat([Buffer.from('ü').subarray(1), Buffer.from('n\n')])), 110);
  };
  for (const argv of [
    ['logs', '-t'],
    ['logs', '--tail', '--json'],
  ]) {
    terminal.shown = '';
    const interrupted = new AbortController();
    const running = terminal.run([...argv, '-a', 'hello'], { signal: interrupted.signal });
    const expected = argv.includes('--json') ? '{"line":"grün"}\n' : 'grün\n';
    await until(() => terminal.shown.endsWith('\n'));
    interrupted.abort();
    const { code, out, err } = await running;
    expect([code, out, err]).toEqual([0, expected, '']);
  }
  expect(platform.deployer.asked).toContain('/apps/hello/logs?lines=100&follow=1');
});
