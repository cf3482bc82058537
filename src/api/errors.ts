/** Errors as the API answers them: JSON with code, message, and what to do next. Never a stack trace, never HTML. */
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply } from 'fastify';
import { limitVariable } from '../config.js';
import { SlipwayError, toSlipwayError } from '../errors.js';

export function sendError(reply: FastifyReply, error: SlipwayError): FastifyReply {
  // RFC 9110, section 11.6.1: an answer 401 names the scheme.
  if (error.code === 'unauthorized') reply.header('www-authenticate', 'Bearer realm="Slipway"');
  return reply.code(error.httpStatus).send(errorBody(error));
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
  const body = JSON.stringify(errorBody(new SlipwayError('bad_request', message)));
  if (socket.writable)
    socket.write(
      `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  socket.destroySoon();
}

function errorBody(error: SlipwayError): object {
  // What went wrong inside is for the operator's log, not for the caller.
  if (error.code === 'internal') {
    const message = 'Slipway failed; the operator finds the reason in the log of the web process';
    return { code: error.code, message };
  }
  const { code, message, where, hint } = error;
  return {
    code,
    message,
    ...(where === undefined ? {} : { where }),
    ...(hint === undefined ? {} : { hint }),
  };
}
