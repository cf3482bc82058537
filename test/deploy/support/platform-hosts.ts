/** Hosts as a deployer opens them, around a home of their own: ledger, credentials, and what adds and removes. */
import { mkdir } from 'node:fs/promises';
import { HostChanges } from '../../../deploy/hosts/change.js';
import { HostCredentials } from '../../../deploy/hosts/credentials.js';
import { LedgerHosts, type OpeningParts } from '../../../deploy/hosts/open.js';
import { homePaths } from '../../../src/config.js';
import { PlatformLedger } from '../../../src/ledger/platform.js';
import { createLogger } from '../../../src/log.js';
import { temporaryDirectory } from '../../support/directories.js';
import { git } from '../../support/repository.js';

export const PLATFORM = 'testtest';

export interface PlatformHosts {
  readonly home: string;
  readonly parts: OpeningParts;
  readonly hosts: LedgerHosts;
  readonly changes: HostChanges;
}

/** The local host has no engine, but where `dockerHost` names one. */
export async function platformHosts(
  registryHost: string,
  dockerHost = 'unix:///nonexistent/docker.sock',
): Promise<PlatformHosts> {
  const home = await temporaryDirectory();
  const paths = homePaths(home);
  await mkdir(paths.run, { recursive: true });
  const parts: OpeningParts = {
    book: new PlatformLedger(paths, git).hosts,
    credentials: new HostCredentials(paths.hostCredentials, `slipway-${PLATFORM}`),
    dockerHost,
    platform: PLATFORM,
    registry: { host: registryHost },
    pullFreeBytes: 0,
    runDirectory: paths.run,
    log: createLogger('test', process.env.TEST_LOG ?? 'silent'),
  };
  const hosts = new LedgerHosts(parts);
  return { home, parts, hosts, changes: new HostChanges(parts, hosts) };
}
