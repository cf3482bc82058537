/**
 * How often one may ask: generously with a token, since whoever has one is known, and a little without. A token that is valid is never
 * refused for what others at its address do: behind a proxy they all have the same.
 */
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Limits, limitVariable } from '../config.js';
import { SlipwayError } from '../errors.js';
import { identityOf } from './tools.js';

const WINDOW_MS = 60_000;

/** Counts the request. Throws `too_many_requests` when there were too many. */
export type RateLimit = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

export interface RateLimits {
  /** Who has shown no valid token, by address. */
  readonly strangers: RateLimit;
  /** Who has shown one. */
  readonly people: RateLimit;
}

export async function rateLimits(
  api: FastifyInstance,
  { requestsPerMinute, strangersPerMinute }: Pick<Limits, 'requestsPerMinute' | 'strangersPerMinute'>,
): Promise<RateLimits> {
  await api.register(rateLimit, { global: false });
  const limit = (
    max: number,
    whose: string,
    name: keyof Limits,
    keyGenerator: (request: FastifyRequest) => string,
  ): RateLimit => {
    const count = api.createRateLimit({ max, timeWindow: WINDOW_MS, keyGenerator });
    return async (request, reply) => {
      const counted = await count(request);
      if (counted.isAllowed || !counted.isExceeded) return;
      reply.header('retry-after', counted.ttlInSeconds);
      throw new SlipwayError('too_many_requests', `more than ${max} requests in a minute ${whose}`, {
        hint: `ask again in ${counted.ttlInSeconds} s; the operator sets the limit with ${limitVariable(name)}`,
        temporary: true,
      });
    };
  };
  return {
    strangers: limit(
      strangersPerMinute,
      'from one address without a valid token',
      'strangersPerMinute',
      ({ ip }) => ip,
    ),
    // By whom a token speaks for, however it came: in a header, or from a browser.
    people: limit(
      requestsPerMinute,
      'of one person',
      'requestsPerMinute',
      (request) => identityOf(request).name,
    ),
  };
}
