/**
 * Documents at a ref: a chain of commits whose tree holds small text files, read from memory by commit id and changed by
 * compare-and-swap. What the documents mean is left to ledger.ts and platform.ts.
 *
 * A change writes blobs, trees and a commit, and moves the ref only if it still names the version that was decided on; a writer
 * that was overtaken decides again. The short way is document-files.ts; where that does not do, it is one `git fast-import`.
 */
import { createHash } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../clock.js';
import { syncDirectory } from '../durable.js';
import { isErrno, SlipwayError } from '../errors.js';
import { ALL_FAST, type FastPaths } from '../fast-paths.js';
import type { Git } from '../git/git.js';
import { removeDeadLock } from '../git/loose-objects.js';
import { commitFiles, loadFiles } from './document-files.js';

export const LEDGER_REF = 'refs/slipway/ledger';

export interface Documents {
  /** The commit that holds them. */
  readonly head: string;
  /** Path → content. */
  readonly files: ReadonlyMap<string, string>;
  /** There is something beside them, which only git carries over into the next version. */
  readonly hasMore: boolean;
}

export interface DocumentChange {
  /** Path → new content, or null to remove it. Paths are this program's own, never a user's. */
  readonly files: Readonly<Record<string, string | null>>;
  readonly message: string;
  readonly who: string;
  /** A second parent, so that what it reaches is kept. */
  readonly keeps?: string;
}

/** Overtaken this often, a writer gives up: 100 writers at once each get through in fewer. */
const OVERTAKEN_LIMIT = 200;
/** Refused this often with the ref standing still, something is broken, not busy. */
const REFUSED_LIMIT = 8;
/** The default of git leaves loose objects and refs to the page cache. */
const DURABLE = ['-c', 'core.fsync=all'];

export class DocumentRef {
  readonly #git: Git;
  readonly #gitDir: string;
  readonly #clock: Clock;
  readonly #isFast: boolean;
  /** Blob id → content, of the version read last. */
  #blobs: ReadonlyMap<string, string> = new Map();
  #cached: Documents | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(git: Git, gitDir: string, clock: Clock, { ledger }: Pick<FastPaths, 'ledger'> = ALL_FAST) {
    this.#git = git;
    this.#gitDir = gitDir;
    this.#clock = clock;
    this.#isFast = ledger;
  }

  /** The commit that the ref names, or undefined when there is no such ref or repository. */
  async head(): Promise<string | undefined> {
    // A loose ref is a file with one id (gitrepository-layout(5)): no process is started to read what is read most.
    const text = await readFile(join(this.#gitDir, LEDGER_REF), 'latin1').catch(() => '');
    if (/^[0-9a-f]{40,64}\n$/.test(text)) return text.trim();
    if (!(await repositoryExists(this.#gitDir))) return undefined;
    const packed = await this.#git.text(['for-each-ref', '--format=%(objectname)', LEDGER_REF], {
      gitDir: this.#gitDir,
    });
    return packed === '' ? undefined : packed;
  }

  async read(): Promise<Documents | undefined> {
    const head = await this.head();
    if (head === undefined) return undefined;
    return this.#cached?.head === head ? this.#cached : this.#load(head);
  }

  /**
   * Decides on the newest version and writes the change on top of it; decides again when another writer was faster.
   * Undefined from `decide` means that there is nothing to do. Throws what `decide` throws; `unavailable` when it
   * was overtaken too often. Durable when it returns.
   */
  async change(
    decide: (now: Documents | undefined) => DocumentChange | undefined,
  ): Promise<Documents | undefined> {
    // Writers of this process queue here instead of racing each other for the ref.
    const turn = this.#turn.then(() => this.#changeInTurn(decide));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #changeInTurn(
    decide: (now: Documents | undefined) => DocumentChange | undefined,
  ): Promise<Documents | undefined> {
    let refused = 0;
    for (let attempt = 1; ; attempt += 1) {
      const now = await this.read();
      const change = decide(now);
      if (change === undefined) return now;
      try {
        return await this.#write(now, change);
      } catch (thrown) {
        if (thrown instanceof SlipwayError && thrown.code === 'disk_full') throw thrown;
        if ((await this.head()) === now?.head) {
          refused += 1;
          await removeDeadLock(this.#gitDir, LEDGER_REF);
        }
        if (refused >= REFUSED_LIMIT) throw thrown;
        if (attempt >= OVERTAKEN_LIMIT) {
          throw new SlipwayError('unavailable', 'too many changes at the same time', {
            hint: 'try again',
            temporary: true,
            cause: thrown,
          });
        }
        await delay(Math.random() * Math.min(200, 10 * attempt));
      }
    }
  }

  async #write(now: Documents | undefined, change: DocumentChange): Promise<Documents> {
    const seconds = Math.floor(this.#clock.now() / 1000);
    const head = (await this.#writeFast(now, change, seconds)) ?? (await this.#import(now, change, seconds));
    const files = new Map(now?.files);
    const blobs = new Map(this.#blobs);
    for (const [path, content] of Object.entries(change.files)) {
      if (content === null) files.delete(path);
      else {
        files.set(path, content);
        blobs.set(blobId(content, head), content);
      }
    }
    this.#blobs = blobs;
    this.#cached = { head, files, hasMore: now?.hasMore ?? false };
    return this.#cached;
  }

  async #writeFast(
    now: Documents | undefined,
    { files, message, who, keeps }: DocumentChange,
    seconds: number,
  ): Promise<string | undefined> {
    if (!this.#isFast || now === undefined || now.hasMore || now.head.length !== 40) return undefined;
    // What is not UTF-8 was not read as it is: only git carries it over.
    for (const [path, content] of now.files)
      if (path.includes('\ufffd') || content.includes('\ufffd')) return undefined;
    const next = new Map(now.files);
    for (const [path, content] of Object.entries(files)) {
      if (content === null) next.delete(path);
      else next.set(path, content);
    }
    const head = await commitFiles(this.#gitDir, LEDGER_REF, now.head, next, new Set(Object.keys(files)), {
      author: identName(who),
      message: `${oneLine(message)}\n`,
      seconds,
      ...(keeps === undefined ? {} : { keeps }),
    });
    if (head === undefined && (await this.head()) !== now.head)
      throw new SlipwayError('conflict', 'another writer was faster', { temporary: true });
    return head;
  }

  async #import(now: Documents | undefined, change: DocumentChange, seconds: number): Promise<string> {
    const input = importStream(now?.head, change, seconds);
    const args = [...DURABLE, 'fast-import', '--quiet', '--done', '--date-format=raw'];
    const head = await this.#git.text(args, { gitDir: this.#gitDir, input });
    // git syncs the files, not the directory that names the ref (a journaling file system syncs the objects' with it).
    await syncDirectory(dirname(join(this.#gitDir, LEDGER_REF)));
    return head;
  }

  async #load(head: string): Promise<Documents> {
    const fast = this.#isFast ? await loadFiles(this.#gitDir, head, this.#blobs) : undefined;
    if (fast !== undefined) {
      this.#blobs = fast.blobs;
      this.#cached = { head, files: fast.files, hasMore: false };
      return this.#cached;
    }
    const call = { gitDir: this.#gitDir };
    const listing = await this.#git.text(['ls-tree', '-r', '-z', '--full-tree', head], call);
    const lines = listing.split('\0').filter((line) => line !== '');
    const entries = lines.flatMap((line) => {
      const match = /^100644 blob ([0-9a-f]+)\t(.+)$/s.exec(line);
      return match?.[1] !== undefined && match[2] !== undefined ? [{ oid: match[1], path: match[2] }] : [];
    });
    const missing = new Set(entries.map((entry) => entry.oid).filter((oid) => !this.#blobs.has(oid)));
    const blobs = new Map(this.#blobs);
    if (missing.size > 0) {
      const input = `${[...missing].join('\n')}\n`;
      for (const [oid, content] of parseBatch(
        await this.#git.run(['cat-file', '--batch'], { ...call, input }),
      )) {
        blobs.set(oid, content);
      }
    }
    const current = new Map(entries.map(({ oid }) => [oid, blobs.get(oid) ?? '']));
    const documents = {
      head,
      files: new Map(entries.map(({ oid, path }) => [path, current.get(oid) ?? ''])),
      hasMore: entries.length < lines.length,
    };
    this.#blobs = current;
    this.#cached = documents;
    return documents;
  }
}

/** git-fast-import(1), "Input format". */
function importStream(parent: string | undefined, change: DocumentChange, seconds: number): Buffer {
  const data = (text: string): string => `data ${Buffer.byteLength(text)}\n${text}\n`;
  const author = identName(change.who);
  return Buffer.from(
    [
      `commit ${LEDGER_REF}\n`,
      'mark :1\n',
      `author ${author} <${author}> ${seconds} +0000\n`,
      `committer slipway <slipway> ${seconds} +0000\n`,
      data(`${oneLine(change.message)}\n`),
      parent === undefined ? '' : `from ${parent}\n`,
      change.keeps === undefined ? '' : `merge ${change.keeps}\n`,
      ...Object.entries(change.files).map(([path, content]) =>
        content === null ? `D ${path}\n` : `M 100644 inline ${path}\n${data(content)}`,
      ),
      '\nget-mark :1\n',
      'done\n',
    ].join(''),
  );
}

/** A name as git's ident line can hold it: no angle brackets, no line ends. */
function identName(who: string): string {
  const name = oneLine(who.replace(/[<>]/g, '')).slice(0, 100);
  return name === '' ? 'unknown' : name;
}

/** Text from outside as one line without control characters, for a message or a name. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();
}

/** git-cat-file(1), "BATCH OUTPUT": `<oid> SP <type> SP <size> LF <contents> LF`. */
function* parseBatch(output: Buffer): Generator<[oid: string, content: string]> {
  for (let at = 0; at < output.length; ) {
    const headerEnd = output.indexOf('\n', at);
    const [oid = '', , size = ''] = output.toString('latin1', at, headerEnd).split(' ');
    if (!/^\d+$/.test(size))
      throw new SlipwayError('internal', `a document of the ledger is missing: ${oid}`);
    const start = headerEnd + 1;
    yield [oid, output.toString('utf8', start, start + Number(size))];
    at = start + Number(size) + 1;
  }
}

function blobId(content: string, head: string): string {
  const bytes = Buffer.from(content);
  return createHash(head.length === 64 ? 'sha256' : 'sha1')
    .update(`blob ${bytes.length}\0`)
    .update(bytes)
    .digest('hex');
}

export async function repositoryExists(gitDir: string): Promise<boolean> {
  try {
    await access(join(gitDir, 'HEAD'));
    return true;
  } catch (thrown) {
    if (isErrno(thrown, 'ENOENT')) return false;
    throw thrown;
  }
}
