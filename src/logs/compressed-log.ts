/**
 * A log that has come to its end, compressed so that it is still read by offsets of its uncompressed bytes: gzip in blocks, each of
 * which says how long it is (BGZF: SAM/BAM format specification, 4.1). zcat reads it too. It lies beside where the log was.
 */
import { type FileHandle, open, rename, rm, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { crc32, deflateRaw, inflateRaw } from 'node:zlib';
import { syncDirectory } from '../durable.js';
import { openIfThere, readAt } from './tail.js';

const deflate = promisify<Uint8Array, Buffer>(deflateRaw);
const inflate = promisify<Uint8Array, Buffer>(inflateRaw);

/** Of uncompressed bytes, in every block but the last: with its frame it fits 64 KiB also when nothing can be compressed. */
const BLOCK_BYTES = 65_280;
/** RFC 1952: magic, deflate, FEXTRA, no time, unknown system; a field "BC" of two bytes, which is the block's length - 1. */
const HEADER = Buffer.from('1f8b08040000000000ff0600424302000000', 'hex');
const LENGTH_AT = 16;
/** CRC32 and length of the uncompressed bytes. */
const TRAILER_BYTES = 8;

export function compressedPath(path: string): string {
  return `${path}.gz`;
}

/**
 * Nobody writes it any more. Whoever opens the log finds one of the two, whole, at every moment. Answers with the bytes that are
 * free now, or undefined when there is no log.
 */
export async function compressLog(path: string): Promise<number | undefined> {
  const file = await openIfThere(path);
  if (file === undefined) return undefined;
  const target = compressedPath(path);
  const staged = `${target}.${process.pid}`;
  try {
    const { size } = await file.stat();
    const written = await writeBlocks(file, staged);
    await rename(staged, target);
    await syncDirectory(dirname(path));
    await unlink(path);
    return size - written;
  } finally {
    await file.close();
    await rm(staged, { force: true });
  }
}

async function writeBlocks(from: FileHandle, path: string): Promise<number> {
  const to = await open(path, 'w', 0o640);
  try {
    let written = 0;
    for (let offset = 0; ; offset += BLOCK_BYTES) {
      const data = await readAt(from, offset, BLOCK_BYTES);
      const block = await blockOf(data);
      await to.write(block);
      written += block.length;
      // An empty block is the end, in the format too.
      if (data.length === 0) break;
    }
    await to.sync();
    return written;
  } finally {
    await to.close();
  }
}

async function blockOf(data: Buffer): Promise<Buffer> {
  const block = Buffer.concat([HEADER, await deflate(data), Buffer.alloc(TRAILER_BYTES)]);
  block.writeUInt16LE(block.length - 1, LENGTH_AT);
  block.writeUInt32LE(crc32(data), block.length - TRAILER_BYTES);
  block.writeUInt32LE(data.length, block.length - 4);
  return block;
}

/** And is not there uncompressed, as after a compression that was cut off. */
export async function isCompressed(path: string): Promise<boolean> {
  return !(await isThere(path)) && (await isThere(compressedPath(path)));
}

async function isThere(path: string): Promise<boolean> {
  const file = await openIfThere(path);
  await file?.close();
  return file !== undefined;
}

/** At most `maxBytes` of the uncompressed log from an offset; empty at its end. Undefined when it was not compressed. */
export async function readCompressed(
  path: string,
  fromOffset: number,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const file = await openIfThere(compressedPath(path));
  if (file === undefined) return undefined;
  try {
    let position = 0;
    let skip = Math.floor(fromOffset / BLOCK_BYTES);
    const parts: Buffer[] = [];
    let have = -(fromOffset % BLOCK_BYTES);
    while (have < maxBytes) {
      const header = await readAt(file, position, HEADER.length);
      if (header.length < HEADER.length) break;
      const length = header.readUInt16LE(LENGTH_AT) + 1;
      if (skip > 0) skip -= 1;
      else {
        const body = await readAt(file, position + HEADER.length, length - HEADER.length - TRAILER_BYTES);
        const data = await inflate(body);
        if (data.length === 0) break;
        parts.push(data);
        have += data.length;
      }
      position += length;
    }
    const from = fromOffset % BLOCK_BYTES;
    return Buffer.concat(parts).subarray(from, from + maxBytes);
  } finally {
    await file.close();
  }
}
