/**
 * Lists that grow, in pages: `limit` and `cursor` are asked, `next` is answered while there is more. A cursor names the last item that
 * was seen, so that what is added or goes meanwhile neither repeats nor hides one.
 */
import { z } from 'zod';
import { wholeNumber } from './request.js';

const MOST = 1000;

/** For the query of a list that is answered whole when no limit is asked for. */
export const paged: { readonly limit: z.ZodType<number>; readonly cursor: z.ZodOptional<z.ZodString> } = {
  limit: wholeNumber({ min: 1, max: MOST, absent: MOST }).describe('At most so many'),
  cursor: z
    .string('must be what an answer gave as `next`')
    .min(1, 'must be what an answer gave as `next`')
    .max(100, 'must be what an answer gave as `next`')
    .optional()
    .describe('What the page before gave as `next`'),
};

/** For the answer. */
export const next: z.ZodExactOptional<z.ZodString> = z
  .string()
  .exactOptional()
  .describe('The cursor of the next page; absent with the last');

/** `rest` begins after the cursor. */
export function pageOf<T>(
  rest: readonly T[],
  limit: number,
  cursorOf: (last: T) => string,
): { readonly items: T[]; readonly more: { next?: string } } {
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  return { items, more: last === undefined || rest.length <= limit ? {} : { next: cursorOf(last) } };
}
