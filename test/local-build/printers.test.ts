/** How progress looks: lines, a terminal's live region, and what hostile output cannot do to either. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { logEvents } from '../../src/build/log-events.js';
import type { BuildEvent } from '../../src/build/progress.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { choosePrinter } from '../../src/local-build/printers/choose.js';
import { LastOutput } from '../../src/local-build/printers/last-output.js';
import { PlainPrinter } from '../../src/local-build/printers/plain.js';
import { quietPrinter } from '../../src/local-build/printers/quiet.js';
import { RawJsonPrinter } from '../../src/local-build/printers/rawjson.js';
import { fitted, Lines, shownLine, widthOf } from '../../src/local-build/printers/text.js';
import { TtyPrinter } from '../../src/local-build/printers/tty.js';
import { BuildLog } from '../../src/logs/log-writer.js';
import { temporaryDirectory } from '../support/directories.js';

const ESC = '\u001b';
const TOKEN = new RegExp(`${ESC}\\[[?\\d;]*[A-Za-z]|[\\s\\S]`, 'gu');
const CONTROL = new RegExp(`^${ESC}\\[\\??(\\d*)[;\\d]*([A-Za-z])$`);
const step = (number: number, text: string) =>
  ({ type: 'step', step: number, total: 3, stage: '0', text, line: 1 }) as const;
const output = (number: number, text: string) =>
  ({ type: 'output', step: number, chunk: Buffer.from(text) }) as const;

class Screen extends Writable {
  readonly isTTY = true;
  columns = 40;
  rows = 24;
  written = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written += chunk.toString('utf8');
    done();
  }

  /** What is on an endless screen after all that was written. Knows only what the printer may use. */
  get shown(): string[] {
    const rows: string[] = [''];
    let row = 0;
    let column = 0;
    for (const [token] of this.written.matchAll(TOKEN)) {
      const [, count = '1', letter] = CONTROL.exec(token) ?? [];
      if (letter === 'A') row -= Number(count);
      else if (letter === 'K') rows[row] = (rows[row] ?? '').slice(0, column);
      else if (letter === 'J') rows.splice(row, Number.POSITIVE_INFINITY, (rows[row] ?? '').slice(0, column));
      else if (letter === 'm' || letter === 'h' || letter === 'l') continue;
      else if (token === '\r') column = 0;
      else if (token === '\n') {
        row++;
        column = 0;
        rows[row] ??= '';
      } else {
        rows[row] =
          (rows[row] ?? '').slice(0, column).padEnd(column) + token + (rows[row] ?? '').slice(column + 1);
        column++;
      }
      expect(row).toBeGreaterThanOrEqual(0);
    }
    return rows.map((line) => line.trimEnd()).filter(Boolean);
  }
}

describe('lines of output', () => {
  test('are cut wherever chunks are, also within a character', () => {
    const lines = new Lines();
    const bytes = Buffer.from('one\ntwö\nthree');
    const found = [...bytes].flatMap((byte) => lines.feed(Uint8Array.of(byte)));
    expect([found, lines.end(), lines.end()]).toEqual([['one', 'twö'], ['three'], []]);
  });

  test('cannot move the cursor, set a title or hide what came before', () => {
    expect(shownLine(`a${ESC}[2Jb${ESC}]0;title\u0007c${ESC}[31md${ESC}[0m\u0008`)).toBe('abcd');
    expect(shownLine(' 10%\r 50%\r100%\r')).toBe('100%');
    expect(shownLine('a\tb')).toBe('a    b');
  });

  test('a line without an end does not fill the memory', () => {
    const lines = new Lines();
    expect(lines.feed(Buffer.alloc(100_000, 'x')).every((line) => line.length <= 8_000)).toBe(true);
  });

  test('are as wide as a terminal shows them', () => {
    expect(['abc', '日本', 'e\u0301', '👍', ''].map(widthOf)).toEqual([3, 4, 1, 2, 0]);
    expect(fitted('日本語', 6)).toBe('日本語');
    expect(fitted('日本語', 5)).toBe('日本…');
    expect(fitted('日本語', 4)).toBe('日…');
  });
});

describe('which printer', () => {
  const name = (mode: 'auto' | 'tty', isTTY: boolean, env: NodeJS.ProcessEnv): string => {
    const stream = Object.assign(new Screen(), { isTTY });
    const printer = choosePrinter(mode, stream, env);
    printer.close();
    return printer.constructor.name;
  };

  test.each([
    ['auto', true, {}, 'TtyPrinter'],
    ['auto', false, {}, 'PlainPrinter'],
    ['auto', true, { CI: '1' }, 'PlainPrinter'],
    ['tty', true, { CI: '1' }, 'TtyPrinter'],
    ['auto', true, { TERM: 'dumb' }, 'PlainPrinter'],
    ['tty', true, { TERM: 'dumb' }, 'PlainPrinter'],
    ['tty', false, {}, 'PlainPrinter'],
  ] as const)('%s, terminal %s, %o: %s', (mode, isTTY, env, expected) => {
    expect(name(mode, isTTY, env)).toBe(expected);
  });

  test('NO_COLOR', () => {
    for (const [env, coloured] of [
      [{}, true],
      [{ NO_COLOR: '1' }, false],
    ] as const) {
      const screen = new Screen();
      const printer = choosePrinter('auto', screen, env);
      printer.event(step(1, 'RUN x'));
      printer.event({ type: 'done', step: 1, ms: 1 });
      printer.close();
      expect(screen.written.includes(`${ESC}[34m`)).toBe(coloured);
    }
  });
});

test('plain: numbered lines, each platform with its own', () => {
  const screen = new Screen();
  const printer = new PlainPrinter(screen);
  for (const platform of ['linux/amd64', 'linux/arm64']) {
    printer.event({ type: 'stage', stage: 'build', title: 'FROM  busybox' }, platform);
    printer.event(step(1, 'RUN a \\\n  b'), platform);
    printer.event({ type: 'missed', step: 1, reason: 'the command changed' }, platform);
    printer.event(output(1, 'par'), platform);
    printer.event(output(1, 'tial'), platform);
    printer.event({ type: 'done', step: 1, ms: 1234 }, platform);
  }
  expect(screen.written.replace(/\d\.\d{3}/g, 'T').split('\n')).toEqual([
    '#1 [linux/amd64 build] FROM busybox',
    '#2 [linux/amd64 stage-0 1/3] RUN a \\ b',
    '#2 not cached: the command changed',
    '#2 T partial',
    '#2 DONE 1.2s',
    '#3 [linux/arm64 build] FROM busybox',
    '#4 [linux/arm64 stage-0 1/3] RUN a \\ b',
    '#4 not cached: the command changed',
    '#4 T partial',
    '#4 DONE 1.2s',
    '',
  ]);
});

/** Two steps of different stages at once; the second one ends the first. */
const MIXED: readonly BuildEvent[] = [
  { type: 'stage', stage: 'a', title: 'FROM x AS a' },
  { type: 'stage', stage: 'b', title: 'FROM y AS b' },
  { type: 'note', text: 'x is sha256:1', stage: 'a' },
  { ...step(1, 'RUN one'), stage: 'a', mixed: true },
  { ...step(2, 'RUN two'), stage: 'b', mixed: true },
  { type: 'missed', step: 1, reason: 'it is new' },
  { type: 'missed', step: 2, reason: 'it is new too' },
  output(1, 'half of a '),
  output(2, 'b 1\n'),
  output(1, 'line\n'),
  output(2, 'b 2'),
  { type: 'failed', step: 2, ms: 100 },
  { type: 'stopped', step: 1, ms: 200 },
];

test('plain: lines of steps that run at once say whose they are', () => {
  const screen = new Screen();
  const printer = new PlainPrinter(screen);
  for (const event of MIXED) printer.event(event);
  expect(screen.written.replace(/\d\.\d{3}/g, 'T').split('\n')).toEqual([
    '#1 [a] FROM x AS a',
    '#2 [b] FROM y AS b',
    '#1 x is sha256:1',
    '#3 [a 1/3] RUN one',
    '#4 [b 2/3] RUN two',
    '#3 not cached: it is new',
    '#4 not cached: it is new too',
    '#4 T b 1',
    '#3 T half of a line',
    '#4 T b 2',
    '#4 FAILED 0.1s',
    '#3 STOPPED 0.2s',
    '',
  ]);
});

test('the last lines that are kept are those of the step that failed', () => {
  const last = new LastOutput(quietPrinter);
  for (const event of MIXED) last.event(event);
  expect(last.lines).toEqual(['b 1', 'b 2']);
});

test("the log of a push: each line with its step's number", async () => {
  const path = join(await temporaryDirectory(), 'log');
  const log = await BuildLog.open(path, DEFAULT_LIMITS);
  const listen = logEvents(log);
  for (const event of MIXED) await listen(event);
  await log.close();
  expect((await readFile(path, 'utf8')).split('\n').map((line) => line.slice(7))).toEqual([
    'FROM x AS a',
    'FROM y AS b',
    '  x is sha256:1',
    '[a 1/3] RUN one',
    '[b 2/3] RUN two',
    '  1 not cached: it is new',
    '  2 not cached: it is new too',
    '  2 | b 1',
    '  1 | half of a line',
    '  2 | b 2',
    '  2 failed',
    '  1 stopped',
    '',
  ]);
});

describe('a terminal', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('shows what runs with its last lines, and leaves one line of what has ended', () => {
    const screen = new Screen();
    const listeners = process.listenerCount('exit');
    const printer = new TtyPrinter(screen, { colours: true });
    printer.event(step(1, 'COPY . /'));
    printer.event({ type: 'cached', step: 1 });
    printer.event(step(2, 'RUN make everything that there is to make'));
    for (let line = 1; line <= 9; line++) printer.event(output(2, `line ${line}\n`));
    vi.advanceTimersByTime(1500);
    expect(screen.shown).toEqual([
      ' => CACHED [stage-0 1/3] COPY . /  0.0s',
      '[+] Building 1.5s (1/3)',
      ' => [stage-0 2/3] RUN make everyt… 1.5s',
      ...[4, 5, 6, 7, 8, 9].map((line) => ` => => # line ${line}`),
    ]);
    printer.event({ type: 'done', step: 2, ms: 2000 });
    printer.close();
    printer.close();
    expect(screen.shown).toEqual([
      ' => CACHED [stage-0 1/3] COPY . /  0.0s',
      ' => [stage-0 2/3] RUN make everyt… 2.0s',
    ]);
    expect(screen.written.startsWith(`${ESC}[?25l`)).toBe(true);
    expect(screen.written.endsWith(`${ESC}[?25h`)).toBe(true);
    expect(process.listenerCount('exit')).toBe(listeners);
  });

  test('shows steps that run at once below each other, as far as it is high', () => {
    const screen = new Screen();
    screen.rows = 10;
    const printer = new TtyPrinter(screen, { colours: false });
    for (const event of MIXED.slice(0, -2)) printer.event(event);
    for (let line = 1; line <= 9; line++) printer.event(output(1, `line ${line}\n`));
    vi.advanceTimersByTime(100);
    expect(screen.shown).toEqual([
      ' => [a] FROM x AS a',
      ' => [b] FROM y AS b',
      ' => => x is sha256:1',
      ' => => [a 1/3] not cached: it is new',
      ' => => [b 2/3] not cached: it is new t…',
      '[+] Building 0.1s (0/3)',
      ' => [a 1/3] RUN one                0.1s',
      ...[7, 8, 9].map((line) => ` => => # line ${line}`),
      ' => [b 2/3] RUN two                0.1s',
      ' => => # b 1',
    ]);
    for (const event of MIXED.slice(-2)) printer.event(event);
    printer.close();
    expect(screen.shown.slice(-2)).toEqual([
      ' => ERROR [b 2/3] RUN two          0.1s',
      ' => STOPPED [a 1/3] RUN one        0.2s',
    ]);
  });

  test('that nobody told its size is taken for 80 columns wide', () => {
    const screen = new Screen();
    screen.columns = 0;
    const printer = new TtyPrinter(screen, { colours: false });
    printer.event(step(1, 'RUN make everything that there is to make'));
    screen.written = '';
    vi.advanceTimersByTime(100);
    expect(screen.written.startsWith(`${ESC}[2A\r`)).toBe(true);
    expect(screen.written).toContain(' => [stage-0 1/3] RUN make everything that there is to make  ');
    printer.close();
  });

  test('that became narrower: the wrapped rows are drawn over', () => {
    const screen = new Screen();
    const printer = new TtyPrinter(screen, { colours: false });
    printer.event(step(1, 'RUN make everything that there is to make'));
    screen.written = '';
    screen.columns = 30;
    vi.advanceTimersByTime(100);
    // The header takes one row, the step's 39 columns two.
    expect(screen.written.startsWith(`${ESC}[3A\r`)).toBe(true);
    printer.close();
  });
});

test('rawjson is text that no terminal obeys, and says all the same what was there', () => {
  const screen = new Screen();
  const hostile = `${ESC}[2J\u009b2J\u007f`;
  new RawJsonPrinter(screen).event(step(1, hostile));
  expect(screen.written.trim()).not.toMatch(/\p{Cc}/u);
  expect(JSON.parse(screen.written)).toMatchObject({ text: hostile });
});
