import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores, and the integration tests start real engines: files run side by side only in a small pool.
    pool: 'forks',
    maxWorkers: 2,
  },
});
