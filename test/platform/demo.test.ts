import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { run } from '../../platform/demo/commands.js';
import { Report } from '../../platform/demo/report.js';
import { fetchPage, startTraffic, type Target } from '../../platform/demo/traffic.js';
import { until } from '../support/until.js';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** Serves what `answer` says to the n-th request. */
async function serve(
  answer: (n: number, host: string | undefined) => { status: number; body: string } | undefined,
): Promise<Target> {
  let n = 0;
  server = createServer((request, response) => {
    const page = answer(n++, request.headers.host);
    if (page === undefined) request.socket.destroy();
    else response.writeHead(page.status).end(page.body);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server!.once('listening', resolve));
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, name: 'hello.localhost' };
}

describe('the client of the demo', () => {
  it('asks for the app by its name', async () => {
    const target = await serve((_, host) => ({ status: 200, body: host ?? '' }));
    expect((await fetchPage(target)).body).toBe(`hello.localhost:${target.port}`);
  });

  it('counts the pages of each version, and no failure when there is none', async () => {
    let seen = 0;
    const target = await serve((n) => {
      seen = n;
      return { status: 200, body: n < 50 ? 'old' : 'new' };
    });
    const traffic = startTraffic(target, ['old', 'new']);
    await until(() => seen > 100);
    const report = await traffic.stop();
    expect(report.failed).toBe(0);
    expect(report.pages.old).toBe(50);
    expect(report.pages.old! + report.pages.new!).toBe(report.requests);
  });

  it.each([
    ['an error status', { status: 503, body: 'old' }, 'HTTP 503: old'],
    ['another page', { status: 200, body: 'who?' }, 'HTTP 200: who?'],
    ['a connection that is cut', undefined, 'socket hang up'],
  ])('counts %s as a failed request', async (_, page, failure) => {
    let seen = 0;
    const target = await serve((n) => {
      seen = n;
      return n === 20 ? page : { status: 200, body: 'old' };
    });
    const traffic = startTraffic(target, ['old']);
    await until(() => seen > 60);
    expect(await traffic.stop()).toMatchObject({ failed: 1, failures: [failure] });
  });
});

describe('the table of the demo', () => {
  it('shows times, cached steps and phases, and all is as expected', () => {
    const report = new Report();
    report.add({
      what: 'first push',
      ms: 1234,
      steps: { cached: 1, total: 8 },
      phases: [{ name: 'build', ms: 900 }],
      problems: [],
    });
    report.add({ what: 'rollback', ms: 12_340, phases: [], problems: [] });
    expect(report.allAsExpected).toBe(true);
    expect(report.lines()).toEqual([
      '   what happened  time    cached  phases',
      '✓  first push     1.23 s  1/8     build 0.90 s',
      '✓  rollback       12.3 s',
    ]);
  });

  it('names what was not as it should be', () => {
    const report = new Report();
    report.add({ what: 'push', ms: 1, phases: [], problems: ['failed requests should be 0, but is 3'] });
    expect(report.allAsExpected).toBe(false);
    expect(report.lines().at(-1)).toBe(' !     push: failed requests should be 0, but is 3');
  });
});

describe('a program that the demo runs', () => {
  it('may fail: its exit code and all its output are the result', async () => {
    const shown: string[] = [];
    const result = await run(
      process.execPath,
      ['-e', "console.log('out'); console.error('err'); process.exit(3)"],
      {
        cwd: '/',
        env: {},
        shown: { write: (text) => shown.push(text) },
      },
    );
    expect(result.exitCode).toBe(3);
    expect(result.output.split('\n').sort()).toEqual(['', 'err', 'out']);
    expect(shown.join('')).toBe(result.output);
  });

  it('is stopped when it takes too long', async () => {
    const running = run(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
      cwd: '/',
      env: {},
      timeoutMs: 300,
    });
    await expect(running).rejects.toThrow();
  });
});
