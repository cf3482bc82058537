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
import { type Authorization, authorizationFor } from './git-authorization.js';
import type { ContextSource } from './git-context.js';
import { type FoundCommit, isCommit, RemoteCalls } from './remote-calls.js';

export interface RemoteOptions {
  readonly git: Git;
  /** Where the repositories are kept. */
  readonly directory: string;
  readonly rules: RemoteRules;
  /** Given to git besides its own: HOME and SSH_AUTH_SOCK, where a user's keys are to be used. */
  readonly environment?: Readonly<Record<string, string>>;
  /** For repositories that are not public. */
  readonly authorization?: Authorization;
  /** Of one fetch, in ms. Default 10 minutes. */
  readonly timeoutMs?: number;
}

export interface WantedCommit extends Pick<GitSource, 'remote' | 'ref' | 'checksum'> {
  /** The repository that names this one as its submodule. */
  readonly from?: string;
}

export interface FetchedCommit extends FoundCommit {
  readonly source: ContextSource;
}

const TIMEOUT_MS = 10 * 60_000;
/** Neither git nor ssh has anybody to ask. */
const NEVER_ASK = { GIT_ASKPASS: '/bin/false', SSH_ASKPASS_REQUIRE: 'never' };
const HINT = 'check the address, and that it can be read without a password';
const TOKEN_HINT = 'give a token: --secret id=GIT_AUTH_TOKEN.HOST,src=FILE';

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
    { remote, ref = 'HEAD', checksum, from }: WantedCommit,
    signal: AbortSignal,
  ): Promise<FetchedCommit> {
    const { git } = this.#options;
    let opened: Promise<RemoteCalls> | undefined;
    const calls = (): Promise<RemoteCalls> => {
      opened ??= this.#calls(remote, from, signal);
      return opened;
    };
    let temporary: string | undefined;
    const newRepository = async (): Promise<string> => {
      // Made beside and renamed: what has the name is whole, and of two processes one wins.
      temporary = join(resolve(this.#options.directory), `fetching.${randomBytes(6).toString('hex')}`);
      await mkdir(this.#options.directory, { recursive: true });
      await git.run(['init', '--quiet', '--bare', '--template=', '--', temporary]);
      return temporary;
    };
    try {
      const found: FoundCommit = isCommit(ref)
        ? { commit: ref }
        : ((await (await calls()).resolve(ref)) ?? (await (await calls()).expand(ref, newRepository)));
      checkId(found.commit, { remote, ref, checksum });
      const gitDir = this.#place(remote, found.commit);
      if ((await stat(gitDir).catch(() => undefined)) === undefined) {
        const whole = temporary;
        const fetched = whole ?? (await newRepository());
        if (whole === undefined) await (await calls()).fetch(fetched, found);
        await rename(fetched, gitDir).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
        });
      }
      // For the cleaning of the builder's store.
      await utimes(gitDir, new Date(), new Date());
      const objects = this.#readers.get(gitDir) ?? new ObjectReader(gitDir, { git });
      this.#readers.set(gitDir, objects);
      return { ...found, source: { git, gitDir, objects, remote } };
    } finally {
      if (temporary !== undefined) await removeTree(temporary);
    }
  }

  async #calls(remote: string, from: string | undefined, signal: AbortSignal): Promise<RemoteCalls> {
    const { git, rules, environment = {}, authorization, timeoutMs = TIMEOUT_MS } = this.#options;
    const settings = await remoteSettings(remote, rules);
    const header = await authorizationFor(remote, from, authorization);
    const env = { ...environment, ...NEVER_ASK, ...header?.env };
    const hint = authorization === undefined ? HINT : `${HINT}, or ${TOKEN_HINT}`;
    const all = [...settings, ...(header?.settings ?? [])];
    return new RemoteCalls(remote, git, all, { env, signal, timeoutMs, hint });
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

function checkId(
  commit: string,
  { remote, ref, checksum }: { remote: string; ref: string; checksum: string | undefined },
): void {
  if (checksum === undefined || commit.startsWith(checksum.toLowerCase())) return;
  throw new SlipwayError(
    'context_invalid',
    `${ref} of ${shownRemote(remote)} is ${commit}, not ${checksum}`,
    {
      hint: 'somebody moved it: look at what changed before you write the new commit into the checksum',
    },
  );
}
