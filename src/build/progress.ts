/** How a build tells its steps, in the log that the push shows: what runs, CACHED or why not, and how long it took. */
import type { StageInstruction } from '../dockerfile/types.js';
import type { BuildLog } from '../logs/log-writer.js';
import { seconds } from '../logs/seconds.js';

const OUTPUT_PREFIX = '  | ';

export class Progress {
  readonly #log: BuildLog;
  readonly #total: number;
  #started = 0;
  #cached = 0;

  constructor(log: BuildLog, total: number) {
    this.#log = log;
    this.#total = total;
  }

  get counts(): { cached: number; total: number } {
    return { cached: this.#cached, total: this.#started };
  }

  async stage(title: string): Promise<void> {
    await this.#log.body(title);
  }

  async step(text: string): Promise<void> {
    this.#started++;
    await this.#log.body(`[${this.#started}/${this.#total}] ${oneLine(text)}`);
  }

  async cached(): Promise<void> {
    this.#cached++;
    await this.#log.body('  CACHED');
  }

  async missed(reason: string): Promise<void> {
    await this.#log.body(`  not cached: ${reason}`);
  }

  async output(chunk: Uint8Array): Promise<void> {
    await this.#log.raw(chunk, OUTPUT_PREFIX);
  }

  /** The step's last line may lack a newline. */
  async endOutput(): Promise<void> {
    await this.#log.endRaw(OUTPUT_PREFIX);
  }

  async note(text: string): Promise<void> {
    await this.#log.body(`  ${text}`);
  }

  async done(ms: number): Promise<void> {
    await this.#log.body(`  done in ${seconds(ms)}`);
  }
}

/** Instructions that become a layer, for the `[2/6]`. */
export function makesLayer(instruction: StageInstruction): boolean {
  if (instruction.kind === 'WORKDIR') return instruction.path !== '/';
  return instruction.kind === 'RUN' || instruction.kind === 'COPY' || instruction.kind === 'ADD';
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}
