/** The platform's own ledger, in a bare repository beside the apps': the access tokens and the hosts. */
import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Clock, systemClock } from '../clock.js';
import type { HomePaths } from '../config.js';
import { makeDirectory, syncDirectory } from '../durable.js';
import { isErrno } from '../errors.js';
import type { Git } from '../git/git.js';
import { DocumentRef, repositoryExists } from './documents.js';
import { HostBook } from './hosts.js';
import { Tokens } from './tokens.js';

export type { Identity, TokenRecord, TokenScopes } from './tokens.js';

export class PlatformLedger {
  readonly tokens: Tokens;
  readonly hosts: HostBook;

  constructor(paths: Pick<HomePaths, 'platformRepository'>, git: Git, clock: Clock = systemClock) {
    const gitDir = paths.platformRepository;
    const ref = new DocumentRef(git, gitDir, clock);
    const prepare = (): Promise<void> => createPlatformRepository(git, gitDir);
    this.tokens = new Tokens(ref, prepare, clock);
    this.hosts = new HostBook(ref, prepare, clock);
  }
}

/** The repository appears whole: several processes may start on an empty home at the same time. */
export async function createPlatformRepository(git: Git, gitDir: string): Promise<void> {
  if (await repositoryExists(gitDir)) return;
  await makeDirectory(dirname(gitDir));
  const temporary = `${gitDir}.${randomBytes(6).toString('hex')}`;
  try {
    await git.run(['init', '--quiet', '--bare', '--template=', '--initial-branch=main'], {
      gitDir: temporary,
    });
    await rename(temporary, gitDir);
    await syncDirectory(dirname(gitDir));
  } catch (thrown) {
    if (!isErrno(thrown, 'ENOTEMPTY') && !isErrno(thrown, 'EEXIST')) throw thrown;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
