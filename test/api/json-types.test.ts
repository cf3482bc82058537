import { expect, test } from 'vitest';
import { z } from 'zod';
import { typeText } from '../../src/api/json-types.js';
import type { JsonSchema } from '../../src/api/openapi.js';

const textOf = (schema: z.ZodType): string => typeText(z.toJSONSchema(schema) as JsonSchema);

test.each([
  [z.string(), 'string'],
  [z.int(), 'number'],
  [z.null(), 'null'],
  [z.unknown(), 'unknown'],
  [z.literal('a'), '"a"'],
  [z.enum(['a', 'b']), '"a" | "b"'],
  [z.string().nullable(), 'string | null'],
  [z.array(z.boolean()), 'readonly boolean[]'],
  [z.array(z.union([z.string(), z.number()])), 'readonly (string | number)[]'],
  [z.array(z.array(z.int())), 'readonly (readonly number[])[]'],
  [z.record(z.string(), z.int()), '{ readonly [name: string]: number }'],
  [z.object({}), '{}'],
  [
    z.object({ a: z.string().exactOptional().describe('The A'), '1xx': z.object({ b: z.int() }) }),
    '{\n  /** The A */\n  readonly a?: string;\n  readonly "1xx": {\n    readonly b: number;\n  };\n}',
  ],
  [z.object({ other: z.object({ x: z.int() }).meta({ id: 'Other' }) }), '{\n  readonly other: Other;\n}'],
])('%# a schema as TypeScript writes its type', (schema, text) => {
  expect(textOf(schema)).toBe(text);
});
