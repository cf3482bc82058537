/** A client that sends its body slower than this holds a connection for nothing. Pushes have a limit of their own. */
import type { FastifyInstance } from 'fastify';
import { SlipwayError } from '../errors.js';

export function limitBodyTime(api: FastifyInstance, bodyMs: number): void {
  api.addHook('preParsing', (request, reply, payload, done) => {
    // Theirs is never read.
    if (request.method === 'GET' || request.method === 'HEAD') {
      done(null, payload);
      return;
    }
    const timer = setTimeout(() => {
      const message = `the request body took longer than ${bodyMs / 1000} s`;
      // The reader of the body takes this for its end; `destroy` would cut the connection without an answer.
      payload.emit('error', new SlipwayError('bad_request', message));
    }, bodyMs);
    const stop = (): void => clearTimeout(timer);
    payload.once('end', stop).once('close', stop).once('error', stop);
    reply.raw.once('close', stop);
    done(null, payload);
  });
}
