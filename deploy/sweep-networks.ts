/**
 * Removes the networks that nobody will use any more: of apps that are no more, what a killed deployer left while it made one, and the
 * one that all apps were on before each had its own. One with a container on it stays until the next time.
 */
import { whileItAnswers } from './answering.js';
import { isEngine } from './hosts.js';
import type { DeployerParts } from './parts.js';

export async function sweepNetworks(
  { hosts, ledger, turns, log }: Pick<DeployerParts, 'hosts' | 'ledger' | 'turns' | 'log'>,
  signal: AbortSignal,
  silent: ReadonlyMap<string, unknown> = new Map(),
): Promise<void> {
  const apps = new Set(await ledger.listApps());
  for (const { name: host, target } of (await hosts.list()).filter(isEngine)) {
    if (silent.has(host)) continue;
    await whileItAnswers(target, signal, async (until) => {
      for (const network of await target.networks({ signal: until })) {
        const { app } = network;
        if (app !== undefined && apps.has(app)) continue;
        const isGone = async (): Promise<boolean> => {
          // Made anew since the list was read, it is about to use the network.
          if (app !== undefined && (await ledger.appExists(app))) return false;
          return target.removeNetwork(network, { signal: until });
        };
        const removed = app === undefined ? await isGone() : await turns.take(app, isGone);
        if (removed) log.info({ host, network: network.name }, 'removed a network that nobody uses');
      }
    });
  }
}
