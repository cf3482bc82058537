/**
 * Progress on a terminal. What has ended scrolls away above; what runs is drawn again and again below, in one write, each
 * line over the one that was there, so that nothing flickers.
 */
import { type BuildEvent, stageTitle } from '../../build/progress.js';
import type { PhaseEnd, Printer, Terminal } from './printer.js';
import { stepPlace, stepTitle } from './printer.js';
import { fitted, Lines, shortSeconds, shownLine, shownOneLine, widthOf } from './text.js';

const FRAME_MS = 100;
/** Lines of a running step's output that are shown. */
const TAIL = 6;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
/** How a step ended: what stands before its title, and the colour. */
const MARKS = {
  CACHED: ['CACHED ', '34'],
  DONE: ['', '34'],
  ERROR: ['ERROR ', '31'],
  STOPPED: ['STOPPED ', '33'],
} as const;

interface Running {
  readonly title: string;
  /** Before what is told of it, where other steps run at the same time. */
  readonly place: string;
  readonly started: number;
  readonly lines: Lines;
  readonly tail: string[];
}

export interface TtyOptions {
  readonly colours: boolean;
}

export class TtyPrinter implements Printer {
  readonly showsOutput = false;
  readonly #stream: Terminal;
  readonly #colours: boolean;
  readonly #started = performance.now();
  readonly #running = new Map<string, Running>();
  readonly #timer: NodeJS.Timeout;
  /** Lines of the live region on the screen, and its last width: a narrower terminal wraps what was drawn. */
  #drawn: readonly string[] = [];
  #ended = 0;
  #total = 0;
  #phases = 0;
  #closed = false;

  constructor(stream: Terminal, { colours }: TtyOptions) {
    this.#stream = stream;
    this.#colours = colours;
    this.#stream.write(HIDE_CURSOR);
    process.once('exit', this.#restore);
    this.#timer = setInterval(() => this.#draw([]), FRAME_MS).unref();
  }

  event(event: BuildEvent, platform?: string): void {
    switch (event.type) {
      case 'stage':
        this.#draw([
          ` => [${[platform, stageTitle(event.stage)].filter(Boolean).join(' ')}] ${shownOneLine(event.title)}`,
        ]);
        break;
      case 'step':
        this.#total = Math.max(this.#total, event.total);
        this.#begin(
          key(event.step, platform),
          stepTitle(event, platform),
          event.mixed ? `${shownOneLine(stepPlace(event, platform))} ` : '',
        );
        break;
      case 'warning':
        this.#draw([
          this.#paint('33', `WARNING: ${event.rule}: ${shownLine(event.text)} (line ${event.line})`),
        ]);
        break;
      case 'note':
        this.#draw([` => => ${this.#placeOf(event.step, platform)}${shownOneLine(event.text)}`]);
        break;
      case 'missed':
        this.#draw([
          ` => => ${this.#placeOf(event.step, platform)}not cached: ${shownOneLine(event.reason)}`,
        ]);
        break;
      case 'cached':
        this.#ended++;
        this.#end(key(event.step, platform), 'CACHED');
        break;
      case 'output': {
        const step = this.#running.get(key(event.step, platform));
        step?.tail.push(...step.lines.feed(event.chunk));
        step?.tail.splice(0, step.tail.length - TAIL);
        break;
      }
      case 'done':
        this.#ended++;
        this.#end(key(event.step, platform), 'DONE', event.ms);
        break;
      case 'failed':
        this.#end(key(event.step, platform), 'ERROR', event.ms);
        break;
      case 'stopped':
        this.#end(key(event.step, platform), 'STOPPED', event.ms);
        break;
    }
  }

  phase(text: string): PhaseEnd {
    const name = `phase ${++this.#phases}`;
    this.#begin(name, text);
    return (error) => this.#end(name, error === undefined ? 'DONE' : 'ERROR');
  }

  close(): void {
    if (this.#closed) return;
    clearInterval(this.#timer);
    this.#running.clear();
    this.#draw([]);
    this.#closed = true;
    process.off('exit', this.#restore);
    this.#restore();
  }

  readonly #restore = (): void => {
    this.#stream.write(SHOW_CURSOR);
  };

  #placeOf(step: number | undefined, platform: string | undefined): string {
    return (step === undefined ? undefined : this.#running.get(key(step, platform))?.place) ?? '';
  }

  #begin(name: string, title: string, place = ''): void {
    this.#running.set(name, {
      title: shownOneLine(title),
      place,
      started: performance.now(),
      lines: new Lines(),
      tail: [],
    });
    this.#draw([]);
  }

  #end(name: string, how: keyof typeof MARKS, ms?: number): void {
    const step = this.#running.get(name);
    if (step === undefined) return;
    this.#running.delete(name);
    const time = shortSeconds(ms ?? performance.now() - step.started);
    const [mark, colour] = MARKS[how];
    this.#draw([this.#paint(colour, this.#withTime(` => ${mark}${step.title}`, time))]);
  }

  /** Writes `finished` above the live region and draws that anew. */
  #draw(finished: readonly string[]): void {
    if (this.#closed) return;
    const live = this.#live();
    const up = this.#rows(this.#drawn);
    const lines = [...finished.map((line) => this.#fitted(line)), ...live];
    const frame = lines.map((line) => `${line}${CLEAR_LINE}\n`).join('');
    if (up === 0 && lines.length === 0) return;
    this.#stream.write(`${up === 0 ? '' : `\u001b[${up}A\r`}${frame}${CLEAR_BELOW}`);
    this.#drawn = live;
  }

  #live(): string[] {
    const now = performance.now();
    const lines: string[] = [];
    // What is above the screen's top cannot be drawn over again.
    const room = (this.#stream.rows || 24) - 2;
    const shown = [...this.#running.values()].slice(0, Math.max(1, room));
    const tails = Math.max(0, Math.min(TAIL, Math.floor(room / shown.length) - 1));
    for (const { title, started, tail } of shown) {
      lines.push(this.#withTime(` => ${title}`, shortSeconds(now - started)));
      for (const line of tail.slice(tail.length - Math.min(tails, tail.length)))
        lines.push(this.#paint('2', fitted(` => => # ${line}`, this.#columns())));
    }
    if (lines.length > 0)
      lines.unshift(
        fitted(
          `[+] Building ${shortSeconds(now - this.#started)} (${this.#ended}/${this.#total})`,
          this.#columns(),
        ),
      );
    return lines;
  }

  /** The time stands at the right edge. */
  #withTime(text: string, time: string): string {
    const columns = this.#columns();
    const room = columns - time.length - 1;
    const left = fitted(text, room);
    return `${left}${' '.repeat(Math.max(1, columns - time.length - widthOf(left)))}${time}`;
  }

  /** Finished lines were fitted before they were painted, others are here. */
  #fitted(line: string): string {
    return line.startsWith('\u001b') ? line : fitted(line, this.#columns());
  }

  #paint(colour: string, text: string): string {
    return this.#colours ? `\u001b[${colour}m${text}\u001b[0m` : text;
  }

  /** One less than the terminal has: a full line makes some of them wrap. */
  #columns(): number {
    return Math.max(20, this.#width() - 1);
  }

  /** A terminal that nobody told its size says 0. */
  #width(): number {
    return this.#stream.columns || 80;
  }

  /** Rows that the lines take on the terminal as wide as it is now. */
  #rows(lines: readonly string[]): number {
    const columns = this.#width();
    return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(shownLine(line)) / columns)), 0);
  }
}

function key(step: number, platform: string | undefined): string {
  return `${platform ?? ''} ${step}`;
}
