/**
 * What a case needs however it is built: the least that must be hashed, compressed, written, sent, started and asked for.
 * What is known from the build before is not needed again; a file that nobody reads need not be written.
 */
import { WRITTEN_MEGABYTES } from '../cases/build-case.js';
import type { Rates } from './rates.js';

export interface Demand {
  readonly hashMB?: number;
  readonly compressMB?: number;
  readonly inflateMB?: number;
  readonly writeMB?: number;
  readonly sendMB?: number;
  /** Programs: RUN steps, and for a push git and its helpers. */
  readonly starts?: number;
  /** Questions to the registry that wait for one another. */
  readonly requests?: number;
  readonly why: string;
}

/** Layer sizes as the workloads compress. */
const SMALL = { context: 40, blob: 13 };
const LARGE = { context: 50, blob: 20 };
const BASE = { unpacked: 240, blob: 150 };
const WRITTEN = { blob: Math.round(WRITTEN_MEGABYTES * 0.68) };
const UP_TO_DATE = 'the tree is known; is the base image still the same?';

export const DEMANDS: Readonly<Record<string, Demand>> = {
  a1: { requests: 1, why: UP_TO_DATE },
  a2: { requests: 1, why: UP_TO_DATE },
  b1: { starts: 1, requests: 6, why: 'one RUN, one small layer, config and manifest' },
  b2: { starts: 1, requests: 6, why: 'one RUN, one small layer, config and manifest' },
  c1: {
    inflateMB: SMALL.context,
    hashMB: SMALL.blob,
    compressMB: SMALL.context,
    writeMB: SMALL.blob,
    sendMB: SMALL.blob,
    starts: 2,
    requests: 6,
    why: 'every file read from git, compressed, hashed and sent; two RUN',
  },
  c2: {
    inflateMB: LARGE.context,
    hashMB: LARGE.blob,
    compressMB: LARGE.context,
    writeMB: LARGE.blob,
    sendMB: LARGE.blob,
    starts: 2,
    requests: 6,
    why: 'every file read from git, compressed, hashed and sent; two RUN',
  },
  c3: {
    sendMB: BASE.blob,
    hashMB: BASE.blob + BASE.unpacked,
    inflateMB: BASE.unpacked,
    writeMB: BASE.unpacked,
    starts: 3,
    requests: 4,
    why: 'the base received, checked, unpacked; three RUN',
  },
  d: { starts: 10, requests: 1, why: 'ten programs in namespaces' },
  e: {
    compressMB: WRITTEN_MEGABYTES,
    writeMB: WRITTEN.blob,
    sendMB: WRITTEN.blob,
    starts: 1,
    requests: 6,
    why: 'the data compressed, hashed and sent; it need not reach the disk as files',
  },
  f: { requests: 4, why: 'base manifest, shared index' },
  g: { requests: 1, why: UP_TO_DATE },
  p1: { starts: 4, requests: 2, why: 'git, its transport, receive-pack and hook; nothing new' },
  p2: { starts: 6, requests: 8, why: 'as p1, and a container with its small layer' },
  p3: { starts: 7, requests: 8, why: 'as p2, and one RUN' },
};

/**
 * The least time: what the processor does is shared by all cores, and disk and network work beside it; programs start, and
 * questions are answered, one after the other.
 */
export function floorMs(demand: Demand, rates: Rates, cores: number): number {
  const of = (megabytes: number | undefined, perSecond: number): number =>
    ((megabytes ?? 0) / perSecond) * 1000;
  const processor =
    (of(demand.hashMB, rates.hashMBs) +
      of(demand.compressMB, rates.compressMBs) +
      of(demand.inflateMB, rates.inflateMBs)) /
    cores;
  const beside = Math.max(processor, of(demand.writeMB, rates.writeMBs), of(demand.sendMB, rates.sendMBs));
  return beside + (demand.starts ?? 0) * rates.startMs + (demand.requests ?? 0) * rates.requestMs;
}
