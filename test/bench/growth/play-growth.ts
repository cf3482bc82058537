/** `--growth`: how time and memory of our builder grow, with a builder process of its own for each point. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { limitVariable } from '../../../src/config.js';
import { flushDisks } from '../measure/disks.js';
import type { Growth } from '../options.js';
import { startOurBuilder } from '../ours/builder.js';
import type { Setting } from '../setting.js';
import { AXES } from './axes.js';
import type { GrowthResult, Point } from './growth.js';

/** The platform's limits are smaller than what is measured. */
const LIMITS: Readonly<Record<string, string>> = {
  [limitVariable('contextFiles')]: '250000',
  [limitVariable('stepDiskBytes')]: String(16 * 1024 ** 3),
};

export async function playGrowth(
  name: Growth,
  { home, registry, version }: Pick<Setting, 'home' | 'registry' | 'version'>,
  signal: AbortSignal,
  /** After each point. */
  tell: (soFar: GrowthResult) => Promise<void>,
): Promise<GrowthResult> {
  const { unit, values, measure } = AXES[name];
  const points: Point[] = [];
  const directory = join(home, `growth-${name}`);
  try {
    for (const x of values) {
      signal.throwIfAborted();
      const at = join(directory, String(x));
      const own = { home: join(at, 'ours'), keepsHome: true, registry, version, env: LIMITS };
      const builder = await startOurBuilder(own);
      try {
        await flushDisks();
        const place = (project: string): string => join(at, 'projects', project);
        const costs = await measure(x, { builder, registry, place });
        points.push({ x, costs });
        await tell({ axis: name, unit, points });
      } finally {
        await builder.stop();
      }
    }
  } finally {
    // Not after each point: a file system that has just removed many files makes new ones slowly.
    await rm(directory, { recursive: true, force: true });
  }
  return { axis: name, unit, points };
}
