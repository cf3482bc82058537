/** Errors as the API answers them: problem details (RFC 9457) with our code, where, and what to do next. Never a stack trace, never HTML. */
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply } from 'fastify';
import { z } from 'zod';
import { limitVariable } from '../config.js';
import { ERROR_CODES, type ErrorCode, SlipwayError, toSlipwayError } from '../errors.js';
import { described, maybe, number, text } from './described.js';

/** Its type as browsers and proxies read it. */
export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

export interface Problem {
  /** `urn:slipway:error:` and the code. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What went wrong this time. */
  readonly detail: string;
  /** The request, as the log of the web process names it. */
  readonly instance?: string;
  readonly code: ErrorCode;
  /** A file with a line, a setting, a host. */
  readonly where?: string;
  /** What to do next. */
  readonly hint?: string;
}

export const ProblemDetails: z.ZodType<Problem> = described<Problem>('Problem', {
  type: text,
  title: text,
  status: number,
  detail: text,
  instance: maybe(text),
  code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
  where: maybe(text),
  hint: maybe(text),
});

export function sendError(reply: FastifyReply, error: SlipwayError): FastifyReply {
  // RFC 9110, section 11.6.1: an answer 401 names the scheme.
  if (error.code === 'unauthorized') reply.header('www-authenticate', 'Bearer realm="Slipway"');
  const body = JSON.stringify({ ...problemOf(error), instance: `urn:uuid:${reply.request.id}` });
  return reply.code(error.httpStatus).type(PROBLEM_TYPE).send(body);
}

/** fastify's own errors (a body that is no JSON, one that is too large) are the caller's. */
export function translate(error: FastifyError | SlipwayError, bodyBytes: number): SlipwayError {
  if (error instanceof SlipwayError) return error;
  if (error.statusCode === 413)
    return new SlipwayError('too_large', `the request body is larger than ${bodyBytes} bytes`, {
      hint: `send less at once, or have the operator raise ${limitVariable('apiBodyBytes')}`,
    });
  if (error.statusCode === 415)
    return new SlipwayError('bad_request', 'the request body must be JSON', {
      hint: 'send it with content-type: application/json',
    });
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    // fastify repeats what was sent, however long it is.
    return new SlipwayError('bad_request', error.message.slice(0, 200));
  }
  return toSlipwayError(error);
}

/** What comes before a request is one: a head that is too large, too slow, or no HTTP. There is no reply to send it with. */
export function answerBrokenRequest(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const [status, message] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'the head of the request took too long']
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'the URL and the headers are larger than 16 KiB']
        : ['400 Bad Request', 'this is not an HTTP request'];
  const problem = problemOf(new SlipwayError('bad_request', message), Number.parseInt(status, 10));
  const body = JSON.stringify(problem);
  if (socket.writable)
    socket.write(
      `HTTP/1.1 ${status}\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  socket.destroySoon();
}

function problemOf(error: SlipwayError, status: number = error.httpStatus): Problem {
  const { code, where, hint } = error;
  const kind = { type: `urn:slipway:error:${code}`, title: TITLES[code], status, code };
  // What went wrong inside is for the operator's log, not for the caller.
  if (code === 'internal')
    return { ...kind, detail: 'Slipway failed; the operator finds the reason in the log of the web process' };
  return {
    ...kind,
    detail: error.message,
    ...(where === undefined ? {} : { where }),
    ...(hint === undefined ? {} : { hint }),
  };
}

/** `not_found` → `Not found` */
const TITLES = Object.fromEntries(
  Object.keys(ERROR_CODES).map((code) => {
    const words = code.replaceAll('_', ' ');
    return [code, `${words.charAt(0).toUpperCase()}${words.slice(1)}`];
  }),
) as Readonly<Record<ErrorCode, string>>;
