/** What /proc says of processes (proc(5)): who started whom, processor time, resident memory. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

export interface ProcessTimes {
  readonly parent: number;
  /** Of itself, and of those of its children that have ended and that it has waited for. */
  readonly cpuMs: number;
  /** Only of those children. */
  readonly childrenMs: number;
}

/** USER_HZ is 100 on every Linux that Node runs on. */
const TICK_MS = 10;
const PAGE_BYTES = 4096;

export function processIds(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Undefined when there is no such process any more. */
export function processTimes(pid: number): ProcessTimes | undefined {
  const text = readText(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name before it is in parentheses and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = (index: number): number => Number(fields[index] ?? 0);
  const childrenMs = (ticks(13) + ticks(14)) * TICK_MS;
  return { parent: ticks(1), childrenMs, cpuMs: (ticks(11) + ticks(12)) * TICK_MS + childrenMs };
}

export function residentBytes(pid: number): number {
  return Number(readText(`/proc/${pid}/statm`)?.split(' ')[1] ?? 0) * PAGE_BYTES;
}

/** Its share of what several have in memory: proportional set size. */
export function proportionalBytes(pid: number): number {
  return kilobytes(readText(`/proc/${pid}/smaps_rollup`), 'Pss');
}

/** The most that was resident since {@link forgetPeak}. */
export function residentPeakBytes(pid: number): number {
  return kilobytes(readText(`/proc/${pid}/status`), 'VmHWM');
}

export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // Gone.
  }
}

/** The processes themselves, and all that came from them and is still below them. */
export function treeOf(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const pid of processIds()) {
    const parent = processTimes(pid)?.parent;
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found = new Set<number>();
  const add = (pid: number): void => {
    if (found.has(pid)) return;
    found.add(pid);
    for (const child of children.get(pid) ?? []) add(child);
  };
  for (const root of roots) add(root);
  return [...found];
}

function kilobytes(text: string | undefined, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text ?? '')?.[1] ?? 0) * 1024;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
