/**
 * Schemas of what the API answers, beside the interfaces that they describe: the document of the API is made of them, and the tests
 * hold real answers against them. Answers are not checked when they are sent.
 */
import { z } from 'zod';

/** Of every property, also the optional ones: one that is not described is a fault of types. */
type Shape<T> = { readonly [Name in keyof T]-?: z.ZodType<Exclude<T[Name], undefined>> };

/** An object with a name of its own in the document. */
export function described<T extends object>(id: string, shape: Shape<T>): z.ZodType<T> {
  return z.object(shape).meta({ id }) as unknown as z.ZodType<T>;
}

/** The same without a name: it is a part of others, or of one answer. */
export function part<T extends object>(shape: Shape<T>): z.ZodType<T> {
  return z.object(shape) as unknown as z.ZodType<T>;
}

/** What may be absent. */
export function maybe<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return schema.exactOptional() as unknown as z.ZodType<T>;
}

export function list<T>(schema: z.ZodType<T>): z.ZodType<readonly T[]> {
  return z.array(schema);
}

export const text: z.ZodType<string> = z.string();
export const texts: z.ZodType<readonly string[]> = z.array(z.string());
/** ISO 8601, in UTC. */
export const time: z.ZodType<string> = z.string().meta({ format: 'date-time' });
export const count: z.ZodType<number> = z.int().nonnegative();
export const number: z.ZodType<number> = z.number();
export const yes: z.ZodType<boolean> = z.boolean();
