/** The limits of a local build: those of the service but for the context, which is the own directory of whoever builds. */
import { type Config, type Limits, limitVariable } from '../config.js';

const GiB = 1024 ** 3;

/** High enough for any directory that somebody means to build, low enough that `slipway build /` ends. */
const CONTEXT_LIMITS: Pick<Limits, 'contextFiles' | 'contextBytes' | 'contextFileBytes' | 'contextDepth'> = {
  contextFiles: 2_000_000,
  contextBytes: 100 * GiB,
  contextFileBytes: 100 * GiB,
  contextDepth: 500,
};

/** What the environment sets stays as it says. */
export function localConfig(config: Config, env: NodeJS.ProcessEnv): Config {
  const raised = Object.entries(CONTEXT_LIMITS).filter(
    ([name]) => (env[limitVariable(name as keyof Limits)] ?? '') === '',
  );
  return { ...config, limits: { ...config.limits, ...Object.fromEntries(raised) } };
}
