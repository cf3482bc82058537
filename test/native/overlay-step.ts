/** A step without a sandbox: changes files through a real overlay mount and keeps what is in the upper directory. */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { mountOverlay, unmount } from '../../native/index.js';
import { picture } from './support.js';

export interface StepResult {
  upper: string;
  /** The merged tree as the step left it. */
  after: Record<string, unknown>;
}

export async function step(
  parent: string,
  lowers: string[],
  change: (root: string) => void,
): Promise<StepResult> {
  const scratch = mkdtempSync(join(parent, 'step-'));
  const [target, upper, work] = ['merged', 'upper', 'work'].map((name) => join(scratch, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [target, upper, work]) mkdirSync(path);
  await mountOverlay({ target, lowers, upper, work });
  try {
    change(target);
    return { upper, after: await picture(target) };
  } finally {
    await unmount(target);
  }
}

export async function mergedPicture(parent: string, lowers: string[]): Promise<Record<string, unknown>> {
  const target = mkdtempSync(join(parent, 'merged-'));
  await mountOverlay({ target, lowers });
  try {
    return await picture(target);
  } finally {
    await unmount(target);
  }
}
