/** Progress as lines, for logs: `#5 [build 2/6] RUN make`, its output with times, why it was not cached, `#5 DONE 1.2s`. */
import { type BuildEvent, stageTitle } from '../../build/progress.js';
import type { PhaseEnd, Printer, Terminal } from './printer.js';
import { stepTitle } from './printer.js';
import { Lines, shortSeconds, shownLine, shownOneLine } from './text.js';

interface Running {
  readonly number: number;
  readonly started: number;
  readonly lines: Lines;
}

export class PlainPrinter implements Printer {
  readonly showsOutput = true;
  readonly #stream: Terminal;
  readonly #steps = new Map<string, Running>();
  readonly #stages = new Map<string, number>();
  #numbers = 0;

  constructor(stream: Terminal) {
    this.#stream = stream;
  }

  event(event: BuildEvent, platform?: string): void {
    switch (event.type) {
      case 'stage':
        this.#stages.set(key(event.stage, platform), ++this.#numbers);
        this.#line(
          `#${this.#numbers} [${[platform, stageTitle(event.stage)].filter(Boolean).join(' ')}] ${shownOneLine(event.title)}`,
        );
        break;
      case 'step': {
        const number = ++this.#numbers;
        this.#steps.set(key(event.step, platform), {
          number,
          started: performance.now(),
          lines: new Lines(),
        });
        this.#line(`#${number} ${shownOneLine(stepTitle(event, platform))}`);
        break;
      }
      case 'warning':
        this.#line(`WARNING: ${event.rule}: ${shownLine(event.text)} (line ${event.line})`);
        break;
      case 'note':
        this.#line(`#${this.#numberOf(event, platform)} ${shownOneLine(event.text)}`);
        break;
      case 'cached':
        this.#line(`#${this.#step(event.step, platform).number} CACHED`);
        break;
      case 'missed':
        this.#line(`#${this.#step(event.step, platform).number} not cached: ${shownOneLine(event.reason)}`);
        break;
      case 'output': {
        const step = this.#step(event.step, platform);
        this.#output(step, step.lines.feed(event.chunk));
        break;
      }
      case 'done':
      case 'failed':
      case 'stopped': {
        const step = this.#step(event.step, platform);
        this.#output(step, step.lines.end());
        const how = { done: 'DONE', failed: 'FAILED', stopped: 'STOPPED' }[event.type];
        this.#line(`#${step.number} ${how} ${shortSeconds(event.ms)}`);
        break;
      }
    }
  }

  phase(text: string): PhaseEnd {
    const number = ++this.#numbers;
    const started = performance.now();
    this.#line(`#${number} ${shownLine(text)}`);
    return (error) => {
      const how = error === undefined ? 'DONE' : 'FAILED';
      this.#line(`#${number} ${how} ${shortSeconds(performance.now() - started)}`);
    };
  }

  close(): void {}

  /** Of the step or stage that the note is about; without one, the newest. */
  #numberOf({ step, stage }: Extract<BuildEvent, { type: 'note' }>, platform: string | undefined): number {
    if (step !== undefined) return this.#step(step, platform).number;
    return (stage === undefined ? undefined : this.#stages.get(key(stage, platform))) ?? this.#numbers;
  }

  #step(step: number, platform: string | undefined): Running {
    const name = key(step, platform);
    const known = this.#steps.get(name) ?? {
      number: ++this.#numbers,
      started: performance.now(),
      lines: new Lines(),
    };
    this.#steps.set(name, known);
    return known;
  }

  #output({ number, started }: Running, lines: readonly string[]): void {
    if (lines.length === 0) return;
    const time = ((performance.now() - started) / 1000).toFixed(3);
    this.#stream.write(lines.map((line) => `#${number} ${time} ${line}\n`).join(''));
  }

  #line(text: string): void {
    this.#stream.write(`${text}\n`);
  }
}

function key(step: number | string, platform: string | undefined): string {
  return `${platform ?? ''} ${step}`;
}
