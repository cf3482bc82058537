/**
 * What some work costs: time on the clock, processor time and peak memory of whole process trees. The trees are those of
 * the daemons that work for it, and of every process that this one starts meanwhile. RSS is summed, so that memory that
 * two processes share counts twice; a peak between two samples is seen only in the daemons' own high-water mark.
 */
import {
  forgetPeak,
  processIds,
  processTimes,
  residentBytes,
  residentPeakBytes,
  treeOf,
} from './processes.js';

export interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
}

const SAMPLE_MS = 20;

/** `daemons` are processes that were there before and stay. */
export async function measure<T>(
  daemons: readonly number[],
  work: () => Promise<T>,
): Promise<{ readonly cost: Cost; readonly result: T }> {
  const watch = new TreeWatch(daemons);
  for (const pid of daemons) forgetPeak(pid);
  const cpuBefore = cpuOf(daemons);
  let peakBytes = watch.sample();
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, watch.sample());
  }, SAMPLE_MS);
  const started = performance.now();
  try {
    const result = await work();
    const wallMs = performance.now() - started;
    peakBytes = Math.max(peakBytes, watch.sample(), ...daemons.map(residentPeakBytes));
    return { cost: { wallMs, cpuMs: cpuOf(daemons) - cpuBefore, peakBytes }, result };
  } finally {
    clearInterval(timer);
  }
}

/** Those that ended are in the times of who waited for them: the daemons, or this process. */
function cpuOf(daemons: readonly number[]): number {
  const clients = processTimes(process.pid)?.childrenMs ?? 0;
  return treeOf(daemons).reduce((sum, pid) => sum + (processTimes(pid)?.cpuMs ?? 0), clients);
}

/** Knows of each process whether it belongs, and asks about new ones only. */
class TreeWatch {
  readonly #belongs = new Map<number, boolean>();

  constructor(daemons: readonly number[]) {
    for (const pid of processIds()) this.#belongs.set(pid, false);
    for (const pid of treeOf(daemons)) this.#belongs.set(pid, true);
  }

  /** The resident bytes of all that belong. */
  sample(): number {
    let bytes = 0;
    const alive = processIds();
    for (const pid of alive) if (this.#isMember(pid)) bytes += residentBytes(pid);
    return bytes;
  }

  #isMember(pid: number): boolean {
    const known = this.#belongs.get(pid);
    if (known !== undefined) return known;
    const parent = processTimes(pid)?.parent ?? 0;
    const belongs = parent === process.pid || (parent > 1 && this.#isMember(parent));
    this.#belongs.set(pid, belongs);
    return belongs;
  }
}
