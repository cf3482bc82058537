/** What the rooms of a rollout share. */
import type { Config } from '../src/config.js';
import type { FastPaths } from '../src/fast-paths.js';
import type { AppRepositories } from '../src/git/app-repository.js';
import type { Ledger } from '../src/ledger/ledger.js';
import type { Logger } from '../src/log.js';
import { LOCAL_HOST } from '../src/model/host.js';
import { WEB_TYPE } from '../src/model/process.js';
import type { DeploymentStore } from '../src/records/deployments.js';
import type { RegistryClient } from '../src/registry/client.js';
import type { Turns } from '../src/turns.js';
import type { Edge } from './edge/edge.js';
import type { EdgeServer } from './edge/state.js';
import type { Followed } from './followed.js';
import type { Hosts } from './hosts.js';
import { serverName } from './names.js';
import type { Retirements } from './retire.js';
import type { Container } from './targets/container.js';

export interface DeployerParts {
  readonly config: Pick<Config, 'appDomain' | 'edge' | 'limits' | 'registry'>;
  readonly store: DeploymentStore;
  readonly ledger: Ledger;
  readonly repositories: Pick<AppRepositories, 'branch' | 'isAncestor' | 'moveBranch'>;
  readonly registry: Pick<RegistryClient, 'headManifest'>;
  readonly hosts: Hosts;
  readonly edge: Edge;
  readonly log: Logger;
  readonly fast: Pick<FastPaths, 'adopt'>;
  /** One rollout or reconciliation per app at a time in this process. */
  readonly turns: Turns;
  readonly retirements: Retirements;
  readonly followed: Followed;
  /** Names this process in claims. */
  readonly by: string;
}

/** What the edge needs to know of the containers that answer requests. */
export function serversOfContainers(containers: readonly Container[]): EdgeServer[] {
  return containers.flatMap(({ host, instance, release, address }) =>
    instance.process !== WEB_TYPE || address === undefined
      ? []
      : [
          {
            name: serverName(release, address),
            ...address,
            ...(host === LOCAL_HOST ? {} : { machine: host }),
          },
        ],
  );
}
