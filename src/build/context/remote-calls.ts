/** What is asked of one remote repository: which commit a ref is, and the objects of a commit. */
import { SlipwayError } from '../../errors.js';
import type { Git, GitResult } from '../../git/git.js';
import { shownRemote } from './git-address.js';

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
/** The beginning of a commit's id; git takes none that is shorter. */
const SHORT_COMMIT = /^[0-9a-f]{4,63}$/i;
/** All that a clone would have. */
const EVERYTHING = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];

export function isCommit(text: string): boolean {
  return COMMIT.test(text);
}

export interface RemoteCall {
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** What to do when it cannot be read. */
  readonly hint: string;
}

export interface FoundCommit {
  readonly commit: string;
  /** The branch or tag that it was found by: `refs/…`, or HEAD. */
  readonly name?: string;
}

/** All of it throws `context_invalid` with git's words. */
export class RemoteCalls {
  readonly #remote: string;
  readonly #git: Git;
  readonly #settings: readonly string[];
  readonly #call: RemoteCall;

  constructor(remote: string, git: Git, settings: readonly string[], call: RemoteCall) {
    this.#remote = remote;
    this.#git = git;
    this.#settings = [...settings, 'gc.auto=0', 'credential.helper='].flatMap((setting) => ['-c', setting]);
    this.#call = call;
  }

  /** Of a branch and a tag with one name the branch is meant, as `git checkout` has it. Undefined when there is neither. */
  async resolve(ref: string): Promise<FoundCommit | undefined> {
    if (/[\p{Cc} ~^:?*[\\]|^-/u.test(ref)) throw this.#failure(`${JSON.stringify(ref)} cannot be a ref`);
    const patterns = ref === 'HEAD' ? ['HEAD'] : [ref, `${ref}^{}`];
    const args = [...this.#settings, 'ls-remote', '--quiet', '--', this.#remote, ...patterns];
    const listed = await this.#git.result(args, this.#call);
    if (listed.exitCode !== 0) throw this.#failure('it cannot be read', listed.stderr);
    const lines = listed.stdout.toString('utf8').split('\n');
    const refs = new Map(lines.map((line) => [line.split('\t')[1] ?? '', line.split('\t')[0] ?? '']));
    const names =
      ref === 'HEAD'
        ? ['HEAD']
        : [`refs/${ref.replace(/^refs\//, '')}`, `refs/heads/${ref}`, `refs/tags/${ref}`];
    for (const name of names) {
      const commit = refs.get(`${name}^{}`) ?? refs.get(name);
      if (commit !== undefined && COMMIT.test(commit)) return { commit, name };
    }
    return undefined;
  }

  /**
   * The commit whose id begins so. No server can be asked for that, so all branches and tags are fetched into the new
   * repository. Throws also where none or several begin so.
   */
  async expand(ref: string, newRepository: () => Promise<string>): Promise<FoundCommit> {
    const hint = 'check the name, and that it was pushed';
    if (!SHORT_COMMIT.test(ref))
      throw this.#failure(`there is no branch or tag ${JSON.stringify(ref)}`, '', hint);
    const gitDir = await newRepository();
    const { exitCode, stderr } = await this.#fetchInto(gitDir, EVERYTHING);
    if (exitCode !== 0) throw this.#failure('it cannot be fetched', stderr);
    const args = ['rev-parse', '--verify', '--end-of-options', `${ref}^{commit}`];
    const found = await this.#git.result(args, { gitDir });
    const commit = found.stdout.toString('utf8').trim();
    if (found.exitCode === 0 && COMMIT.test(commit)) return { commit };
    if (/ambiguous/.test(found.stderr))
      throw this.#failure(`several ids begin with ${ref}`, '', 'give more of the digits of the commit');
    throw this.#failure(`there is no branch, tag or commit ${JSON.stringify(ref)}`, '', hint);
  }

  async fetch(gitDir: string, { commit, name }: FoundCommit): Promise<void> {
    // Not every server gives a commit by its id: then by name, and at last all there is.
    const tries: readonly (readonly [refs: readonly string[], depth?: string])[] = [
      [[`${commit}:refs/slipway/commit`], '--depth=1'],
      ...(name === undefined ? [] : [[[`${name}:refs/slipway/name`], '--depth=1'] as const]),
      [EVERYTHING],
    ];
    let problem = '';
    for (const [refs, depth] of tries) {
      const { exitCode, stderr } = await this.#fetchInto(
        gitDir,
        refs,
        ...(depth === undefined ? [] : [depth]),
      );
      const found = ['cat-file', '-e', `${commit}^{tree}`];
      if (exitCode === 0 && (await this.#git.result(found, { gitDir })).exitCode === 0) return;
      problem = stderr || problem;
    }
    throw this.#failure(`the commit ${commit} cannot be fetched`, problem);
  }

  /** The commit that `ref`, a whole name or an id, is now, with all of its history, as `refs/slipway/commit`. */
  async fetchHistory(gitDir: string, ref: string): Promise<string> {
    const own = 'refs/slipway/commit';
    const tries = isCommit(ref) ? [[`${ref}:${own}`], EVERYTHING] : [[`${ref}:${own}`]];
    let problem = '';
    for (const refs of tries) {
      const { exitCode, stderr } = await this.#fetchInto(gitDir, refs);
      const name = isCommit(ref) ? ref : own;
      const found = await this.#git.result(['rev-parse', '--verify', '--quiet', `${name}^{commit}`], {
        gitDir,
      });
      if (exitCode === 0 && found.exitCode === 0) {
        const commit = found.stdout.toString('latin1').trim();
        await this.#git.run(['update-ref', own, commit], { gitDir });
        return commit;
      }
      problem = stderr || problem;
    }
    throw this.#failure(`${ref} cannot be fetched`, problem);
  }

  #fetchInto(gitDir: string, refs: readonly string[], ...options: readonly string[]): Promise<GitResult> {
    const command = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', ...options];
    const args = [...this.#settings, ...command, '--', this.#remote, ...refs];
    return this.#git.result(args, { ...this.#call, gitDir });
  }

  #failure(what: string, words = '', hint = this.#call.hint): SlipwayError {
    const shown = shownRemote(this.#remote);
    const told = words === '' ? '' : `: ${words.replaceAll(this.#remote, shown)}`;
    return new SlipwayError('context_invalid', `the git repository ${shown}: ${what}${told}`, { hint });
  }
}
