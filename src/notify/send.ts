/** One message to an address that a user named: a POST, with an end, to no address that must not be reached, and nowhere else. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Cidr } from '../build/sandbox/cidr.js';
import { toSlipwayError } from '../errors.js';
import { oneLine } from '../one-line.js';
import { outboundGuard } from '../outbound.js';

export interface Letter {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How it went; never thrown. */
export interface Answer {
  /** HTTP's, when there was an answer. */
  readonly status?: number;
  /** Why it counts as not delivered. */
  readonly error?: string;
  readonly ms: number;
}

export interface SendOptions {
  readonly allowed: readonly Cidr[];
  /** From the look-up of the name to the end of the answer, in ms. Default 10,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Of the answer, for people to read why. */
const ANSWER_BYTES = 2_000;
const ERROR_CHARS = 300;

export async function send(letter: Letter, options: SendOptions): Promise<Answer> {
  const started = performance.now();
  const ms = (): number => Math.round(performance.now() - started);
  try {
    const { statusCode = 0, text } = await posted(letter, options);
    if (statusCode >= 200 && statusCode < 300) return { status: statusCode, ms: ms() };
    const isRedirect = statusCode >= 300 && statusCode < 400;
    const error = isRedirect ? 'redirects are not followed' : oneLine(printable(text), ERROR_CHARS);
    return { status: statusCode, error: error === '' ? `HTTP ${statusCode}` : error, ms: ms() };
  } catch (thrown) {
    const { message } = toSlipwayError(thrown);
    const timedOut = thrown instanceof Error && thrown.name === 'TimeoutError';
    const error = timedOut ? `no answer within ${(options.timeoutMs ?? TIMEOUT_MS) / 1000} s` : message;
    return { error: oneLine(printable(error), ERROR_CHARS) || 'no answer', ms: ms() };
  }
}

const TIMEOUT_MS = 10_000;

async function posted(
  { url, headers, body }: Letter,
  { allowed, timeoutMs = TIMEOUT_MS, signal }: SendOptions,
): Promise<{ statusCode: number | undefined; text: string }> {
  const target = new URL(url);
  const guard = await outboundGuard(url, allowed);
  guard.check(target.hostname);
  const timeout = AbortSignal.timeout(timeoutMs);
  const stop = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  const options = {
    method: 'POST',
    headers: {
      'user-agent': 'slipway',
      'content-type': 'application/json',
      ...headers,
      'content-length': String(Buffer.byteLength(body)),
    },
    // What the guard has looked up is what is connected to; a connection that was kept open was checked for another name.
    lookup: guard.lookup,
    agent: false,
    signal: stop,
  } as const;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = (target.protocol === 'https:' ? httpsRequest : httpRequest)(target, options, resolve);
    asked.on('error', (error) => reject(stop.aborted ? stop.reason : error));
    asked.end(body);
  });
  let text = '';
  try {
    for await (const chunk of answer) {
      text += String(chunk);
      if (text.length > ANSWER_BYTES) break;
    }
  } finally {
    answer.destroy();
  }
  return { statusCode: answer.statusCode, text };
}

function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}
