/** The platform's own ledger, in a bare repository beside the apps': people, their keys and tokens, and the hosts. */
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
import type { Identity } from './identity.js';
import { Passes } from './passes.js';
import { People } from './people.js';
import { RecentDocuments } from './recent-documents.js';
import { TokenUses } from './token-uses.js';
import { Tokens, tokenId } from './tokens.js';

export type { Identity } from './identity.js';
export type { TokenRecord, TokenScopes } from './tokens.js';

export class PlatformLedger {
  readonly people: People;
  readonly passes: Passes;
  readonly tokens: Tokens;
  readonly uses: TokenUses;
  readonly hosts: HostBook;

  constructor(
    paths: Pick<HomePaths, 'platformRepository' | 'tokenUses'>,
    git: Git,
    clock: Clock = systemClock,
  ) {
    const gitDir = paths.platformRepository;
    const ref = new DocumentRef(git, gitDir, clock);
    const prepare = (): Promise<void> => createPlatformRepository(git, gitDir);
    // What people and tokens read for every request, they share: a user who is removed is gone with their tokens.
    const recent = new RecentDocuments(ref, clock);
    this.people = new People(ref, recent, prepare, clock);
    this.passes = new Passes(this.people);
    this.tokens = new Tokens(ref, recent, prepare, clock);
    this.uses = new TokenUses(paths.tokenUses, clock);
    this.hosts = new HostBook(ref, prepare, clock);
  }

  /** Whoever has this token: of the ledger, or of a command that came by SSH. Undefined for what is not valid any more. */
  async identify(token: string): Promise<Identity | undefined> {
    const identity = (await this.passes.verify(token)) ?? (await this.tokens.verify(token));
    const id = identity === undefined ? undefined : tokenId(token);
    if (id !== undefined) await this.uses.note(id);
    return identity;
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
