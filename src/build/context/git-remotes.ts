/**
 * Commits of other repositories, each fetched by git into a bare repository of the builder's own, without its history where
 * the server allows. All builds and processes share them; a commit that is here is not asked for again.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, stat, utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { diskUsage, removeTree } from '../../../native/index.js';
import type { GitSource } from '../../dockerfile/step.js';
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
  /** Which repositories may be asked with what `environment` holds of keys; otherwise none is asked over ssh. Default all. */
  readonly mayUseKeys?: (wanted: WantedCommit) => boolean;
  /** For repositories that are not public. */
  readonly authorization?: Authorization;
  /** Of one fetch, in ms. Default 10 minutes. */
  readonly timeoutMs?: number;
  /** Of one fetch, on disk. Default 10 GiB. */
  readonly maxBytes?: number;
}

export interface WantedCommit extends Pick<GitSource, 'remote' | 'ref' | 'checksum'> {
  /** The repository that names this one as its submodule. */
  readonly from?: string;
}

export interface FetchedCommit extends FoundCommit {
  readonly source: ContextSource;
}

const TIMEOUT_MS = 10 * 60_000;
const MAX_BYTES = 10 * 1024 ** 3;
const MEASURE_MS = 500;
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
  async fetch(wanted: WantedCommit, building: AbortSignal): Promise<FetchedCommit> {
    const { remote, ref = 'HEAD', checksum } = wanted;
    const { git, mayUseKeys, maxBytes = MAX_BYTES } = this.#options;
    const hasKeys = mayUseKeys === undefined || mayUseKeys(wanted);
    // Before what is here already: it was fetched for somebody who may.
    if (!hasKeys) refuseSsh(remote);
    const stop = new AbortController();
    const signal = AbortSignal.any([building, stop.signal]);
    let opened: Promise<RemoteCalls> | undefined;
    const calls = (): Promise<RemoteCalls> => {
      opened ??= this.#calls(wanted, hasKeys, signal);
      return opened;
    };
    let temporary: string | undefined;
    let measuring: NodeJS.Timeout | undefined;
    const newRepository = async (): Promise<string> => {
      // Made beside and renamed: what has the name is whole, and of two processes one wins.
      temporary = join(resolve(this.#options.directory), `fetching.${randomBytes(6).toString('hex')}`);
      await mkdir(this.#options.directory, { recursive: true });
      await git.run(['init', '--quiet', '--bare', '--template=', '--', temporary]);
      // A server may send without end.
      const growing = temporary;
      measuring = setInterval(() => {
        const tooLarge = (bytes: number): void => {
          if (bytes > maxBytes) stop.abort(tooMuch(remote, maxBytes));
        };
        diskUsage(growing).then(tooLarge, () => undefined);
      }, MEASURE_MS);
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
        if ((await diskUsage(fetched)) > maxBytes) throw tooMuch(remote, maxBytes);
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
      clearInterval(measuring);
      if (temporary !== undefined) await removeTree(temporary);
    }
  }

  async #calls({ remote, from }: WantedCommit, hasKeys: boolean, signal: AbortSignal): Promise<RemoteCalls> {
    const { git, rules, environment: all = {}, authorization, timeoutMs = TIMEOUT_MS } = this.#options;
    const environment = hasKeys ? all : withoutKeys(all);
    const settings = await remoteSettings(remote, rules);
    const header = await authorizationFor(remote, from, authorization);
    const env = { ...environment, ...NEVER_ASK, ...header?.env };
    const hint = authorization === undefined ? HINT : `${HINT}, or ${TOKEN_HINT}`;
    const given = [...settings, ...(header?.settings ?? [])];
    return new RemoteCalls(remote, git, given, { env, signal, timeoutMs, hint });
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

/** HOME has keys, and passwords in .netrc. */
function withoutKeys(environment: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const keys = /^(HOME|SSH_.*|GIT_SSH.*)$/;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !keys.test(name)));
}

function refuseSsh(remote: string): void {
  if (/^(https?|git|file):\/\//i.test(remote)) return;
  throw new SlipwayError('not_allowed', `${shownRemote(remote)} asks for SSH keys, which it may not use`, {
    hint: 'whoever builds can allow it: slipway build --ssh default',
  });
}

function tooMuch(remote: string, maxBytes: number): SlipwayError {
  return new SlipwayError('context_too_large', `${shownRemote(remote)} has more than ${maxBytes} bytes`, {
    hint: 'name a commit, branch or tag, so that its history is left out',
  });
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
