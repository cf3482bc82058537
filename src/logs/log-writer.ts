/**
 * Writing a build's log: an append-only file that web, builder and deployer write one after the other. Every write is
 * whole lines in one O_APPEND write, so a reader's byte offset stays right whoever writes.
 *
 *   `-----> ` headline   7 blanks: body and step output   `=====> ` how it ended   ` !     ` problem
 */
import { type FileHandle, open } from 'node:fs/promises';
import { type Limits, limitVariable } from '../config.js';
import { toSlipwayError } from '../errors.js';
import { TerminalLines } from './lines.js';

export type LogLimits = Pick<Limits, 'logBytes' | 'logLineBytes'>;

const HEADLINE = '-----> ';
const BODY = '       ';
const FINAL = '=====> ';
const PROBLEM = ' !     ';
/** A caller that waits for its promises never has more than this, and one write under way, in memory. */
const HIGH_WATER_BYTES = 512 * 1024;

/**
 * No line method ever rejects: a build is not stopped by each line that a full disk swallows. `flush` and `close` do,
 * with `disk_full` or `internal`. The promise of a line method is for back-pressure only.
 */
export class BuildLog {
  readonly #file: FileHandle;
  readonly #limits: LogLimits;
  /** Step output by its prefix: stages run side by side and each may be in the middle of a line. */
  readonly #sources = new Map<string, TerminalLines>();
  #pending = '';
  #pendingBytes = 0;
  #writing: Promise<void> | undefined;
  #sizeBytes: number;
  #full: boolean;
  /** The file ends in the middle of a line: a writer before us was killed, or the disk was full. */
  #torn: boolean;
  #failure: unknown;
  #lost = false;
  #closed = false;

  private constructor(
    file: FileHandle,
    limits: LogLimits,
    found: { sizeBytes: number; full: boolean; torn: boolean },
  ) {
    this.#file = file;
    this.#limits = limits;
    this.#sizeBytes = found.sizeBytes;
    this.#full = found.full;
    this.#torn = found.torn;
  }

  /** Opens or creates the file; its directory must exist. What is there counts towards `logBytes`. */
  static async open(path: string, limits: LogLimits): Promise<BuildLog> {
    const file = await open(path, 'a+', 0o640);
    try {
      const { size } = await file.stat();
      const tail = size === 0 ? Buffer.alloc(0) : await readTail(file, size, limits);
      return new BuildLog(file, limits, {
        sizeBytes: size,
        full: size > 0 && tail.includes(fullMark(limits)),
        torn: size > 0 && tail.at(-1) !== 0x0a,
      });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  headline(text: string): Promise<void> {
    return this.#say(HEADLINE, BODY, text);
  }

  body(text: string): Promise<void> {
    return this.#say(BODY, BODY, text);
  }

  final(text: string): Promise<void> {
    return this.#say(FINAL, BODY, text);
  }

  problem(text: string): Promise<void> {
    return this.#say(PROBLEM, PROBLEM, text);
  }

  /**
   * Output of a step, in any chunks. Each line gets 7 blanks and the prefix; sources that run side by side must have
   * different prefixes. Wait for the promise before the next chunk, or memory holds what the disk has not taken.
   */
  raw(chunk: Uint8Array | string, prefix = ''): Promise<void> {
    if (this.#full || this.#closed) return Promise.resolve();
    this.#source(prefix).write(chunk);
    return this.#taken();
  }

  /** The step with this prefix has ended: its last line may lack a newline. */
  endRaw(prefix = ''): Promise<void> {
    const source = this.#sources.get(prefix);
    this.#sources.delete(prefix);
    if (!this.#closed) source?.end();
    return this.#taken();
  }

  /** Resolves when all lines so far are in the file; a reader in any process sees them. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    if (this.#failure === undefined) return;
    const failure = this.#failure;
    this.#failure = undefined;
    throw toSlipwayError(failure);
  }

  /** Writes what is open and closes the file. Later lines are dropped: a killed step may still send a chunk. */
  async close(): Promise<void> {
    if (this.#closed) return;
    for (const prefix of [...this.#sources.keys()]) void this.endRaw(prefix);
    this.#closed = true;
    try {
      await this.flush();
    } finally {
      await this.#file.close();
    }
  }

  #say(first: string, next: string, text: string): Promise<void> {
    if (this.#closed) return Promise.resolve();
    // The plain source is the only one a reader would see run into our line.
    this.#sources.get('')?.end();
    let indent = first;
    const lines = new TerminalLines({
      maxBytes: this.#limits.logLineBytes - BODY.length - 1,
      onLine: (line, bytes) => {
        this.#append(`${indent}${line}\n`, indent.length + bytes + 1);
        indent = next;
      },
    });
    lines.write(`${text}\n`);
    return this.#taken();
  }

  #source(prefix: string): TerminalLines {
    const known = this.#sources.get(prefix);
    if (known !== undefined) return known;
    const indent = BODY + prefix;
    const around = Buffer.byteLength(indent) + 1;
    const source = new TerminalLines({
      maxBytes: this.#limits.logLineBytes - around,
      onLine: (line, bytes) => this.#appendOutput(`${indent}${line}\n`, around + bytes),
    });
    this.#sources.set(prefix, source);
    return source;
  }

  #appendOutput(line: string, bytes: number): void {
    if (this.#full) return;
    if (this.#sizeBytes + bytes <= this.#limits.logBytes) {
      this.#append(line, bytes);
      return;
    }
    this.#full = true;
    const mark = fullMark(this.#limits);
    this.#append(mark, Buffer.byteLength(mark));
  }

  #append(line: string, bytes: number): void {
    this.#pending += line;
    this.#pendingBytes += bytes;
    this.#sizeBytes += bytes;
  }

  #taken(): Promise<void> {
    if (this.#pending !== '' && this.#writing === undefined) this.#writing = this.#write();
    if (this.#pendingBytes < HIGH_WATER_BYTES || this.#writing === undefined) return Promise.resolve();
    return this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#pending !== '') {
      const lost = this.#lost ? `${PROBLEM}Lines were lost here: the log could not be written\n` : '';
      const bytes = Buffer.from(`${this.#torn ? '\n' : ''}${lost}${this.#pending}`);
      this.#pending = '';
      this.#pendingBytes = 0;
      try {
        await this.#writeAll(bytes);
        this.#lost = false;
      } catch (error) {
        this.#failure ??= error;
        this.#lost = true;
      }
    }
    this.#writing = undefined;
  }

  async #writeAll(bytes: Buffer): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const { bytesWritten } = await this.#file.write(bytes, written);
      written += bytesWritten;
      this.#torn = bytes[written - 1] !== 0x0a;
    }
  }
}

function fullMark(limits: LogLimits): string {
  return `${PROBLEM}The log is full: further output of the steps is not kept (${limitVariable('logBytes')}=${limits.logBytes})\n`;
}

/** The part of the file where a full mark can be: it is written at most one line before the limit. */
async function readTail(file: FileHandle, size: number, limits: LogLimits): Promise<Buffer> {
  const from = Math.min(size - 1, Math.max(0, limits.logBytes - 2 * limits.logLineBytes));
  const tail = Buffer.alloc(size - from);
  const { bytesRead } = await file.read(tail, 0, tail.length, from);
  return tail.subarray(0, bytesRead);
}
