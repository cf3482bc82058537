import { readdirSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import { AppRepositories } from '../../src/git/app-repository.js';
import {
  packRepository,
  type RepositoryParts,
  removeOldPins,
  tidyRepositories,
} from '../../src/housekeeping/repositories.js';
import type { Deployment, DeploymentState } from '../../src/model/deployment.js';
import { temporaryDirectory } from '../support/directories.js';
import { commitFile, git } from '../support/repository.js';

const signal = new AbortController().signal;
let repositories: AppRepositories;
let states: Map<string, DeploymentState>;
let parts: RepositoryParts;

beforeEach(async () => {
  repositories = new AppRepositories(homePaths(await temporaryDirectory()), git);
  states = new Map();
  const deployment = (app: string, id: string): Deployment | undefined => {
    const state = states.get(id);
    return state === undefined
      ? undefined
      : { id, app, kind: 'push', who: 'alice', state, phases: [], acceptedAt: 0 };
  };
  parts = {
    ledger: { listApps: async () => ['hello'] },
    store: {
      get: async (app, id) => deployment(app, id),
      open: async (app = '') =>
        [...states].filter(([, state]) => state === 'building').flatMap(([id]) => deployment(app, id) ?? []),
    },
    repositories,
    git,
  };
  await repositories.create('hello', 'main');
});

/** Pins of n pushes, `b01`, `b02`, …; each is in this state. */
async function pushes(n: number, state: DeploymentState = 'live'): Promise<string[]> {
  const oid = await commitFile(repositories.path('hello'), 'file', 'text');
  const ids = Array.from({ length: n }, (_, index) => `b${String(index + 1).padStart(2, '0')}`);
  for (const id of ids) {
    await repositories.pin('hello', id, oid);
    states.set(id, state);
  }
  return ids;
}

const pinned = async (): Promise<string[]> => [...(await repositories.pins('hello')).keys()].sort();

describe('the pins of pushes', () => {
  it('of the newest are kept, the others go', async () => {
    await pushes(5);
    await removeOldPins(parts, 'hello', 2);
    expect(await pinned()).toEqual(['b04', 'b05']);
  });

  it('of pushes that have not ended are kept, however old', async () => {
    await pushes(4);
    states.set('b01', 'building');
    await removeOldPins(parts, 'hello', 1);
    expect(await pinned()).toEqual(['b01', 'b04']);
  });

  it('that nobody knows yet are kept: the push is just being accepted', async () => {
    await pushes(3);
    states.delete('b01');
    await removeOldPins(parts, 'hello', 1);
    expect(await pinned()).toEqual(['b01', 'b03']);
  });
});

describe('the packs of an app', () => {
  /** As pushes leave them: one pack each. */
  async function packs(n: number): Promise<void> {
    for (let i = 0; i < n; i++) {
      const gitDir = repositories.path('hello');
      const oid = await commitFile(gitDir, 'file', `text ${i}`);
      await repositories.pin('hello', `c${i}`, oid);
      await git.run(['repack', '-d', '--quiet'], { gitDir });
    }
  }

  const packCount = (): number =>
    readdirSync(`${repositories.path('hello')}/objects/pack`).filter((name) => name.endsWith('.pack')).length;

  it('become one when they are many, and all commits are still there', async () => {
    await packs(52);
    expect(packCount()).toBe(52);
    await packRepository(parts, 'hello', signal);
    expect(packCount()).toBeLessThan(3);
    for (const oid of (await repositories.pins('hello')).values()) {
      expect(await git.text(['cat-file', '-t', oid], { gitDir: repositories.path('hello') })).toBe('commit');
    }
  });

  it('are left alone while they are few, or the app builds', async () => {
    await packs(3);
    await packRepository(parts, 'hello', signal);
    expect(packCount()).toBe(3);
    await packs(52);
    states.set('b1', 'building');
    const before = packCount();
    await packRepository(parts, 'hello', signal);
    expect(packCount()).toBe(before);
  });
});

it('one damaged repository does not keep the others from their turn, and is told of', async () => {
  await pushes(25);
  const broken: RepositoryParts = { ...parts, ledger: { listApps: async () => ['gone', 'hello'] } };
  await expect(tidyRepositories(broken, signal)).rejects.toThrowError('1 repositories could not be tidied');
  expect(await pinned()).toHaveLength(20);
});
