/** Getting one blob into a repository (OCI distribution-spec v1.1, "Pushing Blobs"): mount, one PUT, or chunks. */
import { stat } from 'node:fs/promises';
import { isErrno, SlipwayError } from '../errors.js';
import { RegistryFault } from './faults.js';
import type { Digest } from './image.js';
import { type RetryOptions, withRetries } from './retry.js';
import type { Place, RegistryAnswer, RegistryRequest, Transport } from './transport.js';
import type { UploadBody } from './wire.js';

/** Where a blob's bytes come from, if the registry needs them. */
export type BlobContent =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'file'; readonly file: string | ((signal: AbortSignal) => Promise<string>) }
  | { readonly kind: 'none' };

export interface Blob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly content: BlobContent;
  /** A repository of the same registry that may have it. */
  readonly mountFrom?: string | undefined;
  /** As far as is known; with `force` it is not believed. */
  readonly isThere?: boolean;
}

export interface UploadContext {
  readonly transport: Transport;
  readonly place: Place;
  readonly retries: RetryOptions;
  readonly signal: AbortSignal;
  /** Bytes of this blob that are in the registry; goes back when an upload starts again. */
  readonly onProgress: (blob: Blob, sentBytes: number) => void;
}

export type Uploaded = 'present' | 'mounted' | 'sent';

const CHUNK_BYTES = 16 * 1024 * 1024;
const LONGEST_CHUNK_BYTES = 256 * 1024 * 1024;

/** Brings the blob into the repository. `force`: do not believe the registry that it has the blob. */
export async function uploadBlob(context: UploadContext, blob: Blob, force: boolean): Promise<Uploaded> {
  const { transport, retries } = context;
  if (blob.isThere && !force) return finished(context, blob, 'present');
  if (!(force && blob.content.kind !== 'none')) {
    const head = await transport.request(
      request(context, blob, { method: 'HEAD', target: `blobs/${blob.digest}`, expect: [200, 404] }),
      retries,
    );
    if (head.status === 200) return finished(context, blob, 'present');
  }
  let session: RegistryAnswer | undefined;
  if (blob.mountFrom !== undefined && blob.mountFrom !== context.place.repository) {
    // 201: mounted. 202: it could not be, and an upload session was opened instead.
    session = await mount(context, blob, blob.mountFrom);
    if (session?.status === 201) return finished(context, blob, 'mounted');
  }
  const body = await contentOf(context, blob);
  let chunked = false;
  await withRetries(async () => {
    context.onProgress(blob, 0);
    try {
      // A registry without monolithic uploads, or one that has forgotten the session, is served in chunks.
      if (!chunked) {
        const opened = session ?? (await openSession(context, blob));
        session = undefined;
        chunked = !(await sendWhole(context, blob, body, opened));
      }
      if (chunked) await sendInChunks(context, blob, body);
    } catch (error) {
      throw error instanceof RegistryFault ? explain(error, blob) : error;
    }
  }, retries);
  return finished(context, blob, 'sent');
}

function finished(context: UploadContext, blob: Blob, how: Uploaded): Uploaded {
  context.onProgress(blob, blob.sizeBytes);
  return how;
}

function request(
  { place, signal }: UploadContext,
  blob: Blob,
  parts: Pick<RegistryRequest, 'method' | 'target' | 'expect'> & Partial<RegistryRequest>,
): RegistryRequest {
  const where = `${place.registry}/${place.repository}@${blob.digest}`;
  return {
    place,
    where,
    actions: 'pull,push',
    missing: `the repository ${place.repository}`,
    signal,
    ...parts,
  };
}

/** Undefined when the other repository cannot be mounted from; that is never a reason to fail. */
async function mount(context: UploadContext, blob: Blob, from: string): Promise<RegistryAnswer | undefined> {
  const target = `blobs/uploads/?mount=${encodeURIComponent(blob.digest)}&from=${encodeURIComponent(from)}`;
  try {
    return await context.transport.request(
      request(context, blob, { method: 'POST', target, expect: [201, 202], alsoPull: from }),
      context.retries,
    );
  } catch (error) {
    if (error instanceof RegistryFault && !error.temporary) return undefined;
    throw error;
  }
}

async function contentOf(context: UploadContext, blob: Blob): Promise<UploadBody> {
  const { content } = blob;
  if (content.kind === 'bytes') return { bytes: content.bytes };
  const where = `${context.place.registry}/${context.place.repository}@${blob.digest}`;
  if (content.kind === 'none') {
    throw new SlipwayError(
      'layer_missing',
      'the registry does not have this layer, and neither does this machine',
      {
        where,
        hint: 'build again without the cache: git push -o no-cache',
      },
    );
  }
  const file = typeof content.file === 'string' ? content.file : await content.file(context.signal);
  const sizeBytes = await sizeOf(file);
  if (sizeBytes !== blob.sizeBytes) {
    const found =
      sizeBytes === undefined ? 'is not there' : `has ${sizeBytes} bytes instead of ${blob.sizeBytes}`;
    throw new SlipwayError(
      'layer_missing',
      `the registry does not have this layer, and its file ${file} ${found}`,
      {
        where,
        hint: 'build again without the cache: git push -o no-cache',
      },
    );
  }
  return { file, offset: 0, sizeBytes };
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** A new upload session; its Location is used as given, whatever it looks like. */
function openSession(context: UploadContext, blob: Blob): Promise<RegistryAnswer> {
  return context.transport.once(
    request(context, blob, { method: 'POST', target: 'blobs/uploads/', expect: [202] }),
  );
}

/** "POST then PUT": the whole blob in one streamed request. False: the registry does not take it this way. */
async function sendWhole(
  context: UploadContext,
  blob: Blob,
  body: UploadBody,
  session: RegistryAnswer,
): Promise<boolean> {
  let sentBytes = 0;
  const { status } = await context.transport.once(
    request(context, blob, {
      method: 'PUT',
      target: withDigest(session.location(), blob.digest),
      headers: { 'content-type': 'application/octet-stream' },
      body,
      expect: [201, 204, 404, 405],
      large: true,
      onSent: (bytes) => {
        sentBytes += bytes;
        context.onProgress(blob, Math.min(sentBytes, blob.sizeBytes));
      },
    }),
  );
  return status < 400;
}

/** "Pushing a blob in chunks": PATCHes in order, each to the Location that the last answer gave, closed by a PUT. */
async function sendInChunks(context: UploadContext, blob: Blob, body: UploadBody): Promise<void> {
  const session = await openSession(context, blob);
  const least = Number(session.header('oci-chunk-min-length') ?? 0) || 0;
  const chunkBytes = Math.min(LONGEST_CHUNK_BYTES, Math.max(CHUNK_BYTES, least));
  let location = session.location();
  for (let offset = 0; offset < blob.sizeBytes; offset += chunkBytes) {
    const end = Math.min(offset + chunkBytes, blob.sizeBytes);
    const answer = await context.transport.once(
      request(context, blob, {
        method: 'PATCH',
        target: location,
        headers: { 'content-type': 'application/octet-stream', 'content-range': `${offset}-${end - 1}` },
        body: slice(body, offset, end),
        expect: [202],
        large: true,
      }),
    );
    location = answer.location();
    context.onProgress(blob, end);
  }
  await context.transport.once(
    request(context, blob, {
      method: 'PUT',
      target: withDigest(location, blob.digest),
      expect: [201, 204],
      large: true,
    }),
  );
}

function slice(body: UploadBody, start: number, end: number): UploadBody {
  return 'bytes' in body
    ? { bytes: body.bytes.subarray(start, end) }
    : { file: body.file, offset: body.offset + start, sizeBytes: end - start };
}

/** Appended as text: a session's state in the query must come back exactly as it was given. */
function withDigest(location: URL, digest: Digest): URL {
  const url = new URL(location);
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`;
  return url;
}

/** The registry hashes what it gets: a wrong digest means that the file here is not what it was. */
function explain(fault: RegistryFault, blob: Blob): SlipwayError {
  if (!fault.has('DIGEST_INVALID')) return fault;
  const what = blob.content.kind === 'file' ? `its file ${String(blob.content.file)}` : 'what was sent';
  return new SlipwayError(
    'layer_missing',
    `the registry refused the layer: ${what} does not have its digest`,
    {
      where: fault.where ?? blob.digest,
      hint: 'the file was damaged; build again without the cache: git push -o no-cache',
      cause: fault,
    },
  );
}
