/**
 * Deliveries: each message that is due to one address, with the attempts so far. An app's are one file of lines, appended to by
 * whoever sends, so that what is due survives everything, and people see what became of it.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { appendLines, readLines, trimLines } from '../records/line-file.js';

/** `waiting`: it is tried (again) at `nextAt`. */
export type DeliveryState = 'waiting' | 'delivered' | 'given up';

export interface Delivery {
  readonly id: string;
  /** Of the notification, or of the webhook whose forge is told. */
  readonly target: string;
  readonly event: string;
  readonly deployment?: string;
  /** ms since the epoch. */
  readonly at: number;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly nextAt: number;
  /** Of the last attempt. */
  readonly status?: number;
  readonly error?: string;
  readonly ms?: number;
}

export interface Due {
  readonly type: 'due';
  readonly id: string;
  readonly target: string;
  readonly event: string;
  readonly deployment?: string;
  readonly at: number;
}

export interface Tried {
  readonly type: 'tried';
  readonly id: string;
  readonly at: number;
  readonly ms: number;
  readonly status?: number;
  readonly error?: string;
  /** Absent: it is over, well or not. */
  readonly nextAt?: number;
}

type Line = Due | Tried;

const line: z.ZodType<Line> = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('due'),
    id: z.string(),
    target: z.string(),
    event: z.string(),
    deployment: z.string().exactOptional(),
    at: z.number(),
  }),
  z.object({
    type: z.literal('tried'),
    id: z.string(),
    at: z.number(),
    ms: z.number(),
    status: z.number().exactOptional(),
    error: z.string().exactOptional(),
    nextAt: z.number().exactOptional(),
  }),
]);

const SIZE_BYTES = 512 * 1024;
const KEPT = 500;

const parse = (value: unknown): Line | undefined => line.safeParse(value).data;

/** One for each event of a deployment and target, however often it is thought of. */
export function deliveryId(target: string, event: string, deployment: string): string {
  return `msg_${createHash('sha256').update(`${target}\0${event}\0${deployment}`).digest('hex').slice(0, 32)}`;
}

/** In the order in which they came to be due. */
export async function readDeliveries(path: string): Promise<Delivery[]> {
  return fold(await readLines(path, parse));
}

export function recordDeliveries(path: string, ...lines: readonly Line[]): Promise<void> {
  return appendLines(path, ...lines);
}

/** Forgets the oldest of those that are over. */
export function trimDeliveries(path: string): Promise<void> {
  return trimLines(path, SIZE_BYTES, parse, (lines) => {
    const all = fold(lines);
    const over = all.filter(({ state }) => state !== 'waiting').slice(-KEPT);
    const kept = new Set([...all.filter(({ state }) => state === 'waiting'), ...over].map(({ id }) => id));
    return lines.filter(({ id }) => kept.has(id));
  });
}

function fold(lines: readonly Line[]): Delivery[] {
  const found = new Map<string, Delivery>();
  for (const each of lines) {
    const known = found.get(each.id);
    if (each.type === 'due') {
      const { type: _type, ...what } = each;
      if (known === undefined)
        found.set(each.id, { ...what, state: 'waiting', attempts: 0, nextAt: each.at });
    } else if (known?.state === 'waiting') found.set(each.id, afterAttempt(known, each));
  }
  return [...found.values()];
}

export function afterAttempt(
  { status: _status, error: _error, ms: _ms, ...before }: Delivery,
  { ms, status, error, nextAt, at }: Tried,
): Delivery {
  const over = error === undefined ? 'delivered' : 'given up';
  return {
    ...before,
    state: nextAt === undefined ? over : 'waiting',
    attempts: before.attempts + 1,
    nextAt: nextAt ?? at,
    ms,
    ...(status === undefined ? {} : { status }),
    ...(error === undefined ? {} : { error }),
  };
}
