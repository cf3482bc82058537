/** Makes a Docker Swarm of machines: the first one is its manager. For the demo and for tests. */
import type { Machine, Machines } from './machines.js';

/** `swarm+tcp://…` of the manager. */
export async function joinSwarm({ all }: Machines): Promise<string> {
  const [manager, ...others] = all as [Machine, ...Machine[]];
  for (const [index, machine] of all.entries())
    for (const other of all.slice(index + 1)) await machine.connect(other);
  await manager.docker([
    'swarm',
    'init',
    ...at(manager),
    // A node that has gone is missed after three of these.
    '--dispatcher-heartbeat',
    '1s',
  ]);
  const token = await manager.docker(['swarm', 'join-token', '--quiet', 'worker']);
  await Promise.all(
    others.map((machine) =>
      machine.docker(['swarm', 'join', '--token', token, ...at(machine), `${manager.address}:2377`]),
    ),
  );
  return `swarm+${manager.dockerHost}`;
}

function at({ address }: Machine): string[] {
  return ['--advertise-addr', address, '--listen-addr', address];
}
