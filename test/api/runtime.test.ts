/** What runs, as the deployer tells it: passed on, and a deployer that fails is a 503 that says so. */
import { once } from 'node:events';
import { request, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DeployerClient } from '../../src/api/deployer-client.js';
import { releaseDraft } from '../support/release-draft.js';
import { commitFile } from '../support/repository.js';
import { until } from '../support/until.js';
import { json } from './support/deployer.js';
import { Platform } from './support/platform.js';

let platform: Platform;

const PROCESS = {
  process: 'web.1',
  release: 3,
  deployment: 'b1',
  state: 'running',
  health: 'healthy',
  host: 'local',
  container: 'f'.repeat(64),
  startedAt: '2026-01-01T00:00:00Z',
  restarts: 0,
};

beforeAll(async () => {
  platform = await Platform.start();
  await platform.createApp('hello');
});
beforeEach(() => void platform.deployer.asked.splice(0));
afterAll(() => platform.stop());

describe('ps', () => {
  test('passes on what the deployer says', async () => {
    platform.deployer.script = (_request, response) =>
      json(response, 200, { processes: [PROCESS], silent: [] });
    const answer = await platform.call('GET', '/v1/apps/hello/ps', { as: 'reader' });
    expect([answer.status, answer.body]).toEqual([200, { processes: [PROCESS], silent: [] }]);
    expect(platform.deployer.asked).toEqual(['/apps/hello/ps']);
  });

  test('shows the release that a container serves, not the one that started it', async () => {
    await platform.createApp('taken');
    const { ledger } = platform;
    const source = await commitFile(platform.repositories.path('taken'), 'Dockerfile', 'FROM scratch\n');
    for (const [deploymentId, containersOf] of [['b1'], ['b2', ['b1']]] as [string, string[]?][]) {
      const draft = releaseDraft('taken', { source, deploymentId });
      const { number } = await ledger.appendRelease('taken', draft, 'alice');
      const at = new Date(0).toISOString();
      await ledger.recordOutcome('taken', number, {
        state: 'live',
        at,
        ...(containersOf === undefined ? {} : { containersOf }),
      });
    }
    const stray = { ...PROCESS, deployment: 'b0' };
    platform.deployer.script = (_request, response) =>
      json(response, 200, { processes: [PROCESS, stray], silent: [] });
    const answer = await platform.call('GET', '/v1/apps/taken/ps');
    expect(answer.body).toEqual({ processes: [{ ...PROCESS, release: 2 }, stray], silent: [] });
  });

  test('passes on an error that the deployer explains', async () => {
    platform.deployer.script = (_request, response) =>
      json(response, 503, {
        code: 'engine_unavailable',
        message: 'the Docker Engine does not answer',
        hint: 'is it running?',
      });
    const answer = await platform.call('GET', '/v1/apps/hello/ps');
    expect([answer.status, answer.body]).toEqual([
      503,
      { code: 'engine_unavailable', message: 'the Docker Engine does not answer', hint: 'is it running?' },
    ]);
  });

  test.each<[string, (response: ServerResponse) => void, string]>([
    ['failed inside', (r) => json(r, 500, { code: 'internal', message: 'at /srv/x' }), 'the deployer failed'],
    [
      'knows a code that nobody knows',
      (r) => json(r, 418, { code: 'toString', message: 'x' }),
      'the deployer failed',
    ],
    ['answers an error with null', (r) => json(r, 500, 'null'), 'the deployer failed'],
    ['answers an error with HTML', (r) => json(r, 502, '<html>'), 'the deployer does not answer'],
    [
      'answers with half a list',
      (r) => json(r, 200, '{"processes":[{"process":'),
      'the deployer does not answer',
    ],
    ['answers with no list', (r) => json(r, 200, '{}'), 'the deployer does not answer'],
    ['hangs up', (r) => void r.destroy(), 'the deployer does not answer'],
    [
      'dies in its answer',
      (r) => {
        r.writeHead(200, { 'content-length': 100 });
        r.write('{');
        setTimeout(() => r.destroy(), 20);
      },
      'the deployer does not answer',
    ],
  ])('a deployer that %s is a 503', async (_what, script, message) => {
    platform.deployer.script = (_request, response) => script(response);
    for (const what of ['ps', 'logs']) {
      if (what === 'logs' && /list|dies/.test(_what)) continue;
      const answer = await platform.call('GET', `/v1/apps/hello/${what}`);
      expect([what, answer.status, answer.body]).toEqual([
        what,
        503,
        { code: 'unavailable', message, hint: expect.stringContaining('the operator finds the reason in') },
      ]);
    }
  });

  test('a deployer that is silent, before its answer or in it, is given up on', async () => {
    const impatient = new DeployerClient(platform.paths.deployerSocket, 100);
    platform.deployer.script = () => undefined;
    await expect(impatient.processes('hello')).rejects.toMatchObject({
      code: 'unavailable',
      temporary: true,
    });
    platform.deployer.script = (_request, response) => void response.write('{');
    await expect(impatient.processes('hello')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(new DeployerClient('/nowhere/deployer.sock').processes('hello')).rejects.toMatchObject({
      code: 'unavailable',
      message: 'the deployer does not answer',
    });
  });
});

describe('logs', () => {
  test('asks for the lines that were asked for, and passes the bytes on', async () => {
    platform.deployer.script = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.end('web.1 v3: grüße\n\x1b[31mred\n');
    };
    const answer = await platform.call('GET', '/v1/apps/hello/logs?lines=7&follow=0');
    expect([answer.status, answer.text, answer.headers['content-type']]).toEqual([
      200,
      'web.1 v3: grüße\n\x1b[31mred\n',
      'text/plain; charset=utf-8',
    ]);
    await platform.call('GET', '/v1/apps/hello/logs');
    expect(platform.deployer.asked).toEqual([
      '/apps/hello/logs?lines=7&follow=0',
      '/apps/hello/logs?lines=100&follow=0',
    ]);
  });

  test('a followed log comes as it is written, and ends at the deployer when its reader goes', async () => {
    let source: ServerResponse | undefined;
    platform.deployer.script = (_request, response) => {
      source = response;
      response.writeHead(200);
      response.write('one\n');
    };
    const url = `${await platform.url()}/v1/apps/hello/logs?follow=1`;
    const asked = request(url, { headers: { authorization: `Bearer ${platform.token('reader')}` } });
    asked.end();
    const [answer] = await once(asked, 'response');
    let text = '';
    answer.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    answer.on('error', () => undefined);
    await until(() => text === 'one\n');
    source?.write('two\n');
    await until(() => text === 'one\ntwo\n');
    const closed = once(source!, 'close');
    asked.on('error', () => undefined);
    asked.destroy();
    await closed;
  });

  test('a followed log is answered at once, also when the app is silent', async () => {
    platform.deployer.script = (_request, response) => {
      response.writeHead(200);
      response.flushHeaders();
    };
    const url = `${await platform.url()}/v1/apps/hello/logs?follow=1`;
    const asked = request(url, { headers: { authorization: `Bearer ${platform.token('reader')}` } });
    asked.end();
    const [answer] = await once(asked, 'response');
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
    asked.on('error', () => undefined);
    answer.on('error', () => undefined);
    asked.destroy();
  });

  test('a reader that goes before the deployer answers does not keep the deployer busy', async () => {
    const asking = new Promise<ServerResponse>((resolve) => {
      platform.deployer.script = (_request, response) => resolve(response);
    });
    const url = `${await platform.url()}/v1/apps/hello/logs?follow=1`;
    const asked = request(url, { headers: { authorization: `Bearer ${platform.token('reader')}` } });
    asked.on('error', () => undefined);
    asked.end();
    const source = await asking;
    asked.destroy();
    const closed = once(source, 'close');
    // The web process has seen the reader go by the time that the answer comes.
    await new Promise((resolve) => setTimeout(resolve, 50));
    source.writeHead(200);
    source.write('late\n');
    await closed;
  });

  test('a deployer that dies in a followed log cuts it', async () => {
    platform.deployer.script = (_request, response) => {
      response.writeHead(200);
      response.write('one\n');
      setTimeout(() => response.destroy(), 20);
    };
    const url = `${await platform.url()}/v1/apps/hello/logs?follow=1`;
    const asked = request(url, { headers: { authorization: `Bearer ${platform.token('reader')}` } });
    asked.end();
    const [answer] = await once(asked, 'response');
    answer.resume();
    const [error] = await once(answer, 'error');
    expect(error.code).toBe('ECONNRESET');
  });
});
