/** Fetching one blob into a file: hashed while it is written, resumed where it was cut, never there half. */
import { createHash, type Hash, randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { SlipwayError } from '../errors.js';
import { RegistryFault } from './faults.js';
import { type Descriptor, isForeignLayer } from './image.js';
import { withRetries } from './retry.js';
import type { Place, Transport } from './transport.js';
import type { WireAnswer } from './wire.js';

/** Of a download, written at once. */
const BATCH_BYTES = 256 * 1024;

export interface BlobFetch {
  readonly signal?: AbortSignal | undefined;
  readonly tries?: number | undefined;
  /**
   * An existing file that has the bytes so far, for who reads along; the caller removes it. It may begin anew, and what it
   * has is not verified before `toFile` is there.
   */
  readonly growing?: string | undefined;
}

/**
 * Fetches a blob from one place. `toFile` appears only when its digest and size are right; several calls for the same
 * file do not disturb each other. Throws `image_invalid`, `image_not_found`, `registry_denied`,
 * `registry_unavailable`, or the signal's reason.
 */
export async function fetchBlobFrom(
  transport: Transport,
  place: Place,
  descriptor: Descriptor,
  toFile: string,
  { signal, tries, growing }: BlobFetch = {},
): Promise<void> {
  refuseForeign(descriptor, place);
  const partFile = growing ?? `${toFile}.part-${randomBytes(6).toString('hex')}`;
  const file = await open(partFile, growing === undefined ? 'wx' : 'w', 0o600);
  try {
    const part = new PartialBlob(file, descriptor, place);
    try {
      const retries = transport.retries(signal, tries);
      while (!part.complete) {
        const before = part.received;
        await withRetries(async () => {
          try {
            await fetchRest(transport, place, part, signal);
          } catch (error) {
            // A cut after some progress is no failed try: the next begins where this ended.
            if (part.received > before && isCut(error) && retries.budget.take(0)) return;
            throw error;
          }
        }, retries);
      }
      part.verify();
    } finally {
      await file.close();
    }
    await rename(partFile, toFile);
  } catch (error) {
    if (growing === undefined) await rm(partFile, { force: true });
    throw error;
  }
}

/** Throws `image_invalid` for a layer that lies elsewhere on the internet. */
export function refuseForeign(layer: Descriptor, place: Place): void {
  if (!isForeignLayer(layer)) return;
  throw new SlipwayError(
    'image_invalid',
    `the layer ${layer.digest} lies outside of the registry (a foreign layer)`,
    {
      where: `${place.registry}/${place.repository}`,
      hint: 'use an image whose layers are all in its registry',
    },
  );
}

function isCut(error: unknown): boolean {
  return error instanceof RegistryFault && error.temporary && error.status === undefined;
}

async function fetchRest(
  transport: Transport,
  place: Place,
  part: PartialBlob,
  signal?: AbortSignal,
): Promise<void> {
  const { digest } = part.descriptor;
  const from = part.received;
  await transport.stream(
    {
      place,
      method: 'GET',
      target: `blobs/${digest}`,
      // RFC 9110 §14.2; a server that does not know ranges answers 200 with everything.
      headers: from === 0 ? {} : { range: `bytes=${from}-` },
      actions: 'pull',
      expect: from === 0 ? [200] : [200, 206, 416],
      where: part.where,
      missing: `the blob ${digest}`,
      large: true,
      signal,
    },
    async (answer) => {
      if (answer.status !== 206 || rangeStart(answer) !== from) await part.restart();
      if (answer.status === 416) throw part.cut('the registry does not resume');
      part.checkLength(answer);
      try {
        for await (const chunk of answer.chunks) await part.add(chunk);
      } finally {
        await part.settle();
      }
      if (!part.complete) throw part.cut(`it ended after ${part.received} of ${part.descriptor.size} bytes`);
    },
  );
}

function rangeStart(answer: WireAnswer): number | undefined {
  const match = /^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '');
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** What has arrived of a blob, and its hash so far. Chunks are written in batches, one while the next one arrives. */
class PartialBlob {
  readonly descriptor: Descriptor;
  readonly where: string;
  readonly #file: FileHandle;
  readonly #place: Place;
  #hash: Hash = createHash('sha256');
  #held: Buffer[] = [];
  #heldBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  received = 0;

  constructor(file: FileHandle, descriptor: Descriptor, place: Place) {
    this.#file = file;
    this.descriptor = descriptor;
    this.#place = place;
    this.where = `${place.registry}/${place.repository}@${descriptor.digest}`;
  }

  get complete(): boolean {
    return this.received === this.descriptor.size;
  }

  async restart(): Promise<void> {
    if (this.received === 0) return;
    await this.#file.truncate(0);
    this.#hash = createHash('sha256');
    this.received = 0;
  }

  checkLength(answer: WireAnswer): void {
    const declared = answer.headers['content-length'];
    const expected = this.descriptor.size - this.received;
    if (declared !== undefined && Number(declared) !== expected) {
      throw this.#invalid(
        `has ${this.received + Number(declared)} bytes where the manifest says ${this.descriptor.size}`,
      );
    }
  }

  async add(chunk: Buffer): Promise<void> {
    if (this.received + chunk.length > this.descriptor.size) {
      throw this.#invalid(`has more than the ${this.descriptor.size} bytes that the manifest says`);
    }
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    this.received += chunk.length;
    if (this.#heldBytes >= BATCH_BYTES) await this.#writeHeld();
  }

  /** Everything that was added is in the file. */
  async settle(): Promise<void> {
    await this.#writeHeld();
    await this.#writing;
  }

  /** Waits for the batch before, so that at most two are in memory. */
  async #writeHeld(): Promise<void> {
    await this.#writing;
    const [chunks, at] = [this.#held, this.received - this.#heldBytes];
    this.#held = [];
    this.#heldBytes = 0;
    this.#writing = this.#write(chunks, at);
    // It is thrown by whoever waits for it next.
    this.#writing.catch(() => undefined);
  }

  async #write(chunks: readonly Buffer[], at: number): Promise<void> {
    if (chunks.length === 0) return;
    for (const chunk of chunks) this.#hash.update(chunk);
    const { bytesWritten } = await this.#file.writev(chunks, at);
    const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (bytesWritten === sizeBytes) return;
    // A disk that is almost full takes a part, and says why with the next one.
    const rest = Buffer.concat(chunks);
    for (let written = bytesWritten; written < sizeBytes; )
      written += (await this.#file.write(rest, written, sizeBytes - written, at + written)).bytesWritten;
  }

  verify(): void {
    const digest = `sha256:${this.#hash.digest('hex')}`;
    if (digest !== this.descriptor.digest) throw this.#invalid(`has the digest ${digest}`);
  }

  cut(why: string): RegistryFault {
    return new RegistryFault(
      'registry_unavailable',
      `the registry ${this.#place.registry} sent only a part: ${why}`,
      {
        where: this.where,
        temporary: true,
      },
    );
  }

  #invalid(what: string): SlipwayError {
    return new SlipwayError('image_invalid', `what ${this.#place.registry} sent for the blob ${what}`, {
      where: this.where,
      hint: 'the registry or something on the way to it changes what it stores; push the image there again',
    });
  }
}
