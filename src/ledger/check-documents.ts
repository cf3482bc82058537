/** A check as a release in the ledger has it. What was once accepted stays readable, so limits are not looked at here. */
import { z } from 'zod';
import type { Check } from '../model/check.js';

const text = z.string();
const number = z.number().exactOptional();
const header = z.object({ name: text, value: text });
const name = { name: text.exactOptional() };
const tries = { attempts: number, successes: number, timeout: number, wait: number, initialDelay: number };

export const check: z.ZodType<Check> = z.union([
  z.object({
    ...name,
    ...tries,
    path: text,
    port: number,
    status: z.array(z.union([z.number(), text])).exactOptional(),
    content: text.exactOptional(),
    httpHeaders: z.array(header).exactOptional(),
    expectedHeaders: z.array(z.object({ name: text, value: text.exactOptional() })).exactOptional(),
  }),
  z.object({ ...name, ...tries, listening: z.literal(true), port: number }),
  z.object({ ...name, ...tries, command: z.array(text) }),
  z.object({ ...name, log: text, timeout: number }),
  z.object({ ...name, uptime: z.number() }),
]);
