/**
 * Apps that come from the repository of another one: which of them a push concerns. An app whose paths are in the commit what they are
 * in its newest one stays as it is.
 */
import type { AppRepositories } from '../git/app-repository.js';
import type { Git } from '../git/git.js';
import type { Member, MemberDirectory } from '../git/push.js';
import { transferCommit } from '../git/transfer.js';
import type { Ledger } from '../ledger/ledger.js';
import { type AppSource, watchedPaths } from '../model/source.js';
import type { DeploymentStore } from '../records/deployments.js';

export interface MemberParts {
  readonly ledger: Ledger;
  readonly store: DeploymentStore;
  readonly repositories: AppRepositories;
  readonly git: Git;
}

export class Members implements MemberDirectory {
  readonly #parts: MemberParts;

  constructor(parts: MemberParts) {
    this.#parts = parts;
  }

  async of(repo: string, commit: string): Promise<readonly Member[]> {
    const { ledger } = this.#parts;
    const found: Member[] = [];
    for (const app of (await ledger.read(repo)).members) {
      const source = (await ledger.appExists(app)) ? (await ledger.read(app)).source : undefined;
      if (source?.repo !== repo) continue;
      found.push({ app, isChanged: await this.#isChanged(repo, app, source, commit) });
    }
    return found;
  }

  async bring(repo: string, app: string, commit: string): Promise<void> {
    const { repositories, git } = this.#parts;
    await transferCommit(git, repositories.path(repo), repositories.path(app), commit);
  }

  async #isChanged(repo: string, app: string, source: AppSource, commit: string): Promise<boolean> {
    const paths = watchedPaths(source);
    const before = await this.#newest(app);
    if (before === undefined || paths.length === 0) return true;
    const { git, repositories } = this.#parts;
    // Down to the files: what a directory's neighbour has changed is no change of it.
    const args = [
      '--literal-pathspecs',
      'diff-tree',
      '-r',
      '--quiet',
      '--no-ext-diff',
      before,
      commit,
      '--',
      ...paths,
    ];
    // Anything but 0: a difference, or a commit that is not here any more.
    return (await git.result(args, { gitDir: repositories.path(repo) })).exitCode !== 0;
  }

  /** The commit that is on its way, or else that is live. */
  async #newest(app: string): Promise<string | undefined> {
    const { ledger, store } = this.#parts;
    const open = (await store.open(app)).flatMap(({ push }) => push?.newOid ?? []);
    const { releases, live } = await ledger.read(app);
    return open.at(-1) ?? releases.find(({ number }) => number === live)?.source;
  }
}
