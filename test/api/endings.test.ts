/** Who supersedes whom (invariant 3): only what waits for the same thing, and only what is older there. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { supersedeOlder, supersedeWaitingPushes } from '../../src/endings.js';
import { Platform } from './support/platform.js';

let platform: Platform;
let app: string;
let apps = 0;

beforeAll(async () => {
  platform = await Platform.start();
});
beforeEach(async () => {
  apps += 1;
  app = `app${apps}`;
  await platform.createApp(app);
});
afterAll(() => platform.stop());

const stateOf = async (id: string): Promise<string | undefined> => (await platform.store.get(app, id))?.state;

async function statesOf(made: Record<string, { id: string }>): Promise<Record<string, unknown>> {
  const entries = Object.entries(made).map(async ([name, { id }]) => [name, await stateOf(id)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

test('a push that is built supersedes older ones that wait for a builder, and nothing else', async () => {
  const ready = await platform.ready(app, 'FROM ready');
  const config = await platform.store.create(app, { kind: 'config', who: 'alice' });
  const waiting = await platform.push(app, 'FROM waiting');
  const building = await platform.building(app, 'FROM building');
  const newest = await platform.push(app, 'FROM newest');
  const later = await platform.push(app, 'FROM later');
  for (const supersede of [
    () => supersedeWaitingPushes(platform.store, newest),
    () => supersedeOlder(platform, newest),
  ]) {
    await supersede();
    expect(await statesOf({ ready, config, waiting, building, newest, later })).toEqual({
      ready: 'ready',
      config: 'accepted',
      waiting: 'superseded',
      building: 'building',
      newest: 'accepted',
      later: 'accepted',
    });
  }
  expect((await platform.store.get(app, waiting.id))?.reason).toBe(`superseded by build ${newest.id}`);
});

test('a release supersedes older ones that wait for their rollout, by number and not by age', async () => {
  // Pushed first and released last: its build took longer than a config change.
  const slow = await platform.building(app, 'FROM slow');
  const early = await platform.ready(app, 'FROM early');
  const rolling = await platform.ready(app, 'FROM rolling');
  await platform.store.claim(app, rolling.id, 'rollout', 'a deployer');
  const release = await platform.ledger.appendRelease(
    app,
    { ...rolling.release, deploymentId: slow.id },
    'alice',
  );
  const ready = await platform.store.append(app, slow.id, {
    type: 'release',
    at: 1,
    claim: slow.claim,
    number: release.number,
  });
  const waiting = await platform.push(app, 'FROM waiting');
  const next = await platform.ready(app, 'FROM next');
  await supersedeOlder(platform, ready);
  expect(await statesOf({ slow, early, rolling, waiting, next })).toEqual({
    slow: 'ready',
    early: 'superseded',
    rolling: 'releasing',
    waiting: 'accepted',
    next: 'ready',
  });
  const { releases } = await platform.ledger.read(app);
  expect(releases.map(({ outcome }) => outcome?.state)).toEqual([
    'superseded',
    undefined,
    undefined,
    undefined,
  ]);
  expect(releases[0]?.outcome?.reason).toBe(`superseded by build ${slow.id}`);
});

test('what a worker takes at this very moment goes on', async () => {
  const waiting = await platform.push(app, 'FROM waiting');
  const newest = await platform.push(app, 'FROM newest');
  const { end } = platform.store;
  platform.store.end = async (...args) => {
    await platform.store.claim(app, waiting.id, 'build', 'a builder');
    return end.apply(platform.store, args);
  };
  await supersedeOlder(platform, newest);
  platform.store.end = end;
  expect(await stateOf(waiting.id)).toBe('building');
});
