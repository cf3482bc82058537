/** What came to an app's webhooks last, and what became of it: for people, and so that nothing is done twice. */
import { z } from 'zod';
import { appendLines, readLines, trimLines } from '../records/line-file.js';

export interface Received {
  readonly webhook: string;
  readonly at: number;
  /** What the forge calls it. */
  readonly delivery?: string;
  /** SHA-256 of what was signed. */
  readonly digest: string;
  /** For people. */
  readonly result: string;
  /** What it was deployed by. */
  readonly build?: string;
}

const received: z.ZodType<Received> = z.object({
  webhook: z.string(),
  at: z.number(),
  delivery: z.string().exactOptional(),
  digest: z.string(),
  result: z.string(),
  build: z.string().exactOptional(),
});

const KEPT = 1000;
const SIZE_BYTES = 512 * 1024;

const parse = (value: unknown): Received | undefined => received.safeParse(value).data;

/** The oldest first. */
export function readReceived(path: string): Promise<Received[]> {
  return readLines(path, parse);
}

/** Only the web process writes here, one request of an app after the other. */
export async function recordReceived(path: string, entry: Received): Promise<void> {
  await appendLines(path, entry);
  await trimLines(path, SIZE_BYTES, parse, (all) => all.slice(-KEPT));
}
