import { defineConfig } from 'vitest/config';

/** These start a Docker Engine, and two of them in one network namespace would destroy each other's bridge. */
const ENGINE = [
  'test/deploy/{adopt,deployer,host,one-offs,reconcile,rollout,takeover,target,volumes}*.test.ts',
  'test/deploy/swarm.test.ts',
  'test/images/docker.test.ts',
  'test/integration/**/*.test.ts',
  'test/platform/{engine,machines}.test.ts',
];

const limits = { testTimeout: 60_000, hookTimeout: 120_000, pool: 'forks' } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...limits,
          name: 'rooms',
          include: ['test/**/*.test.ts'],
          exclude: ENGINE,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...limits,
          name: 'engine',
          include: ENGINE,
          // One after the other, after all others.
          maxWorkers: 1,
          hookTimeout: 600_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
