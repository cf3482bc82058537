/** How a Swarm is: whether it has a leader, and which of its nodes can take tasks. */
import type { HostFinding, HostStatus } from '../../src/api/host-views.js';
import { SlipwayError, toSlipwayError } from '../../src/errors.js';
import type { EngineInfo } from '../hosts/look.js';
import { nodeName } from './documents.js';
import { canRun } from './services.js';
import type { SwarmTarget } from './target.js';

const LOOK_MS = 10_000;

/** Throws `bad_request`: only a manager knows the Swarm. */
export function refuseUnlessManager({ Swarm }: EngineInfo): void {
  if (Swarm?.ControlAvailable === true) return;
  throw new SlipwayError(
    'bad_request',
    `the engine there is ${Swarm?.LocalNodeState === 'active' ? 'a worker' : 'no member'} of a Swarm`,
    {
      hint: 'give the address of a manager (docker node ls shows them there), or make it one: docker swarm init',
    },
  );
}

/** Names the Swarm, whichever manager was asked. */
export function clusterOf({ Swarm }: EngineInfo): string | undefined {
  return Swarm?.Cluster?.ID;
}

export async function nodesOf(
  target: SwarmTarget,
  options: { timeoutMs: number },
): Promise<NonNullable<HostStatus['nodes']>> {
  const { nodes } = await target.see(undefined, options);
  return {
    total: nodes.length,
    ready: nodes.filter(canRun).length,
    managers: nodes.filter(({ ManagerStatus }) => ManagerStatus !== undefined).length,
  };
}

export async function swarmFindings(target: SwarmTarget): Promise<HostFinding[]> {
  const what = 'swarm';
  try {
    const { nodes } = await target.see(undefined, { timeoutMs: LOOK_MS });
    const away = nodes.filter((node) => !canRun(node)).map(({ ID }) => nodeName(nodes, ID));
    const ready = `${nodes.length - away.length} of ${nodes.length} nodes can take tasks`;
    const managers = nodes.filter(({ ManagerStatus }) => ManagerStatus !== undefined);
    const reachable = managers.filter(({ ManagerStatus }) => ManagerStatus?.Reachability === 'reachable');
    const isSafe = managers.length >= 3 && reachable.length === managers.length;
    return [
      away.length === 0
        ? { what, result: 'good', says: ready }
        : {
            what,
            result: away.length === nodes.length ? 'bad' : 'unknown',
            says: `${ready}, not ${away.join(', ')}`,
            hint: 'see there: docker node ls; a node that was drained for work on it: docker node update --availability active NODE',
          },
      {
        what,
        result: isSafe ? 'good' : 'unknown',
        says: `it has a leader; ${reachable.length} of ${managers.length} managers are reachable`,
        ...(isSafe ? {} : { hint: 'with three managers one may be lost: docker node promote NODE' }),
      },
    ];
  } catch (thrown) {
    return [
      {
        what,
        result: 'bad',
        says: toSlipwayError(thrown).message,
        hint: 'without most of its managers a Swarm runs what it runs, and changes nothing: bring them back',
      },
    ];
  }
}
