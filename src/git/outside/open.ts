/** The repositories elsewhere, as this platform's settings have them. */
import { join } from 'node:path';
import { type Config, homePaths } from '../../config.js';
import type { Ledger } from '../../ledger/ledger.js';
import { gitToken } from '../../ledger/outside-settings.js';
import { outboundNetworks } from '../../outbound.js';
import type { AppRepositories } from '../app-repository.js';
import type { Git } from '../git.js';
import { OutsideRepositories } from './outside.js';

export interface OutsideParts {
  readonly git: Git;
  readonly repositories: AppRepositories;
  readonly ledger: Ledger;
}

/** Throws `invalid_config`. */
export function openOutside(
  config: Config,
  { git, repositories, ledger }: OutsideParts,
): OutsideRepositories {
  return new OutsideRepositories({
    git,
    repositories,
    // Beside what builds fetch: what a killed builder left goes with that.
    directory: join(homePaths(config.home).store, 'git'),
    allowed: outboundNetworks(config),
    maxBytes: config.limits.packBytes,
    tokenFor: (app, host) => gitToken(ledger, app, host),
  });
}
