/** One GET for ADD: redirects, limits of size and time, and no address that a build must not reach. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SlipwayError } from '../../errors.js';
import type { AddressGuard } from './address-guard.js';

export interface Validators {
  readonly etag?: string;
  readonly lastModified?: string;
}

export interface Downloaded extends Validators {
  /** `sha256:<hex>` */
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface DownloadOptions {
  readonly guard: AddressGuard;
  /** Where the bytes go. */
  readonly file: string;
  /** Of an earlier answer: when it still holds, there is no new one. */
  readonly known?: Validators;
  readonly maxBytes: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const MAX_REDIRECTS = 10;
/** Without a byte. */
const IDLE_MS = 60_000;

/** Undefined when what is known still holds. Throws `step_failed`, `step_limit`, `step_timeout` or `forbidden`. */
export async function download(url: string, options: DownloadOptions): Promise<Downloaded | undefined> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([options.signal, timeout]);
  try {
    return await followed(new URL(url), options, signal);
  } catch (error) {
    options.signal.throwIfAborted();
    if (timeout.aborted) {
      throw new SlipwayError('step_timeout', `${shownUrl(url)} took longer than ${options.timeoutMs} ms`, {
        hint: 'raise the limit with SLIPWAY_LIMIT_STEP_TIMEOUT_MS',
      });
    }
    if (error instanceof SlipwayError) throw error;
    throw new SlipwayError('step_failed', `${shownUrl(url)} cannot be fetched: ${(error as Error).message}`, {
      hint: 'is the address right, and the server up?',
      temporary: true,
      cause: error,
    });
  }
}

/** Without user name and password. */
export function shownUrl(url: string): string {
  return url.replace(/^([a-z]+:\/\/)[^/?#]*@/i, '$1');
}

async function followed(
  first: URL,
  options: DownloadOptions,
  signal: AbortSignal,
): Promise<Downloaded | undefined> {
  let url = first;
  for (let redirects = 0; ; redirects++) {
    const response = await answer(url, options, signal);
    const { statusCode = 0, headers } = response;
    const isRedirect = [301, 302, 303, 307, 308].includes(statusCode) && headers.location !== undefined;
    if (!isRedirect) return received(url, response, options, signal);
    response.destroy();
    if (redirects === MAX_REDIRECTS)
      throw new SlipwayError('step_failed', `${shownUrl(first.href)} leads through too many redirects`);
    url = new URL(headers.location ?? '', url);
  }
}

function answer(
  url: URL,
  { guard, known = {} }: DownloadOptions,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new SlipwayError('step_failed', `${shownUrl(url.href)} is neither http nor https`);
  guard.check(url.hostname);
  const headers = {
    'user-agent': 'slipway',
    'accept-encoding': 'identity',
    ...(known.etag === undefined ? {} : { 'if-none-match': known.etag }),
    ...(known.lastModified === undefined ? {} : { 'if-modified-since': known.lastModified }),
  };
  // A connection of its own: one that is kept open was checked for another name.
  const options = { headers, signal, lookup: guard.lookup, agent: false, timeout: IDLE_MS } as const;
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, resolve);
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error(`nothing came for ${IDLE_MS} ms`)));
    request.end();
  });
}

async function received(
  url: URL,
  response: IncomingMessage,
  { file, known, maxBytes }: DownloadOptions,
  signal: AbortSignal,
): Promise<Downloaded | undefined> {
  const { statusCode = 0, headers } = response;
  if (statusCode === 304 && known !== undefined) {
    response.resume();
    return undefined;
  }
  if (statusCode < 200 || statusCode > 299) {
    response.destroy();
    throw new SlipwayError('step_failed', `${shownUrl(url.href)} answers ${statusCode}`, {
      hint: 'is the address right, and may anybody fetch it?',
      temporary: statusCode >= 500 || statusCode === 429,
    });
  }
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const measured = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sizeBytes += chunk.length;
      hash.update(chunk);
      if (sizeBytes <= maxBytes) done(null, chunk);
      else
        done(
          new SlipwayError('step_limit', `${shownUrl(url.href)} is larger than ${maxBytes} bytes`, {
            hint: 'raise the limit with SLIPWAY_LIMIT_STEP_DISK_BYTES',
          }),
        );
    },
  });
  await pipeline(response, measured, createWriteStream(file, { mode: 0o600 }), { signal });
  const { etag, 'last-modified': lastModified } = headers;
  return {
    digest: `sha256:${hash.digest('hex')}`,
    sizeBytes,
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
  };
}
