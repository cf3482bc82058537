/** Following over a network that breaks: the exact bytes, once each, and an end to every wait. */
import type { ServerResponse } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ApiClient } from '../../src/cli/client.js';
import { Platform } from '../api/support/platform.js';
import { freePort } from '../support/ports.js';
import { until } from '../support/until.js';
import { endEvent, logEvent, type Script, scriptedPlatform } from './support/scripted-platform.js';
import { Terminal } from './support/terminal.js';

const ID = 'b1k5xw3f9aq7m2c';
const BUILD = { id: ID, app: 'hello', kind: 'push', state: 'live', who: 'alice', phases: [], acceptedAt: '' };
const TIMES = { answerMs: 5_000, silenceMs: 200, retryMs: 10 };

function client(url: string, signal = new AbortController().signal, times = TIMES): ApiClient {
  return new ApiClient(url, 'token', signal, times);
}

async function follow(script: Script, offset = 0): Promise<{ text: string; asked: string[]; end: unknown }> {
  const platform = await scriptedPlatform(script);
  const parts: Uint8Array[] = [];
  const end = await client(platform.url).follow('hello', ID, offset, (data) => parts.push(data));
  return { text: Buffer.concat(parts).toString('utf8'), asked: platform.asked, end };
}

const offsets = (asked: readonly string[]): string[] => asked.map((path) => path.replace(/.*offset=/, ''));

const stream = (response: ServerResponse): void =>
  void response.writeHead(200, { 'content-type': 'text/event-stream' });

describe('a cut connection', () => {
  test('is made anew at the exact byte, however it was cut', async () => {
    const cuts: ((response: ServerResponse) => void)[] = [
      (response) => response.destroy(),
      (response) => response.end(),
      // In the middle of an event: what is not whole does not count.
      (response) => response.end('id: 99\nevent: log\ndata: AAAA'),
      (response) => void response.write(logEvent('ü').slice(0, -1), () => response.destroy()),
    ];
    const { text, asked, end } = await follow((_request, response, count) => {
      stream(response);
      const cut = cuts[count];
      if (cut === undefined) {
        response.end(logEvent('last\n') + endEvent(BUILD));
        return;
      }
      response.write(logEvent(`gr${count} `), () => cut(response));
    });
    expect(text).toBe('gr0 gr1 gr2 gr3 last\n');
    expect(offsets(asked)).toEqual(['0', '4', '8', '12', '16']);
    expect(end).toEqual(BUILD);
  });

  test('counts bytes, not characters, also across events that split one', async () => {
    const euro = Buffer.from('€');
    const { text, asked } = await follow((_request, response, count) => {
      stream(response);
      const event = (bytes: Buffer): string => `event: log\ndata: ${bytes.toString('base64')}\n\n`;
      if (count === 0) response.write(event(euro.subarray(0, 2)), () => response.destroy());
      else response.end(event(euro.subarray(2)) + endEvent(BUILD));
    }, 7);
    expect([text, offsets(asked)]).toEqual(['€', ['7', '9']]);
  });

  test('is noticed when the platform falls silent', async () => {
    const { text, asked } = await follow((_request, response, count) => {
      stream(response);
      if (count === 0) response.write(logEvent('one '));
      else response.end(logEvent('two') + endEvent(BUILD));
    });
    expect([text, offsets(asked)]).toEqual(['one two', ['0', '4']]);
  });

  test('signs of life keep a silent build followed', async () => {
    const { asked, end } = await follow((_request, response) => {
      stream(response);
      let pings = 0;
      const ping = setInterval(() => {
        pings += 1;
        if (pings < 10) response.write(': \n\n');
        else {
          clearInterval(ping);
          response.end(endEvent(BUILD));
        }
      }, 50);
    });
    expect([asked.length, end]).toEqual([1, BUILD]);
  });

  test('a platform that starts again is waited for', async () => {
    const { asked, end } = await follow((_request, response, count) => {
      if (count < 4) response.writeHead(503).end('<html>starting</html>');
      else {
        stream(response);
        response.end(endEvent(BUILD));
      }
    });
    expect([asked.length, end]).toEqual([5, BUILD]);
  });

  test('an error that will not pass ends it with the platform’s words', async () => {
    for (const [status, code] of [
      [404, 'not_found'],
      [401, 'unauthorized'],
      [400, 'bad_request'],
    ] as const) {
      const following = follow((_request, response) =>
        response.writeHead(status).end(JSON.stringify({ code, detail: 'no such build', hint: 'see builds' })),
      );
      await expect(following).rejects.toMatchObject({ code, message: 'no such build', hint: 'see builds' });
    }
  });

  test('a platform that never comes back, or never says more, is given up on with the way to go on', async () => {
    const port = await freePort();
    const gone = client(`http://127.0.0.1:${port}`).follow('hello', ID, 5, () => undefined);
    const lost = {
      code: 'unavailable',
      message: expect.stringContaining('was lost'),
      hint: `build ${ID} goes on without it; follow it with: slipway builds:output ${ID} -f --offset 5 -a hello`,
    };
    await expect(gone).rejects.toMatchObject(lost);
    const mute = follow((_request, response) => {
      stream(response);
      response.end(': \n\n');
    }, 5);
    await expect(mute).rejects.toMatchObject(lost);
  });

  test('^C ends it at any moment: before the answer, in it, and while it waits to try again', async () => {
    const scripts: Script[] = [
      () => undefined,
      (_request, response) => stream(response),
      (_request, response) => void response.writeHead(200).write(logEvent('x')),
      (_request, response) => void response.destroy(),
    ];
    for (const script of scripts) {
      const platform = await scriptedPlatform(script);
      const interrupted = new AbortController();
      const times = { ...TIMES, silenceMs: 60_000, retryMs: 60_000 };
      const following = client(platform.url, interrupted.signal, times).follow(
        'hello',
        ID,
        0,
        () => undefined,
      );
      await until(() => platform.asked.length > 0);
      setTimeout(() => interrupted.abort(), 30);
      expect(await following).toBeUndefined();
    }
    const early = AbortSignal.abort();
    expect(await client('http://127.0.0.1:1', early).follow('hello', ID, 0, () => undefined)).toBeUndefined();
  });
});

describe('a real platform', () => {
  test('that is started again in the middle loses no byte', async () => {
    const platform = await Platform.start();
    onTestFinished(() => platform.stop());
    await platform.createApp('hello');
    const { id, claim } = await platform.building('hello');
    const proxyPort = await freePort();
    const target = new URL(await platform.url());
    // Between them something that is cut, as a network is.
    const { request } = await import('node:http');
    const forward: Script = (asked, response) => {
      const onward = request(
        {
          host: target.hostname,
          port: target.port,
          path: asked.url,
          method: asked.method,
          headers: asked.headers,
        },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.on('error', () => response.destroy());
          answer.pipe(response);
        },
      );
      response.on('close', () => onward.destroy());
      onward.on('error', () => response.destroy());
      asked.pipe(onward);
    };
    let proxy = await scriptedPlatform(forward, proxyPort);
    const terminal = await Terminal.at(proxy.url, platform.token('reader'));
    const following = terminal.run(['builds:output', '-f', '-a', 'hello']);
    let expected = '';
    for (let round = 0; round < 4; round += 1) {
      const line = `grün ${round} ${'x'.repeat(round * 1000)}`;
      await platform.log('hello', id, (log) => log.raw(`${line}\n`));
      expected += `       ${line}\n`;
      await until(() => terminal.shown === expected);
      await proxy.stop();
      // Nobody listens for a moment.
      await platform.log('hello', id, (log) => log.raw('meanwhile\n'));
      expected += '       meanwhile\n';
      proxy = await scriptedPlatform(forward, proxyPort);
    }
    await until(() => terminal.shown === expected);
    await platform.store.end('hello', id, { state: 'failed', code: 'unhealthy', claim });
    const { code, out } = await following;
    expect([code, out]).toEqual([5, expected]);
  });
});

describe('other requests', () => {
  test('are given up on when no answer comes, or half of one', async () => {
    const silent = await scriptedPlatform(() => undefined);
    await expect(client(silent.url, undefined, { ...TIMES, answerMs: 100 }).get('/x')).rejects.toMatchObject({
      code: 'unavailable',
      message: `cannot reach ${silent.url} (no answer within 0.1 s)`,
    });
    const half = await scriptedPlatform((_request, response) => void response.write('{"a":'));
    await expect(client(half.url, undefined, { ...TIMES, answerMs: 100 }).get('/x')).rejects.toMatchObject({
      code: 'unavailable',
      message: `the connection to ${half.url} was lost`,
    });
    const cut = await scriptedPlatform((_request, response) =>
      response.writeHead(200, { 'content-length': 10 }).write('{', () => response.destroy()),
    );
    await expect(client(cut.url).get('/x')).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('go to the path that the platform has behind a proxy, with the right host', async () => {
    const platform = await scriptedPlatform((request, response) =>
      response.end(JSON.stringify({ host: request.headers.host, auth: request.headers.authorization })),
    );
    const answer = await client(`${platform.url}/slipway/`).get('/v1/whoami');
    expect(platform.asked).toEqual(['/slipway/v1/whoami']);
    expect(answer).toEqual({ host: new URL(platform.url).host, auth: 'Bearer token' });
  });

  test('a log that breaks off says so, and ^C does not', async () => {
    const broken = await scriptedPlatform((_request, response) =>
      response.writeHead(200).write('one\n', () => setTimeout(() => response.destroy(), 20)),
    );
    const terminal = await Terminal.at(broken.url, 'token');
    const cut = await terminal.run(['logs', '-t', '-a', 'hello']);
    expect([cut.code, cut.out, cut.err]).toEqual([
      1,
      'one\n',
      expect.stringContaining(` !     the connection to ${broken.url} was lost\n`),
    ]);

    const open = await scriptedPlatform((_request, response) => void response.writeHead(200).write('one\n'));
    const other = await Terminal.at(open.url, 'token');
    const interrupted = new AbortController();
    const tailing = other.run(['logs', '-t', '-a', 'hello'], { signal: interrupted.signal });
    await until(() => other.shown === 'one\n');
    interrupted.abort();
    const { code, out, err } = await tailing;
    expect([code, out, err]).toEqual([0, 'one\n', '']);
  });

  test('^C in a change says that it may have been done', async () => {
    const platform = await scriptedPlatform(() => undefined);
    const terminal = await Terminal.at(platform.url, 'token');
    const interrupted = new AbortController();
    const changing = terminal.run(['config:set', 'A=b', '-a', 'hello'], { signal: interrupted.signal });
    await until(() => platform.asked.length > 0);
    interrupted.abort();
    const { code, err } = await changing;
    expect([code, err]).toEqual([
      130,
      ' !     interrupted; what was asked for before that may have been done\n',
    ]);
  });
});
