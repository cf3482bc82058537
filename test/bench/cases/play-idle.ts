/** Case i: what the four processes keep in memory when 50 apps are there and nobody does anything. */
import { setTimeout as sleep } from 'node:timers/promises';
import { proportionalBytes, residentBytes, treeOf } from '../measure/processes.js';
import { type OurPlatform, PROCESSES } from '../ours/platform.js';
import { type CaseResult, judged, OURS, type Sample, sideOf } from '../report/results.js';
import { megabytes } from '../report/units.js';
import type { Stage } from './play-build.js';

export const IDLE_APPS = 50;
const MARK_BYTES = 300_000_000;
const SETTLING_MS = 15_000;
const BETWEEN_MS = 1000;

/** The hard reading counts: RSS summed, shared pages as often as they are mapped. PSS is told beside it. */
export async function playIdle(platform: OurPlatform, { rounds, say }: Stage): Promise<CaseResult> {
  for (let app = 0; app < IDLE_APPS; app++) await platform.createApp(`idle-${app}`);
  await sleep(SETTLING_MS);
  const samples: Sample[] = [];
  const notes: string[] = [];
  for (let round = 0; round < rounds; round++) {
    await sleep(BETWEEN_MS);
    const sums = PROCESSES.map((name) => {
      const tree = treeOf([platform.processes()[name]]);
      return { name, resident: sum(tree, residentBytes), proportional: sum(tree, proportionalBytes) };
    });
    const peakBytes = sums.reduce((all, { resident }) => all + resident, 0);
    samples.push({ wallMs: 0, cpuMs: 0, peakBytes });
    if (round < rounds - 1) continue;
    const proportional = sums.reduce((all, each) => all + each.proportional, 0);
    notes.push(
      `resident: ${sums.map(({ name, resident }) => `${name} ${megabytes(resident)}`).join(', ')}`,
      `proportional (PSS): ${megabytes(proportional)}`,
    );
  }
  say(`i: ${megabytes(samples.at(-1)?.peakBytes ?? 0)}`);
  const title = `resident memory of the four processes, idle, ${IDLE_APPS} apps`;
  const mark = { kind: 'bytes', most: MARK_BYTES } as const;
  return judged({ id: 'i', title, mark }, [sideOf(OURS, samples)], { differences: [], notes });
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((all, pid) => all + of(pid), 0);
}
