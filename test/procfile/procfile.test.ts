import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlipwayError } from '../../src/errors.js';
import { commandArgv } from '../../src/procfile/command.js';
import { declaredProcesses } from '../../src/procfile/declared.js';
import { parseProcfile } from '../../src/procfile/procfile.js';

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    const { code, where, message, hint } = thrown as SlipwayError;
    expect(hint).toBeTruthy();
    return `${code} ${where}: ${message}`;
  }
  throw new Error('it was not refused');
}

describe('a Procfile', () => {
  it('has a type and a command per line; comments, blanks and CRLF say nothing', () => {
    const text =
      '\ufeff# how it runs\r\nweb: node server.js\r\n\r\n  worker:node worker.js --queue=a:b  \r\n#worker: old\r\nrelease: bin/migrate';
    expect(parseProcfile(text)).toEqual({
      commands: new Map([
        ['web', 'node server.js'],
        ['worker', 'node worker.js --queue=a:b'],
      ]),
      release: 'bin/migrate',
    });
    expect(parseProcfile('')).toEqual({ commands: new Map() });
  });

  it('may leave the command of web to the image', () => {
    expect(parseProcfile('web:\nclock: tick').commands).toEqual(
      new Map([
        ['web', undefined],
        ['clock', 'tick'],
      ]),
    );
  });

  it.each([
    ['web: a\nworker node\n', 'Procfile:2: "worker node" is not "type: command"'],
    ['web: a\n\nweb: b', 'Procfile:3: web is named twice, first in line 1'],
    ['release: a\nrelease: b', 'Procfile:2: release is named twice, first in line 1'],
    ['worker:', 'Procfile:1: worker has no command'],
    ['release:  ', 'Procfile:1: release has no command'],
    ['run: a', 'Procfile:1: "run" is not a process type'],
    ['-a: b', 'Procfile:1: "-a" is not a process type: it is'],
    ['__proto__: b', 'Procfile:1: "__proto__" is not a process type: it is'],
    ['wörker: b', 'Procfile:1: "wörker" is not a process type: it is'],
    [`${'a'.repeat(31)}: b`, 'is not a process type: it is 1 to 30'],
    ['a: b\0c', 'Procfile:1: the command of a holds a NUL'],
    [`a: ${'b'.repeat(9000)}`, 'Procfile:1: the command of a is longer than 8192 bytes'],
    [
      Array.from({ length: 51 }, (_, n) => `t${n}: x`).join('\n'),
      'Procfile:51: there are more than 50 process types',
    ],
  ])('is refused with its line: %j', (text, message) => {
    expect(refusal(() => parseProcfile(text))).toContain(message);
  });

  it('of any text is read or refused with a line of it', () => {
    const words = ['web', 'release', 'a-b', ':', ' ', '\n', '\r\n', '#', '\0', 'x y', '\u2028', 'é'];
    const texts = fc.array(fc.constantFrom(...words), { maxLength: 30 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(texts, (text) => {
        try {
          for (const [type, command] of parseProcfile(text).commands) {
            expect(type).toMatch(/^[A-Za-z][\w-]*$/);
            if (command !== undefined) expect(text).toContain(command);
          }
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(SlipwayError);
          const line = Number(/^Procfile:(\d+)$/.exec((thrown as SlipwayError).where ?? '')?.[1]);
          expect(line).toBeGreaterThan(0);
          expect(line).toBeLessThanOrEqual(text.split(/\r\n|\r|\n/).length);
        }
      }),
    );
  });
});

describe('a command', () => {
  it.each(['node server.js', './bin/run --port=80  -x\t+y', 'python3 -m http.server', 'a@b %c a:b,c'])(
    'of plain words is started as it is: %j',
    (command) => expect(commandArgv(command)).toEqual(command.split(/\s+/)),
  );

  it.each([
    'node "a b"',
    'a && b',
    'a; b',
    'a | b',
    'a > b',
    'a $PORT',
    'a `b`',
    'a *',
    'a ~/b',
    'a (b)',
    'a {b}',
    'a # b',
    "a 'b'",
    'a \\b',
    'A=1 b',
    'exec node x',
    'cd /app',
    '. ./env',
    'é',
    '! a',
  ])('that only a shell can read gets the shell of the image: %j', (command) => {
    expect(commandArgv(command)).toEqual(['/bin/sh', '-c', command]);
  });
});

describe('what a commit declares', () => {
  it('is the own command of the image as web, when it says nothing', () => {
    expect(declaredProcesses({})).toEqual({ processes: [{ type: 'web' }] });
    expect(declaredProcesses({ appJson: '{"formation": {"web": {"quantity": 3}}}' })).toEqual({
      processes: [{ type: 'web', quantity: 3 }],
    });
  });

  it('is web first, with the quantities and limits of app.json', () => {
    const procfile = 'worker: node worker.js\nrelease: a && b\nweb: node server.js\n';
    const appJson = JSON.stringify({
      name: 'shop',
      formation: {
        worker: { quantity: 2, memory: '512m', cpus: 0.5, processes: '200', max_parallel: 1 },
      },
    });
    expect(declaredProcesses({ procfile, appJson })).toEqual({
      processes: [
        { type: 'web', command: ['node', 'server.js'] },
        {
          type: 'worker',
          command: ['node', 'worker.js'],
          quantity: 2,
          resources: { memoryBytes: 512 * 1024 * 1024, cpus: 0.5, processes: 200 },
        },
      ],
      releasePhase: ['/bin/sh', '-c', 'a && b'],
    });
  });

  it('may not give a quantity to a type that is not there', () => {
    const appJson = '{\n "formation": {\n  "wroker": {"quantity": 1}}}';
    expect(refusal(() => declaredProcesses({ procfile: 'worker: x', appJson }))).toBe(
      'app_json_invalid app.json:3: formation names wroker, which the Procfile does not have',
    );
  });
});
