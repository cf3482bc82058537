/** Progress for programs: one JSON object on a line for each event; docs/build.md names the fields. */
import { StringDecoder } from 'node:string_decoder';
import type { BuildEvent } from '../../build/progress.js';
import type { PhaseEnd, Printer, Terminal } from './printer.js';

export class RawJsonPrinter implements Printer {
  readonly showsOutput = true;
  readonly #stream: Terminal;
  readonly #decoders = new Map<number, StringDecoder>();
  #phases = 0;

  constructor(stream: Terminal) {
    this.#stream = stream;
  }

  event(event: BuildEvent, platform?: string): void {
    if (event.type === 'step') this.#decoders.set(event.step, new StringDecoder('utf8'));
    if (event.type === 'output') {
      const { chunk, ...rest } = event;
      const data =
        this.#decoders.get(event.step)?.write(Buffer.from(chunk)) ?? Buffer.from(chunk).toString('utf8');
      if (data !== '') this.#write({ ...rest, data }, platform);
      return;
    }
    if (event.type === 'done' || event.type === 'failed' || event.type === 'stopped') {
      const data = this.#decoders.get(event.step)?.end() ?? '';
      if (data !== '') this.#write({ type: 'output', step: event.step, data }, platform);
    }
    this.#write(event, platform);
  }

  phase(text: string): PhaseEnd {
    const phase = ++this.#phases;
    const started = performance.now();
    this.#write({ type: 'phase', phase, text });
    return (error) => {
      const ms = Math.round(performance.now() - started);
      this.#write({ type: error === undefined ? 'phase-done' : 'phase-failed', phase, ms });
    };
  }

  /** What is not a build's event: the result, the error. */
  other(value: { readonly type: string; readonly [field: string]: unknown }): void {
    this.#write(value);
  }

  close(): void {}

  #write(value: { readonly type: string; readonly [field: string]: unknown }, platform?: string): void {
    const { type, ...fields } = value;
    const line = {
      type,
      time: new Date().toISOString(),
      ...(platform === undefined ? {} : { platform }),
      ...fields,
    };
    this.#stream.write(`${escaped(JSON.stringify(line))}\n`);
  }
}

/** JSON leaves C1 controls as they are, which terminals obey. */
function escaped(json: string): string {
  return json.replace(/[\u007f-\u009f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
