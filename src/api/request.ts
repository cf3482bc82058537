/** Checking what a request carries, with errors that name the field. */
import { z } from 'zod';
import { SlipwayError } from '../errors.js';

export interface AppParams {
  readonly app: string;
}

const REASON_CHARS = 500;

export const reasonText: z.ZodType<string> = z
  .string()
  .max(REASON_CHARS)
  .refine((text) => text.trim() !== '', 'must say why');

/** `{"reason": "…"}`, for who reads it later. */
export const Reason: z.ZodType<{ readonly reason: string }> = z.strictObject({ reason: reasonText });

/** What a query string gives for a name: several for a name that is repeated. */
export type Query = string | readonly string[] | undefined;

/** Throws `bad_request` naming each field that is wrong. */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.').slice(0, 100) || 'body'}: ${issue.message.slice(0, 200)}`);
  throw new SlipwayError('bad_request', `the request is not valid: ${problems.join('; ')}`);
}

/** A whole number from a query string within bounds, or the default when it is absent. */
export function wholeNumber(
  text: Query,
  name: string,
  bounds: { min: number; max: number; absent: number },
): number {
  if (text === undefined || text === '') return bounds.absent;
  const value = typeof text === 'string' && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= bounds.min && value <= bounds.max) return value;
  throw new SlipwayError('bad_request', `${name} must be a whole number from ${bounds.min} to ${bounds.max}`);
}
