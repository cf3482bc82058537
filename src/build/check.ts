/** Plans and lints a build without building anything. */
import type { LintResult } from '../dockerfile/lint/lint.js';
import { BaseImages } from './base-images.js';
import { readInput } from './build-input.js';
import type { BuildRequest, BuildTools } from './build-request.js';
import { lintInput } from './lint.js';

/**
 * Throws what a build would say of the Dockerfile itself. A base image that cannot be had only keeps the rule on
 * undefined variables from being checked where it is used.
 */
export async function checkBuild(
  request: BuildRequest,
  { registry, store, limits, signal }: Pick<BuildTools, 'registry' | 'store' | 'limits' | 'signal'>,
): Promise<LintResult> {
  const input = await readInput(request, limits);
  const images = new BaseImages(registry, store, request.policy, signal);
  const resolved = input.plan.stages.map(async ({ index, base, platform }) => {
    if (base.kind !== 'image') return [];
    const image = await images.resolve(base.reference, platform).catch(() => undefined);
    signal.throwIfAborted();
    return image === undefined ? [] : [[index, image] as const];
  });
  return lintInput(input, new Map((await Promise.all(resolved)).flat()), limits);
}
