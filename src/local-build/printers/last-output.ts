/** Keeps the last lines of the steps that run, for printers after which those of a failed one cannot be read any more. */
import type { BuildEvent } from '../../build/progress.js';
import type { PhaseEnd, Printer } from './printer.js';
import { Lines } from './text.js';

const KEPT = 20;

interface Kept {
  readonly cutter: Lines;
  readonly lines: string[];
}

export class LastOutput implements Printer {
  readonly #printer: Printer;
  readonly #running = new Map<number, Kept>();
  #failed: readonly string[] = [];

  constructor(printer: Printer) {
    this.#printer = printer;
  }

  get showsOutput(): boolean {
    return this.#printer.showsOutput;
  }

  /** Of the step that failed. */
  get lines(): readonly string[] {
    return this.#failed;
  }

  event(event: BuildEvent, platform?: string): void {
    this.#printer.event(event, platform);
    if (event.type === 'step') this.#running.set(event.step, { cutter: new Lines(), lines: [] });
    else if (event.type === 'output') this.#keep(event.step, ({ cutter }) => cutter.feed(event.chunk));
    else if (event.type === 'failed') {
      this.#keep(event.step, ({ cutter }) => cutter.end());
      this.#failed = this.#running.get(event.step)?.lines ?? [];
    } else if (event.type === 'done' || event.type === 'cached' || event.type === 'stopped') {
      this.#running.delete(event.step);
    }
  }

  phase(text: string): PhaseEnd {
    return this.#printer.phase(text);
  }

  close(): void {
    this.#printer.close();
  }

  #keep(step: number, next: (kept: Kept) => readonly string[]): void {
    const kept = this.#running.get(step);
    if (kept === undefined) return;
    kept.lines.push(...next(kept));
    kept.lines.splice(0, kept.lines.length - KEPT);
  }
}
