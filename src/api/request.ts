/** Checking what a request carries, with errors that name the field. */
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import { parseReleaseNumber } from '../model/release.js';
import { isDeploymentId } from '../records/deployment-id.js';

const REASON_CHARS = 500;
const PROBLEMS = 5;

export const reasonText: z.ZodType<string> = z
  .string()
  .max(REASON_CHARS)
  .refine((text) => text.trim() !== '', 'must say why');

/** `{"reason": "…"}`, for who reads it later. */
export const Reason: z.ZodType<{ readonly reason: string }> = z.strictObject({ reason: reasonText });

/** Throws `bad_request` naming each field that is wrong. */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) => `${path.join('.').slice(0, 100) || 'body'}: ${message.slice(0, 200)}`,
  );
  throw new SlipwayError(
    'bad_request',
    `the request is not valid: ${problems.slice(0, PROBLEMS).join('; ')}`,
  );
}

/** The same for a query string or the parameters of a path, whose schemas say what a value "must be". */
export function parseNamed<T>(schema: z.ZodType<T>, values: unknown): T {
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
  throw new SlipwayError('bad_request', problems.slice(0, PROBLEMS).join('; ').slice(0, 500));
}

interface Bounds<Absent> {
  readonly min: number;
  readonly max: number;
  /** What it is when it is not given. */
  readonly absent: Absent;
}

/** A whole number of a query string, in digits only. */
export function wholeNumber<Absent extends number | undefined>({
  min,
  max,
  absent,
}: Bounds<Absent>): z.ZodType<number | Absent> {
  const rule = `must be a whole number from ${min} to ${max}`;
  return z
    .string(rule)
    .refine((digits) => digits === '' || isWithin(digits, min, max), rule)
    .optional()
    .transform((digits) => (digits === undefined || digits === '' ? absent : Number(digits)))
    .meta({
      type: 'integer',
      minimum: min,
      maximum: max,
      ...(absent === undefined ? {} : { default: absent }),
    });
}

function isWithin(digits: string, min: number, max: number): boolean {
  return /^\d{1,16}$/.test(digits) && Number(digits) >= min && Number(digits) <= max;
}

/** `?follow=1` */
export const flag: z.ZodType<boolean> = z
  .string('must be 0 or 1')
  .refine((digit) => ['', '0', '1'].includes(digit), 'must be 0 or 1')
  .optional()
  .transform((digit) => digit === '1')
  .meta({ type: 'integer', enum: [0, 1], default: 0 });

/** A byte offset into a log. */
export const offset: z.ZodType<number> = wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER, absent: 0 });

/** The last lines of an output, and whether what comes is sent too. */
export const tail: z.ZodType<{ readonly lines: number; readonly follow: boolean }> = z.object({
  lines: wholeNumber({ min: 1, max: 10_000, absent: 100 }),
  follow: flag,
});

/** `v12` or `12`, as a person names a release. */
export const Version: z.ZodType<number> = z
  .string('must be a release such as v12')
  .transform(releaseNumber)
  .meta({ description: 'A release: v12, or 12', pattern: '^v?[1-9][0-9]{0,8}$', example: 'v12' });

export const BuildId: z.ZodType<string> = z
  .string('must be a build id')
  .refine(isDeploymentId, 'must be a build id')
  .meta({ description: 'The id of a build', example: 'b1k5xw3f9aq7m2c' });

/** Throws `bad_request`. */
export function releaseNumber(text: string): number {
  const number = parseReleaseNumber(text);
  if (number !== undefined) return number;
  throw new SlipwayError('bad_request', `${JSON.stringify(text.slice(0, 20))} is not a release`, {
    hint: 'write it as v12',
  });
}
