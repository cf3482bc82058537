/** How progress looks: lines, a terminal's live region, and what hostile output cannot do to either. */
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { choosePrinter } from '../../src/local-build/printers/choose.js';
import { PlainPrinter } from '../../src/local-build/printers/plain.js';
import { RawJsonPrinter } from '../../src/local-build/printers/rawjson.js';
import { fitted, Lines, shownLine, widthOf } from '../../src/local-build/printers/text.js';
import { TtyPrinter } from '../../src/local-build/printers/tty.js';

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
  written = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written += chunk.toString('utf8');
    done();
  }

  /** What is on an endless screen after all that was written. Knows only what the printer may use. */
  get rows(): string[] {
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
    expect(screen.rows).toEqual([
      ' => CACHED [stage-0 1/3] COPY . /  0.0s',
      '[+] Building 1.5s (1/3)',
      ' => [stage-0 2/3] RUN make everyt… 1.5s',
      ...[4, 5, 6, 7, 8, 9].map((line) => ` => => # line ${line}`),
    ]);
    printer.event({ type: 'done', step: 2, ms: 2000 });
    printer.close();
    printer.close();
    expect(screen.rows).toEqual([
      ' => CACHED [stage-0 1/3] COPY . /  0.0s',
      ' => [stage-0 2/3] RUN make everyt… 2.0s',
    ]);
    expect(screen.written.startsWith(`${ESC}[?25l`)).toBe(true);
    expect(screen.written.endsWith(`${ESC}[?25h`)).toBe(true);
    expect(process.listenerCount('exit')).toBe(listeners);
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
