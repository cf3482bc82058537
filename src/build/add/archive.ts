/**
 * Is a file of ADD an archive, and what is in it: tar by its first header, plain or in gzip, bzip2, xz or zstd. What is
 * compressed and no tar is a file like any other.
 */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type ArchivedEntry, unpackArchive } from '../../../native/index.js';
import { ARCHIVE_HEAD_BYTES, type ArchiveFormat, archiveFormat } from '../../dockerfile/add.js';
import { isErrno, SlipwayError } from '../../errors.js';
import type { CopySource, SourceContent } from '../copy/copy-source.js';
import type { Archive } from '../copy/extract.js';

export interface ArchiveTools {
  /** An empty directory on the store's file system; the caller removes it. */
  readonly scratch: () => Promise<string>;
  /** Of what an archive may hold, in bytes. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

const MAX_ENTRIES = 500_000;
/** Above what gzip can reach (1032): only what zstd and its like make of nothing is more, and the bytes are limited anyway. */
const MAX_RATIO = 1100;

/** A decompressor must not take more memory, whatever the header of the file asks for. */
const MEMORY = '1GiB';
const PROGRAMS: Readonly<Partial<Record<ArchiveFormat, readonly [string, ...string[]]>>> = {
  xz: ['xz', '--decompress', '--stdout', `--memlimit-decompress=${MEMORY}`],
  bzip2: ['bzip2', '--decompress', '--stdout'],
};

/** Undefined when it is none. Throws `context_invalid` for a damaged archive, `context_too_large` for one that is too large. */
export async function openArchive(
  name: string,
  content: SourceContent,
  tools: ArchiveTools,
): Promise<Archive | undefined> {
  const format = archiveFormat(await headOf(content));
  if (format === undefined) return undefined;
  const scratch = await tools.scratch();
  const file = 'file' in content ? content.file : join(scratch, 'archive');
  if ('data' in content) await writeFile(file, content.data, { mode: 0o600 });
  try {
    const program = PROGRAMS[format];
    const plain =
      program === undefined ? file : await decompressed(program, file, join(scratch, 'tar'), tools);
    const spool = join(scratch, 'files');
    const entries = plain === undefined ? undefined : await taken(plain, spool, tools);
    return entries === undefined ? undefined : { name, entries, source: spoolSource(spool) };
  } catch (error) {
    throw translated(name, error, tools.maxBytes);
  }
}

async function headOf(content: SourceContent): Promise<Uint8Array> {
  if ('data' in content) return content.data.subarray(0, ARCHIVE_HEAD_BYTES);
  const file = await open(content.file);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(ARCHIVE_HEAD_BYTES), 0, ARCHIVE_HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function taken(
  archive: string,
  spool: string,
  { maxBytes, signal }: ArchiveTools,
): Promise<readonly ArchivedEntry[] | undefined> {
  return unpackArchive({ archive, spool, maxBytes, maxRatio: MAX_RATIO, maxEntries: MAX_ENTRIES, signal });
}

/** The path of the decompressed tar; undefined as soon as its first bytes show that it is none. */
async function decompressed(
  [program, ...args]: readonly [string, ...string[]],
  from: string,
  to: string,
  { maxBytes, signal }: ArchiveTools,
): Promise<string | undefined> {
  const source = await open(from);
  const stdio: ['pipe' | number, 'pipe', 'ignore'] = [source.fd, 'pipe', 'ignore'];
  const child = spawn(program, args, { stdio, signal, killSignal: 'SIGKILL' });
  if (child.stdout === null) throw new SlipwayError('internal', 'a pipe is missing');
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  ended.catch(() => undefined);
  const gate = new TarGate(maxBytes);
  try {
    await pipeline(child.stdout, gate, createWriteStream(to, { mode: 0o600 }));
    const code = await ended;
    if (!gate.isTar) return undefined;
    if (code !== 0)
      throw Object.assign(new Error('its compressed data is damaged'), { code: 'LAYER_INVALID' });
    return to;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof NoTar) return undefined;
    if (isErrno(error, 'ENOENT')) {
      throw new SlipwayError('unavailable', `${program} is not installed on the builder`, {
        hint: 'run bin/setup on the machine of the builder',
      });
    }
    throw error;
  } finally {
    child.kill('SIGKILL');
    await ended.catch(() => undefined);
    await source.close();
  }
}

class NoTar extends Error {}

/** Lets a tar through, up to a size. */
class TarGate extends Transform {
  isTar = false;
  readonly #maxBytes: number;
  #head: Buffer = Buffer.alloc(0);
  #bytes = 0;

  constructor(maxBytes: number) {
    super();
    this.#maxBytes = maxBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#bytes += chunk.length;
    done(this.#passed(chunk));
  }

  #passed(chunk: Buffer): Error | undefined {
    if (this.#bytes > this.#maxBytes)
      return Object.assign(new Error('it is too large'), { code: 'LAYER_TOO_LARGE' });
    if (this.isTar) {
      this.push(chunk);
      return undefined;
    }
    this.#head = Buffer.concat([this.#head, chunk]);
    if (this.#head.length < ARCHIVE_HEAD_BYTES) return undefined;
    if (archiveFormat(this.#head) !== 'tar') return new NoTar();
    this.isTar = true;
    this.push(this.#head);
    return undefined;
  }
}

/** Entries' handles are offsets in the spool. */
function spoolSource(spool: string): CopySource {
  return {
    select: async () => [],
    content: async ({ handle, sizeBytes }) => ({
      file: spool,
      range: { offset: Number(handle), sizeBytes },
    }),
  };
}

function translated(name: string, error: unknown, maxBytes: number): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const text = String(message).replaceAll("the layer's archive", 'it').replaceAll('the layer', 'it');
  if (code === 'LAYER_TOO_LARGE') {
    return new SlipwayError('context_too_large', `the archive ${name} is too large to be unpacked: ${text}`, {
      hint: `at most ${maxBytes} bytes and ${MAX_ENTRIES} entries are unpacked; ADD --unpack=false copies it as it is`,
    });
  }
  if (code !== 'LAYER_INVALID') return error;
  return new SlipwayError('context_invalid', `the archive ${name} cannot be unpacked: ${text}`, {
    hint: 'make the archive anew, or copy it with ADD --unpack=false',
  });
}
