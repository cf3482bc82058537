/** What a local build may hold. */
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, loadConfig } from '../../src/config.js';
import { localConfig } from '../../src/local-build/limits.js';

const limitsWith = (env: NodeJS.ProcessEnv) => localConfig(loadConfig(env), env).limits;

describe('the limits of a local build', () => {
  test('let the context be as large as a directory is', () => {
    expect(limitsWith({})).toEqual({
      ...DEFAULT_LIMITS,
      contextFiles: 2_000_000,
      contextBytes: 100 * 1024 ** 3,
      contextFileBytes: 100 * 1024 ** 3,
      contextDepth: 500,
    });
  });

  test('are what the environment says', () => {
    expect(limitsWith({ SLIPWAY_LIMIT_CONTEXT_FILES: '7', SLIPWAY_LIMIT_CONTEXT_BYTES: '' })).toMatchObject({
      contextFiles: 7,
      contextBytes: 100 * 1024 ** 3,
    });
  });
});
