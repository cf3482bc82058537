/** What is asked and answered about volumes: command line ↔ web ↔ deployer. */
import { z } from 'zod';
import type { OtherContent } from '../model/volume.js';
import { count, part, text, texts, time } from './described.js';
import { parseBody } from './request.js';

export interface VolumeView {
  readonly name: string;
  readonly host: string;
  readonly content: string;
  readonly other?: OtherContent;
  /** `web:/data`, of the release that serves or the newest that is to. */
  readonly mounts: readonly string[];
  readonly createdAt: string;
  readonly createdBy: string;
}

/** Said first over a connection that copies what is in a volume; then a tar goes one way, packed by gzip. */
export type CopyWish =
  | { readonly backup: { readonly to: 'client' | 'registry'; readonly stop: boolean } }
  | {
      readonly restore: {
        /** A backup of the registry; else the client sends it. */
        readonly from?: string | undefined;
        /** What the sent bytes must have. */
        readonly sha256?: string | undefined;
      };
    };

/** What was copied. */
export interface VolumeCopy {
  /** Packed. */
  readonly bytes: number;
  readonly sha256: string;
  /** Processes that were stopped meanwhile. */
  readonly stopped: readonly string[];
  /** Of a backup in the registry: its name there. */
  readonly tag?: string;
}

/** A backup in the registry. */
export interface BackupView {
  readonly tag: string;
  readonly at: string;
  readonly by: string;
  readonly bytes: number;
  /** By digest: `127.0.0.1:5000/volumes/hello/data@sha256:…`. */
  readonly reference: string;
  readonly stopped: readonly string[];
}

export const Backups: z.ZodType<{ readonly backups: readonly BackupView[] }> = z.object({
  backups: z.array(
    part<BackupView>({ tag: text, at: time, by: text, bytes: count, reference: text, stopped: texts }),
  ),
});

const Copy: z.ZodType<CopyWish> = z.union([
  z.strictObject({
    backup: z.strictObject({ to: z.enum(['client', 'registry']), stop: z.boolean() }),
  }),
  z.strictObject({
    restore: z.strictObject({
      from: z
        .string()
        .regex(/^\d{8}-\d{6}-[0-9a-f]{4}$/, 'is not the name of a backup: see slipway volumes:backups')
        .optional(),
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits')
        .optional(),
    }),
  }),
]);

/** Throws `bad_request`. */
export function checkCopy(body: unknown): CopyWish {
  return parseBody(Copy, body);
}
