import { describe, expect, it } from 'vitest';
import type { SlipwayError } from '../../src/errors.js';
import { allowedSeconds, type Check, describeCheck, fitsStatus } from '../../src/model/check.js';
import { parseAppJson } from '../../src/procfile/app-json.js';
import { declaredProcesses } from '../../src/procfile/declared.js';

function checksOf(...web: readonly object[]): readonly Check[] | undefined {
  return parseAppJson(JSON.stringify({ healthchecks: { web } })).healthchecks.get('web')?.checks;
}

describe('healthchecks of app.json', () => {
  it('are those of Dokku, with the fields that its documentation shows', () => {
    expect(
      checksOf(
        {
          type: 'startup',
          name: 'web check',
          description: 'Checking if the app responds',
          path: '/health/ready?deep=1',
          port: 8080,
          scheme: 'http',
          content: 'ready',
          httpHeaders: [{ name: 'X-Forwarded-Proto', value: 'https' }],
          attempts: 3,
          timeout: 5,
          wait: 5,
          initialDelay: 2,
          warn: false,
          onFailure: null,
        },
        { type: 'startup', listening: true, port: 3000 },
        { command: ['/app/check ready.sh', '$x'] },
        { uptime: 10, listening: false },
        { type: 'liveness', path: '/alive' },
        { type: 'readiness', command: ['x'] },
      ),
    ).toEqual([
      {
        name: 'web check',
        path: '/health/ready?deep=1',
        port: 8080,
        content: 'ready',
        httpHeaders: [{ name: 'X-Forwarded-Proto', value: 'https' }],
        attempts: 3,
        timeout: 5,
        wait: 5,
        initialDelay: 2,
      },
      { listening: true, port: 3000 },
      { command: ['/app/check ready.sh', '$x'] },
      { uptime: 10 },
    ]);
  });

  it('have a status, a header, a log line and a number of passes besides', () => {
    expect(
      checksOf(
        { path: '/', status: 204, expectedHeaders: [{ name: 'X-Ready' }, { name: 'Server', value: 'a b' }] },
        { path: '/', status: [200, '300-399'], successes: 10, wait: 0.5 },
        { log: 'Listening on', timeout: 60 },
      ),
    ).toEqual([
      { path: '/', status: [204], expectedHeaders: [{ name: 'X-Ready' }, { name: 'Server', value: 'a b' }] },
      { path: '/', status: [200, '300-399'], successes: 10, wait: 0.5 },
      { log: 'Listening on', timeout: 60 },
    ]);
  });

  it.each([
    ['{"healthchecks":\n[]}', 2, 'healthchecks must be an object'],
    ['{"healthchecks": {"web":\n{}}}', 2, 'healthchecks.web must be a list'],
    ['{"healthchecks": {"a b": []}}', 1, 'healthchecks: "a b" is not a process type'],
    ['{"healthchecks": {"web": [\n"/"]}}', 2, 'healthchecks.web[0] must be an object'],
    [
      '{"healthchecks": {"web": [{"path": "/"},\n{"name": "x"}]}}',
      2,
      'healthchecks.web[1] must have one of path, listening, command, log, uptime',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/", "uptime": 3}]}}',
      1,
      'healthchecks.web[0] has both path and uptime',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/",\n"staus": 200}]}}',
      1,
      'healthchecks.web[0] has no field "staus"; there are',
    ],
    [
      '{"healthchecks": {"web": [{"command": ["a"], "status": 200}]}}',
      1,
      'healthchecks.web[0] has no field "status"',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/",\n"status": 700}]}}',
      2,
      'healthchecks.web[0].status must be a status',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/", "status": [200,\n"299-200"]}]}}',
      2,
      'healthchecks.web[0].status[1] must be a status',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/", "status": []}]}}',
      1,
      'healthchecks.web[0].status must be a list of 1 to 20 statuses',
    ],
    [
      '{"healthchecks": {"web": [{"path": "health"}]}}',
      1,
      'healthchecks.web[0].path must be a path such as "/health"',
    ],
    ['{"healthchecks": {"web": [{"path": "/a b"}]}}', 1, 'healthchecks.web[0].path must be a path'],
    ['{"healthchecks": {"web": [{"path": "/é"}]}}', 1, 'percent-encoded'],
    ['{"healthchecks": {"web": [{"path": "/\\r\\nHost: x"}]}}', 1, 'healthchecks.web[0].path must be a path'],
    [
      '{"healthchecks": {"web": [{"path": "/", "httpHeaders": [\n{"name": "a:b", "value": "c"}]}]}}',
      2,
      'healthchecks.web[0].httpHeaders[0].name must be the name of a header',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/", "httpHeaders": [{"name": "a", "value": "b\\r\\nc: d"}]}]}}',
      1,
      'healthchecks.web[0].httpHeaders[0].value must be a header value',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/", "httpHeaders": [{"name": "Content-Length", "value": "9"}]}]}}',
      1,
      'cannot be sent',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/", "scheme": "https"}]}}',
      1,
      'healthchecks.web[0].scheme must be "http"',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/", "warn": true}]}}',
      1,
      'healthchecks.web[0].warn is not supported',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/", "onFailure": {"url": "x"}}]}}',
      1,
      'healthchecks.web[0].onFailure is not supported',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/", "type": "start"}]}}',
      1,
      'healthchecks.web[0].type must be "startup"',
    ],
    ['{"healthchecks": {"web": [{"listening": "yes"}]}}', 1, 'healthchecks.web[0].listening must be true'],
    [
      '{"healthchecks": {"web": [{"listening": true, "port": 0}]}}',
      1,
      'healthchecks.web[0].port must be a whole number from 1 to 65535',
    ],
    [
      '{"healthchecks": {"web": [{"command": "bin/ready"}]}}',
      1,
      'healthchecks.web[0].command must be a list of words',
    ],
    [
      '{"healthchecks": {"web": [{"command": []}]}}',
      1,
      'healthchecks.web[0].command must be a list of words',
    ],
    [
      '{"healthchecks": {"web": [{"command": ["a", 1]}]}}',
      1,
      'healthchecks.web[0].command[1] must be a text',
    ],
    ['{"healthchecks": {"web": [{"log": ""}]}}', 1, 'healthchecks.web[0].log must be a line'],
    ['{"healthchecks": {"web": [{"log": "a\\nb"}]}}', 1, 'healthchecks.web[0].log must be a line'],
    [
      '{"healthchecks": {"web": [{"log": "a", "attempts": 3}]}}',
      1,
      'healthchecks.web[0] has no field "attempts"',
    ],
    [
      '{"healthchecks": {"web": [{"uptime": 0}]}}',
      1,
      'healthchecks.web[0].uptime must be a number of seconds from 1 to 600',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/", "successes": 1.5}]}}',
      1,
      'healthchecks.web[0].successes must be a whole number from 1 to 100',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/", "timeout": "5"}]}}',
      1,
      'healthchecks.web[0].timeout must be a number of seconds from 0.1 to 600',
    ],
    [
      '{"healthchecks": {"web": [{"path": "/", "attempts": 100, "wait": 60}]}}',
      1,
      'healthchecks.web[0] may take 112 minutes',
    ],
    [
      `{"healthchecks": {"web": [${Array.from({ length: 21 }, () => '{"path": "/"}').join()}]}}`,
      1,
      'healthchecks.web has more than 20 checks',
    ],
  ])('are refused with line and path: %j', (text, line, message) => {
    expect(() => parseAppJson(text)).toThrow(
      expect.objectContaining({
        code: 'app_json_invalid',
        where: `app.json:${line}`,
        message: expect.stringContaining(message),
      } satisfies Partial<SlipwayError>),
    );
  });

  it('belong to the processes of the commit; those for another time than the start are none', () => {
    const appJson = JSON.stringify({
      healthchecks: { worker: [{ log: 'ready' }], web: [{ type: 'liveness', path: '/' }] },
    });
    expect(declaredProcesses({ procfile: 'worker: x', appJson }).processes).toEqual([
      { type: 'web' },
      { type: 'worker', command: ['x'], checks: [{ log: 'ready' }] },
    ]);
    expect(() => declaredProcesses({ appJson })).toThrow(
      'healthchecks names worker, which the Procfile does not have',
    );
  });
});

describe('a check', () => {
  it.each([
    [{ path: '/' }, 'GET /'],
    [
      {
        name: 'ready',
        path: '/h',
        port: 81,
        status: [200, '300-399'],
        content: 'ok',
        httpHeaders: [{ name: 'X-Token', value: 'not shown' }],
        expectedHeaders: [{ name: 'A' }, { name: 'B', value: 'c' }],
        successes: 5,
      },
      'ready: GET /h on port 81, sends X-Token, status 200 or 300-399, body with "ok", header A, header B: c, 5 in a row',
    ],
    [{ listening: true }, 'connection to the port'],
    [{ listening: true, port: 5432, attempts: 3, wait: 2 }, 'connection to port 5432, 3 attempts, every 2 s'],
    [{ command: ['a', 'b c'], timeout: 3, initialDelay: 1 }, 'command a b c, within 3 s, after 1 s'],
    [{ log: 'Listening', timeout: 60 }, 'log line "Listening", within 60 s'],
    [{ uptime: 30 }, 'lives 30 s'],
  ] satisfies [Check, string][])('is shown in one line: %j', (check, line) => {
    expect(describeCheck(check)).toBe(line);
  });

  it('fits a status by number and by range', () => {
    expect([200, 399, 404, 199].map((status) => fitsStatus(status))).toEqual([true, true, false, false]);
    expect([204, 301, 200].map((status) => fitsStatus(status, [204, '300-399']))).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('takes as long as its attempts need, else as long as any app may', () => {
    expect(allowedSeconds({}, 30)).toBe(30);
    expect(allowedSeconds({ initialDelay: 5, wait: 4, successes: 3 }, 30)).toBe(43);
    expect(allowedSeconds({ attempts: 10, timeout: 2, wait: 1 }, 30)).toBe(39);
    expect(allowedSeconds({ attempts: 10, timeout: 1 }, 30)).toBe(78);
  });
});
