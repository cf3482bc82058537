/** An app's volumes as a document of its ledger, `volumes.json`. */
import { z } from 'zod';
import { NO_VOLUMES, type OtherContent, type Volume, type Volumes } from '../model/volume.js';

export const VOLUMES_PATH = 'volumes.json';

const text = z.string();
const content = z.string().regex(/^[0-9a-f]{12}$/);
const other: z.ZodType<OtherContent> = z.object({
  content,
  is: z.enum(['restored', 'replaced']),
  at: text,
  by: text,
});
const volume: z.ZodType<Volume> = z.object({
  host: text,
  content,
  other: other.exactOptional(),
  at: text,
  by: text,
});
const volumes: z.ZodType<Volumes> = z.object({ volumes: z.record(text, volume), removed: z.array(content) });

/** `read` gives the document at a path, checked, or undefined when there is none. */
export function readVolumes(read: <T>(path: string, schema: z.ZodType<T>) => T | undefined): Volumes {
  return read(VOLUMES_PATH, volumes) ?? NO_VOLUMES;
}
