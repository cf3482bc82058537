/** Plays the cases that were chosen, in the order of the table. */
import { join } from 'node:path';
import { BUILD_CASES } from './cases/build-case.js';
import { MEMORY_CASES, memoryCase } from './cases/memory-case.js';
import { playBuildCase, type Stage } from './cases/play-build.js';
import { playIdle } from './cases/play-idle.js';
import { playPushCase } from './cases/play-push.js';
import { playSecondBuilder } from './cases/play-second-builder.js';
import { PUSH_CASES } from './cases/push-case.js';
import type { BenchOptions } from './options.js';
import { startOurPlatform } from './ours/platform.js';
import { type CaseResult, OURS } from './report/results.js';
import type { Setting } from './setting.js';
import { pushLarge } from './workloads/bases.js';

export async function playCases(
  options: BenchOptions,
  setting: Setting,
  stage: Stage,
  done: (result: CaseResult) => Promise<void>,
): Promise<void> {
  const wanted = (id: string): boolean => options.cases.includes(id);
  const found: CaseResult[] = [];
  const add = async (result: CaseResult): Promise<void> => {
    found.push(result);
    await done(result);
  };
  for (const one of BUILD_CASES) {
    const isForMemory = wanted('m') && MEMORY_CASES.includes(one.id);
    if (!wanted(one.id) && !isForMemory) continue;
    if (one.id === 'c3') await pushLarge(setting.registry);
    // For the builder's memory alone nobody else is asked.
    const contenders = stage.contenders.filter(({ name, mayEmpty }) =>
      wanted(one.id) ? mayEmpty || !one.emptiesStores : name === OURS,
    );
    const result = await playBuildCase(one, { ...stage, contenders });
    if (wanted(one.id)) await add(result);
    else found.push(result);
  }
  if (wanted('f')) {
    const noChange = found.find(({ id }) => id === 'a1')?.sides.find(({ name }) => name === OURS);
    await add(await playSecondBuilder(stage, setting.version, noChange?.median.wallMs));
  }
  if (wanted('m')) {
    const memory = memoryCase(found);
    if (memory !== undefined) await add(memory);
  }
  await playPlatform(options, setting, stage, add);
}

/** The cases that are about a whole platform, which needs an engine. */
async function playPlatform(
  { cases }: BenchOptions,
  { docker, registry, home }: Setting,
  stage: Stage,
  add: (result: CaseResult) => Promise<void>,
): Promise<void> {
  const pushes = PUSH_CASES.filter(({ id }) => cases.includes(id));
  const isIdle = cases.includes('i');
  if (pushes.length === 0 && !isIdle) return;
  if (docker === undefined) {
    stage.say('without p and i: they need the docker peer, whose engine the platform shares');
    return;
  }
  if (pushes.length > 0) {
    const platform = await startOurPlatform(join(home, 'p'), registry, docker.host);
    try {
      for (const one of pushes) await add(await playPushCase(one, { ...stage, platform, docker }));
    } finally {
      await platform.stop();
    }
  }
  if (isIdle) {
    const platform = await startOurPlatform(join(home, 'i'), registry, docker.host);
    try {
      await add(await playIdle(platform, stage));
    } finally {
      await platform.stop();
    }
  }
}
