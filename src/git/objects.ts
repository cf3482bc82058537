/**
 * Reads git objects through one `git cat-file --batch` process per repository (about 20,000 objects a second, where a
 * process for each would make 300). Requests are pipelined: git answers in the order of the questions.
 *
 *   idle → running   [first read]
 *   running → idle   [idle for a while, the process ended]      what was asked then fails, the next read starts anew
 *   any → closed     [close]
 */
import type { ChildProcess } from 'node:child_process';
import { SlipwayError } from '../errors.js';
import { cleanStderr, Git } from './git.js';
import { parseTree, type TreeEntry } from './tree.js';

export type ObjectType = 'commit' | 'tree' | 'blob' | 'tag';

/** An object without its bytes. */
export interface ObjectHeader {
  readonly oid: string;
  readonly type: ObjectType;
  readonly sizeBytes: number;
}

export interface GitObject extends ObjectHeader {
  readonly data: Buffer;
}

export interface ObjectReaderOptions {
  readonly git?: Git;
  /** The process ends after this many ms without a question. Default 30,000. */
  readonly idleMs?: number;
  /** A process that answers nothing for this many ms is killed. Default 60,000. */
  readonly stallMs?: number;
}

export interface ReadOptions {
  /** A larger object is `context_too_large`; its bytes pass by without being kept. Default 1 GiB. */
  readonly maxBytes?: number;
}

interface Question {
  readonly name: string;
  readonly maxBytes: number;
  readonly resolve: (object: GitObject) => void;
  readonly reject: (error: SlipwayError) => void;
}

/** What of the current answer is still to come. `kept` is undefined for an object that is too large. */
interface Answer {
  readonly oid: string;
  readonly type: ObjectType;
  readonly sizeBytes: number;
  readonly kept: Buffer[] | undefined;
  /** Content and the line feed behind it. */
  left: number;
}

const DEFAULT_MAX_BYTES = 1024 * 1024 * 1024;
const HEADER = /^([0-9a-f]{40}|[0-9a-f]{64}) (commit|tree|blob|tag) (\d+)$/;

export class ObjectReader {
  readonly #gitDir: string;
  readonly #git: Git;
  readonly #idleMs: number;
  readonly #stallMs: number;
  /** By git's option: with the objects' bytes, and without. */
  readonly #processes = new Map<'--batch' | '--batch-check', BatchProcess>();
  #closed = false;

  constructor(gitDir: string, options: ObjectReaderOptions = {}) {
    this.#gitDir = gitDir;
    this.#git = options.git ?? new Git();
    this.#idleMs = options.idleMs ?? 30_000;
    this.#stallMs = options.stallMs ?? 60_000;
  }

  /** No question is waiting for its answer. */
  get isIdle(): boolean {
    return [...this.#processes.values()].every(({ waiting }) => waiting === 0);
  }

  /**
   * Reads one object by id or by any name that git resolves (`refs/heads/main^{tree}`, `<oid>:Dockerfile`).
   * Throws `not_found`, `context_too_large`, or `unavailable` when git ended in the middle; then reading again may work.
   */
  read(name: string, options: ReadOptions = {}): Promise<GitObject> {
    return this.#ask('--batch', name, options.maxBytes ?? DEFAULT_MAX_BYTES);
  }

  /** What an object is and how large, without reading it. Throws as `read` does. */
  header(name: string): Promise<ObjectHeader> {
    return this.#ask('--batch-check', name, DEFAULT_MAX_BYTES);
  }

  #ask(mode: '--batch' | '--batch-check', name: string, maxBytes: number): Promise<GitObject> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new SlipwayError('unavailable', 'the object reader is closed', { temporary: true }));
        return;
      }
      // A line feed would ask a second question, and every answer after it would go to the wrong reader.
      if (name === '' || name.length > 4096 || /[\n\0]/.test(name)) {
        reject(
          new SlipwayError('not_found', `${JSON.stringify(name.slice(0, 80))} is not the name of an object`),
        );
        return;
      }
      const process = this.#processes.get(mode) ?? this.#start(mode);
      process.ask({ name, maxBytes, resolve, reject });
    });
  }

  /** The entries of a tree, or of a commit's tree, in git's order. Throws `context_invalid` for a hostile one. */
  async tree(name: string): Promise<TreeEntry[]> {
    // A directory of a commit is a tree already; what follows the colon is all its path.
    const tree = name.includes(':') ? name : `${name}^{tree}`;
    const object = await this.read(tree, { maxBytes: 64 * 1024 * 1024 });
    if (object.type !== 'tree') throw new SlipwayError('not_found', `${JSON.stringify(name)} is not a tree`);
    return parseTree(object.oid, object.data);
  }

  /** Ends the processes of an idle reader now; the next read starts another. */
  rest(): void {
    if (this.isIdle) this.#end('the object reader was idle');
  }

  /** Ends the processes; what is waiting fails. */
  close(): void {
    this.#closed = true;
    this.#end('the object reader was closed');
  }

  #end(why: string): void {
    for (const process of [...this.#processes.values()])
      process.end(new SlipwayError('unavailable', why, { temporary: true }));
  }

  #start(mode: '--batch' | '--batch-check'): BatchProcess {
    const child = this.#git.spawn(['cat-file', mode], { gitDir: this.#gitDir });
    const process: BatchProcess = new BatchProcess({
      child,
      gitDir: this.#gitDir,
      hasContent: mode === '--batch',
      idleMs: this.#idleMs,
      stallMs: this.#stallMs,
      onEnd: () => {
        if (this.#processes.get(mode) === process) this.#processes.delete(mode);
      },
    });
    this.#processes.set(mode, process);
    return process;
  }
}

interface BatchOptions {
  readonly child: ChildProcess;
  readonly gitDir: string;
  /** Behind each header come the object's bytes. */
  readonly hasContent: boolean;
  readonly idleMs: number;
  readonly stallMs: number;
  readonly onEnd: () => void;
}

/** One run of `git cat-file` and the questions put to it. */
class BatchProcess {
  readonly #child: ChildProcess;
  readonly #gitDir: string;
  readonly #hasContent: boolean;
  readonly #idleMs: number;
  readonly #stallMs: number;
  readonly #onEnd: () => void;
  readonly #questions: Question[] = [];
  #head = 0;
  #answer: Answer | undefined;
  #header: Buffer = Buffer.alloc(0);
  #stderr = '';
  #ended = false;
  #timer: NodeJS.Timeout | undefined;

  constructor({ child, gitDir, hasContent, idleMs, stallMs, onEnd }: BatchOptions) {
    this.#child = child;
    this.#gitDir = gitDir;
    this.#hasContent = hasContent;
    this.#idleMs = idleMs;
    this.#stallMs = stallMs;
    this.#onEnd = onEnd;
    child.stdout?.on('data', (chunk: Buffer) => this.#receive(chunk));
    child.stderr?.on('data', (chunk: Buffer) => {
      if (this.#stderr.length < 4096) this.#stderr += chunk.toString('utf8');
    });
    child.stdin?.on('error', () => {});
    child.on('error', (error) =>
      this.end(new SlipwayError('unavailable', `cannot start git: ${error.message}`, { cause: error })),
    );
    child.on('close', (code, signal) => {
      const how = cleanStderr(this.#stderr, this.#gitDir) || (signal ?? `exit code ${code}`);
      this.end(new SlipwayError('unavailable', `git cat-file ended: ${how}`, { temporary: true }));
    });
    // A reader that nobody closed must not keep the program from ending.
    child.unref();
    for (const stream of [child.stdin, child.stdout, child.stderr])
      (stream as { unref?: () => void } | null)?.unref?.();
  }

  get waiting(): number {
    return this.#questions.length - this.#head;
  }

  ask(question: Question): void {
    this.#questions.push(question);
    this.#child.stdin?.write(`${question.name}\n`);
    if (this.waiting === 1) this.#watch();
  }

  end(error: SlipwayError): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#onEnd();
    // SIGKILL: cat-file only reads, it has nothing to clean up.
    this.#child.kill('SIGKILL');
    for (const question of this.#questions.splice(this.#head)) question.reject(error);
  }

  #watch(): void {
    clearTimeout(this.#timer);
    const busy = this.waiting > 0;
    this.#timer = setTimeout(
      () => this.end(new SlipwayError('unavailable', 'git cat-file does not answer', { temporary: true })),
      busy ? this.#stallMs : this.#idleMs,
    );
    // While somebody waits for an answer the program lives on; an idle process does not hold it.
    const handles = [this.#timer, this.#child.stdout as unknown as NodeJS.Timeout];
    for (const handle of handles) busy ? handle.ref() : handle.unref();
  }

  #receive(chunk: Buffer): void {
    let bytes = chunk;
    try {
      while (bytes.length > 0 && !this.#ended) {
        bytes = this.#answer === undefined ? this.#readHeader(bytes) : this.#readContent(this.#answer, bytes);
      }
    } catch (error) {
      this.end(error as SlipwayError);
      return;
    }
    if (!this.#ended) this.#watch();
  }

  #readHeader(bytes: Buffer): Buffer {
    const end = bytes.indexOf(0x0a);
    this.#header = Buffer.concat([this.#header, end < 0 ? bytes : bytes.subarray(0, end)]);
    if (end < 0) return bytes.subarray(bytes.length);
    const line = this.#header.toString('utf8');
    this.#header = Buffer.alloc(0);
    const rest = bytes.subarray(end + 1);
    const question = this.#questions[this.#head];
    if (question === undefined) throw new SlipwayError('internal', 'git cat-file answered what nobody asked');
    const match = HEADER.exec(line);
    const [, oid, type, size] = match ?? [];
    if (oid === undefined || type === undefined || size === undefined) {
      // `<name> missing` or `<name> ambiguous`
      const reason = line.endsWith(' ambiguous') ? 'is ambiguous' : 'is not in the repository';
      this.#next().reject(
        new SlipwayError('not_found', `the object ${JSON.stringify(question.name)} ${reason}`),
      );
      return rest;
    }
    const sizeBytes = Number(size);
    if (!this.#hasContent) {
      this.#next().resolve({ oid, type: type as ObjectType, sizeBytes, data: Buffer.alloc(0) });
      return rest;
    }
    this.#answer = {
      oid,
      type: type as ObjectType,
      sizeBytes,
      kept: sizeBytes > question.maxBytes ? undefined : [],
      left: sizeBytes + 1,
    };
    return rest;
  }

  #readContent(answer: Answer, bytes: Buffer): Buffer {
    const part = bytes.subarray(0, answer.left);
    answer.left -= part.length;
    answer.kept?.push(part);
    if (answer.left > 0) return bytes.subarray(part.length);
    this.#answer = undefined;
    const question = this.#next();
    if (answer.kept === undefined) {
      const message = `${question.name} has ${answer.sizeBytes} bytes, the limit is ${question.maxBytes}`;
      question.reject(new SlipwayError('context_too_large', message));
    } else {
      const data = Buffer.concat(answer.kept, answer.sizeBytes);
      const { oid, type, sizeBytes } = answer;
      question.resolve({ oid, type, sizeBytes, data });
    }
    return bytes.subarray(part.length);
  }

  #next(): Question {
    const question = this.#questions[this.#head] as Question;
    this.#head += 1;
    if (this.#head > 1024) {
      this.#questions.splice(0, this.#head);
      this.#head = 0;
    }
    return question;
  }
}
