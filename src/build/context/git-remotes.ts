/**
 * Commits of other repositories, each fetched by git into a bare repository of the builder's own, without its history where
 * the server allows. All builds and processes share them; a commit that is here is not asked for again.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, stat, utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { removeTree } from '../../../native/index.js';
import type { GitSource } from '../../dockerfile/types.js';
import { SlipwayError } from '../../errors.js';
import type { Git } from '../../git/git.js';
import { ObjectReader } from '../../git/objects.js';
import { type RemoteRules, remoteSettings, shownRemote } from './git-address.js';
import type { ContextSource } from './git-context.js';

export interface RemoteOptions {
  readonly git: Git;
  /** Where the repositories are kept. */
  readonly directory: string;
  readonly rules: RemoteRules;
  /** Given to git besides its own: HOME and SSH_AUTH_SOCK, where a user's keys are to be used. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Of one fetch, in ms. Default 10 minutes. */
  readonly timeoutMs?: number;
}

export interface FetchedCommit {
  readonly commit: string;
  /** The branch or tag that it was found by: `refs/…`. */
  readonly name?: string;
  readonly source: ContextSource;
}

const TIMEOUT_MS = 10 * 60_000;
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

export class GitRemotes {
  readonly #options: RemoteOptions;
  readonly #readers = new Map<string, ObjectReader>();

  constructor(options: RemoteOptions) {
    this.#options = options;
  }

  close(): void {
    for (const reader of this.#readers.values()) reader.close();
    this.#readers.clear();
  }

  /** The commit that `ref` is now. Throws `context_invalid` when it is not there, or is not the one of `checksum`. */
  async fetch(
    { remote, ref = 'HEAD', checksum }: Pick<GitSource, 'remote' | 'ref' | 'checksum'>,
    signal: AbortSignal,
  ): Promise<FetchedCommit> {
    const { git, rules, environment = {}, timeoutMs = TIMEOUT_MS } = this.#options;
    let call: RemoteCalls | undefined;
    const calls = async (): Promise<RemoteCalls> => {
      const settings = await remoteSettings(remote, rules);
      // ssh must not ask for a password.
      const env = { ...environment, GIT_ASKPASS: '/bin/false', SSH_ASKPASS_REQUIRE: 'never' };
      call ??= new RemoteCalls(remote, git, settings, { env, signal, timeoutMs });
      return call;
    };
    const [commit, name] = COMMIT.test(ref) ? [ref] : await (await calls()).resolve(ref);
    if (checksum !== undefined && !commit.startsWith(checksum.toLowerCase())) {
      throw new SlipwayError(
        'context_invalid',
        `${ref} of ${shownRemote(remote)} is ${commit}, not ${checksum}`,
        { hint: 'somebody moved it: look at what changed before you write the new commit into the checksum' },
      );
    }
    const gitDir = this.#place(remote, commit);
    if ((await stat(gitDir).catch(() => undefined)) === undefined) {
      // Made beside and renamed: what has the name is whole, and of two processes one wins.
      const temporary = `${gitDir}.${randomBytes(6).toString('hex')}`;
      await mkdir(this.#options.directory, { recursive: true });
      try {
        await git.run(['init', '--quiet', '--bare', '--template=', '--', temporary]);
        await (await calls()).fetch(temporary, commit, name);
        await rename(temporary, gitDir).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
        });
      } finally {
        await removeTree(temporary);
      }
    } else {
      // For the cleaning of the builder's store.
      await utimes(gitDir, new Date(), new Date());
    }
    await utimes(gitDir, new Date(), new Date());
    const objects = this.#readers.get(gitDir) ?? new ObjectReader(gitDir, { git });
    this.#readers.set(gitDir, objects);
    return {
      commit,
      ...(name === undefined ? {} : { name }),
      source: { git, gitDir, objects, remote },
    };
  }

  /** Removes what no build has asked for in this time, in ms, and what a killed one left. Longer than any build. */
  async forget(unusedMs: number): Promise<void> {
    const { directory } = this.#options;
    const names = await readdir(directory).catch(() => []);
    for (const name of names) {
      const path = join(resolve(directory), name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined || Date.now() - found.mtimeMs < unusedMs) continue;
      this.#readers.get(path)?.close();
      this.#readers.delete(path);
      await removeTree(path);
    }
  }

  #place(remote: string, commit: string): string {
    const name = createHash('sha256').update(`${remote}\0${commit}`).digest('hex').slice(0, 40);
    return join(resolve(this.#options.directory), `${name}.git`);
  }
}

interface RemoteCall {
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** What is asked of one remote. */
class RemoteCalls {
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

  /** Of a branch and a tag with one name the branch is meant, as `git checkout` has it. */
  async resolve(ref: string): Promise<[commit: string, name: string]> {
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
      if (commit !== undefined && COMMIT.test(commit)) return [commit, name];
    }
    const hint = /^[0-9a-f]{4,}$/.test(ref)
      ? 'a commit is named by all 40 digits of its id'
      : 'check the name of the branch or tag, and that it was pushed';
    throw this.#failure(`there is no branch or tag ${JSON.stringify(ref)}`, '', hint);
  }

  async fetch(gitDir: string, commit: string, name: string | undefined): Promise<void> {
    // Not every server gives a commit by its id: then by name, and at last all there is.
    const tries: readonly (readonly string[])[] = [
      ['--depth=1', '--', this.#remote, `${commit}:refs/slipway/commit`],
      ...(name === undefined ? [] : [['--depth=1', '--', this.#remote, `${name}:refs/slipway/name`]]),
      ['--', this.#remote, '+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'],
    ];
    let problem = '';
    for (const each of tries) {
      const args = [...this.#settings, 'fetch', '--quiet', '--no-tags', '--no-write-fetch-head', ...each];
      const { exitCode, stderr } = await this.#git.result(args, { ...this.#call, gitDir });
      const found = ['cat-file', '-e', `${commit}^{tree}`];
      if (exitCode === 0 && (await this.#git.result(found, { gitDir })).exitCode === 0) return;
      problem = stderr || problem;
    }
    throw this.#failure(`the commit ${commit} cannot be fetched`, problem);
  }

  #failure(
    what: string,
    words = '',
    hint = 'check the address, and that it can be read without a password',
  ): SlipwayError {
    const shown = shownRemote(this.#remote);
    const told = words === '' ? '' : `: ${words.replaceAll(this.#remote, shown)}`;
    return new SlipwayError('context_invalid', `the git repository ${shown}: ${what}${told}`, { hint });
  }
}
