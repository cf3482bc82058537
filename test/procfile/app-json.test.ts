import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SlipwayError } from '../../src/errors.js';
import { parseAppJson } from '../../src/procfile/app-json.js';
import { JsonFault, type Located, parseJsonLines } from '../../src/procfile/json-lines.js';

function plain({ value }: Located): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([name, member]) => [name, plain(member)]));
  return value;
}

describe('JSON with lines', () => {
  it('is what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 2, '\t'), (text, indent) => {
        const written = JSON.stringify(JSON.parse(text), null, indent);
        expect(JSON.stringify(plain(parseJsonLines(written)))).toBe(
          JSON.stringify(JSON.parse(JSON.stringify(JSON.parse(text)))),
        );
      }),
    );
  });

  it('refuses what JSON.parse refuses', () => {
    const parts = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b',
      '1',
      '01',
      '-',
      'true',
      'nul',
      ' ',
      '\n',
      '"\\x"',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 8 }), (words) => {
        const text = words.join('');
        let ours = true;
        let theirs = true;
        try {
          JSON.parse(text);
        } catch {
          theirs = false;
        }
        try {
          parseJsonLines(text);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(JsonFault);
          // A name that occurs twice is refused by us alone.
          if (theirs) expect((thrown as Error).message).toContain('occurs twice');
          ours = theirs;
        }
        expect(ours).toBe(theirs);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('app.json', () => {
  it.each([
    ['', 1, 'the file ends too early'],
    ['[]', 1, 'it must be an object'],
    [
      '{\n  "formation": {\n    "web": {"quantity": 2,}\n  }\n}',
      3,
      'a name in double quotes is missing here',
    ],
    ['{\n  "formation": {}\n  "cron": []\n}', 3, '"," is missing here'],
    ['{\n\n"a": nope}', 3, 'this is not JSON'],
    ['{"a": 1}\n\nx', 3, 'there is something after the end'],
    ['{"a": 1,\n"a": 2}', 2, '"a" occurs twice'],
    [`${'['.repeat(60)}`, 1, 'nested deeper than 50'],
    ['{"formation": []}', 1, 'formation must be an object'],
    ['{"formation":\n{"web": 2}}', 2, 'formation.web must be an object'],
    [
      '{"formation": {"web": {\n"quantity": "2"}}}',
      2,
      'formation.web.quantity must be a whole number from 0 to 100',
    ],
    ['{"formation": {"web": {"quantity": 101}}}', 1, 'from 0 to 100'],
    ['{"formation": {"web": {"quantity": 1.5}}}', 1, 'from 0 to 100'],
    ['{"formation": {\n"a b": {}}}', 2, 'formation: "a b" is not a process type'],
    ['{"formation": {"release": {}}}', 1, '"release" is not a process type'],
    [
      '{"formation": {"web": {\n\n"memory": "lots"}}}',
      3,
      'formation.web: memory must be a size such as "512m"',
    ],
    ['{"formation": {"web": {"memory": "1m"}}}', 1, 'at least "6m"'],
    ['{"formation": {"web": {"cpus": true}}}', 1, 'cpus must be a number or a string'],
    ['{"formation": {"web": {"processes": 0}}}', 1, 'processes must be a whole number'],
    ['{"scripts": {"postdeploy": 1}}', 1, 'scripts.postdeploy must be a command'],
    ['{"scripts": {"dokku": {"predeploy": {}}}}', 1, 'scripts.dokku.predeploy must be a command'],
    ['{"cron": {}}', 1, 'cron must be a list'],
    ['{"cron": [{"command": "a"}]}', 1, 'cron[0] has no schedule'],
    ['{"cron": [{"command": "", "schedule": "@daily"}]}', 1, 'cron[0].command must be a string'],
    ['{"cron": [\n{"command": "a",\n "schedule": "* * *"}]}', 3, 'cron[0].schedule must have five fields'],
    ['{"cron": [{"command": "a", "schedule": "0 0 31 2 *"}]}', 1, '"0 0 31 2 *" never comes'],
    ['{"cron": [{"command": "a", "schedule": "@daily",\n"timezone": "Mars"}]}', 2, '"Mars" is no time zone'],
    ['{"cron": [{"command": "a", "schedule": "@daily", "name": "a b"}]}', 1, 'cron[0].name must be 1 to 30'],
    [
      '{"cron": [{"command": "a", "schedule": "@daily", "name": "x"},\n{"command": "b", "schedule": "@daily", "name": "x"}]}',
      2,
      'two entries called x',
    ],
    ['{"cron": [{"command": "a", "schedule": "@daily", "timeout": "2 days"}]}', 1, 'cron[0].timeout must be'],
    [
      '{"cron": [{"command": "a", "schedule": "@daily", "concurrency_policy": "replace"}]}',
      1,
      'must be "forbid" or "allow"',
    ],
  ])('is refused with its line: %j', (text, line, message) => {
    expect(() => parseAppJson(text)).toThrow(
      expect.objectContaining({
        code: 'app_json_invalid',
        where: `app.json:${line}`,
        message: expect.stringContaining(message),
      } satisfies Partial<SlipwayError>),
    );
  });

  it('of other platforms is taken for what we know of it', () => {
    const text = JSON.stringify({
      $schema: 'x',
      name: 'shop',
      env: { A: { required: true } },
      buildpacks: [{ url: 'a' }],
      scripts: { postdeploy: 'a', dokku: { predeploy: 'b' } },
      cron: [{ command: 'a', schedule: '0 3 * * *' }],
      formation: { web: { quantity: 0, size: 'standard-1x' } },
    });
    expect(parseAppJson(text).formation).toEqual(new Map([['web', { line: 1, quantity: 0 }]]));
  });

  it('declares what runs by the clock', () => {
    const cron = [
      { command: 'node tasks.js', schedule: ' 0 3 * * * ' },
      { command: 'node tasks.js', schedule: '@daily', timeout: '15m' },
      {
        name: 'mail',
        command: 'a | b',
        schedule: '*/5 * * * *',
        timezone: 'Europe/Berlin',
        timeout: 90,
        concurrency_policy: 'allow',
        maintenance: false,
      },
    ];
    expect(parseAppJson(JSON.stringify({ cron })).cron).toEqual([
      { name: 'node-tasks-js', schedule: '0 3 * * *', command: ['node', 'tasks.js'] },
      { name: 'node-tasks-js-2', schedule: '@daily', command: ['node', 'tasks.js'], timeoutMs: 900_000 },
      {
        name: 'mail',
        schedule: '*/5 * * * *',
        command: ['/bin/sh', '-c', 'a | b'],
        timeZone: 'Europe/Berlin',
        timeoutMs: 90_000,
        overlaps: true,
      },
    ]);
  });
});

describe('the strategy of app.json', () => {
  it('is read, and refused with its line', () => {
    expect(parseAppJson('{"strategy": "rolling,batch=50%"}').strategy).toEqual({
      name: 'rolling',
      batch: { percent: 50 },
    });
    expect(parseAppJson('{}').strategy).toBeUndefined();
    for (const [value, why] of [
      ['"yolo"', 'strategy: "yolo" is not a strategy'],
      ['{"name": "rolling"}', 'strategy must be a string'],
    ])
      expect(() => parseAppJson(`{\n"strategy": ${value}}`)).toThrow(
        expect.objectContaining({
          code: 'app_json_invalid',
          where: 'app.json:2',
          message: expect.stringContaining(why ?? ''),
        }),
      );
  });
});

describe('the volumes of app.json', () => {
  it('are lists of places', () => {
    const { mounts } = parseAppJson('{"volumes": {"data": ["web:/data", "worker:/data:ro"], "empty": []}}');
    expect(mounts).toEqual([
      { line: 1, type: 'web', volume: 'data', path: '/data' },
      { line: 1, type: 'worker', volume: 'data', path: '/data', readOnly: true },
    ]);
  });

  it.each([
    ['{"volumes": []}', 'volumes must be an object'],
    ['{"volumes": {"Data": ["web:/data"]}}', "is not a volume's name"],
    ['{"volumes": {"data": "web:/data"}}', 'must be a list'],
    ['{"volumes": {"data": [1]}}', 'must hold strings'],
    ['{"volumes": {"data": ["web:data"]}}', 'must be an absolute path'],
    ['{"volumes": {"a": ["web:/data"], "b": ["web:/data"]}}', 'two are mounted at web:/data'],
  ])('%s is refused', (text, message) => {
    try {
      parseAppJson(text);
      expect.unreachable();
    } catch (thrown) {
      expect((thrown as SlipwayError).code).toBe('app_json_invalid');
      expect((thrown as SlipwayError).message).toContain(message);
    }
  });
});
