/** Keeps the last lines of the step that runs, for printers after which they cannot be read any more. */
import type { BuildEvent } from '../../build/progress.js';
import type { PhaseEnd, Printer } from './printer.js';
import { Lines } from './text.js';

const KEPT = 20;

export class LastOutput implements Printer {
  readonly #printer: Printer;
  #cutter = new Lines();
  #lines: string[] = [];

  constructor(printer: Printer) {
    this.#printer = printer;
  }

  get showsOutput(): boolean {
    return this.#printer.showsOutput;
  }

  get lines(): readonly string[] {
    return [...this.#lines, ...this.#cutter.end()];
  }

  event(event: BuildEvent, platform?: string): void {
    this.#printer.event(event, platform);
    if (event.type === 'step') {
      this.#cutter = new Lines();
      this.#lines = [];
    } else if (event.type === 'output') {
      this.#lines.push(...this.#cutter.feed(event.chunk));
      this.#lines.splice(0, this.#lines.length - KEPT);
    } else if (event.type === 'done') this.#lines = [];
  }

  phase(text: string): PhaseEnd {
    return this.#printer.phase(text);
  }

  close(): void {
    this.#printer.close();
  }
}
