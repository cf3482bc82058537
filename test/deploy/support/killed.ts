/** A deployer that is killed after one of its steps: from then on nothing that it tries has an effect. */
import { deployNext } from '../../../deploy/deployer.js';
import type { Step, World } from './world.js';

/** Steps that others see. TEST_ALL_STEPS kills at each of the others as well; that takes minutes. */
const EFFECTS =
  /^(engine: (create|start|update|stop|remove|pull)|file: (commit|write)|haproxy: (enable|drain|reload|remove)|ledger: record|store: (append|claim|end)|repositories: move)/;

class Killed extends Error {}

/**
 * Kills after a step: `engine: create a container 1` is the first of its name, since some steps are taken side by side, in any
 * order. Without one it lives. Returns the steps that were taken.
 */
export async function killAfter(world: World, app: string, last: string | undefined): Promise<string[]> {
  const lease = new AbortController();
  const taken: string[] = [];
  let isKilled = false;
  const step: Step = async (name, run) => {
    if (isKilled) throw new Killed(name);
    const result = await run();
    if (isKilled) throw new Killed(name);
    if (process.env.TEST_ALL_STEPS === undefined && !EFFECTS.test(name)) return result;
    const before = taken.filter((one) => one.startsWith(`${name} `)).length;
    taken.push(`${name} ${before + 1}`);
    if (taken.at(-1) !== last) return result;
    isKilled = true;
    lease.abort(new Killed(name));
    throw new Killed(name);
  };
  const parts = world.deployer({ step });
  await deployNext(parts, app, lease.signal).catch((error: unknown) => {
    if (!isKilled) throw error;
  });
  await parts.retirements.idle();
  return taken;
}
