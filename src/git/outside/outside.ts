/**
 * Repositories elsewhere that apps are deployed from: what a branch of one is now, and a commit of it brought into the app's
 * own repository with its history. What comes is checked as a push is, apart from the app's repository, and moved there whole.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { diskUsage, removeTree } from '../../../native/index.js';
import { type RemoteRules, remoteSettings, shownRemote } from '../../build/context/git-address.js';
import { authorizationFor } from '../../build/context/git-authorization.js';
import { type FoundCommit, isCommit, RemoteCalls } from '../../build/context/remote-calls.js';
import type { Cidr } from '../../build/sandbox/cidr.js';
import { SlipwayError } from '../../errors.js';
import type { CommitSource } from '../../model/deployment.js';
import { outboundGuard } from '../../outbound.js';
import type { AppRepositories } from '../app-repository.js';
import type { Git } from '../git.js';
import { FETCH_SETTINGS } from '../repository-settings.js';

export interface OutsideOptions {
  readonly git: Git;
  readonly repositories: Pick<AppRepositories, 'path'>;
  /** Where what is being fetched is kept until it is whole. */
  readonly directory: string;
  /** Networks that may be reached although they are not public; those alone without TLS. */
  readonly allowed: readonly Cidr[];
  /** Of one fetch, on disk. */
  readonly maxBytes: number;
  /** The app's token for a host. */
  readonly tokenFor: (app: string, host: string) => Promise<string | undefined>;
  /** Of one call, in ms. Default 10 minutes. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10 * 60_000;
/** Somebody waits for the answer. */
const RESOLVE_MS = 20_000;
const MEASURE_MS = 500;
const NEVER_ASK = { GIT_ASKPASS: '/bin/false' };

export class OutsideRepositories {
  readonly #options: OutsideOptions;

  constructor(options: OutsideOptions) {
    this.#options = options;
  }

  /** What a branch, tag or commit id is now. Throws `context_invalid` or `forbidden`. */
  async resolve(app: string, remote: string, ref: string): Promise<FoundCommit> {
    // A server can only be asked for names.
    if (isCommit(ref)) return { commit: ref };
    const calls = await this.#calls(app, remote, AbortSignal.timeout(RESOLVE_MS));
    const found = await calls.resolve(ref);
    if (found !== undefined) return found;
    throw new SlipwayError('context_invalid', `${shownRemote(remote)} has no branch or tag ${ref}`, {
      hint: 'check the name, and that it was pushed; a commit is named by all 40 digits',
    });
  }

  /** Brings what `ref` is now into the app's repository; returns its commit. Throws as `resolve` does. */
  async fetch(app: string, { remote, ref }: CommitSource, stopped: AbortSignal): Promise<string> {
    const { git, repositories, directory, maxBytes } = this.#options;
    const stop = new AbortController();
    const signal = AbortSignal.any([stopped, stop.signal]);
    const calls = await this.#calls(app, remote, signal);
    const gitDir = repositories.path(app);
    await mkdir(directory, { recursive: true });
    const fetched = join(directory, `fetching.${randomBytes(6).toString('hex')}`);
    const measuring = setInterval(() => {
      const check = (bytes: number): void => {
        if (bytes > maxBytes) stop.abort(tooLarge(remote, maxBytes));
      };
      diskUsage(fetched).then(check, () => undefined);
    }, MEASURE_MS);
    try {
      await git.run(['init', '--quiet', '--bare', '--template=', '--', fetched]);
      // What the app has already is not sent again. But a commit that is named by its id has to come from there: beside the app's
      // sources lies its ledger.
      if (!isCommit(ref))
        await writeFile(join(fetched, 'objects', 'info', 'alternates'), `${join(gitDir, 'objects')}\n`);
      const commit = await calls.fetchHistory(fetched, ref);
      if ((await diskUsage(fetched)) > maxBytes) throw tooLarge(remote, maxBytes);
      await this.#take(remote, { fetched, gitDir, commit }, signal);
      return commit;
    } finally {
      clearInterval(measuring);
      await removeTree(fetched);
    }
  }

  /** Into the app's repository, on disk, where each object is checked; nothing names it there yet. */
  async #take(
    remote: string,
    { fetched, gitDir, commit }: { fetched: string; gitDir: string; commit: string },
    signal: AbortSignal,
  ): Promise<void> {
    const settings = ['protocol.file.allow=always', ...FETCH_SETTINGS, 'gc.auto=0'];
    const command = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--', fetched];
    const args = [...settings.flatMap((setting) => ['-c', setting]), ...command, 'refs/slipway/commit'];
    const call = { gitDir, signal, timeoutMs: TIMEOUT_MS };
    const { exitCode, stderr } = await this.#options.git.result(args, call);
    const found = await this.#options.git.result(['cat-file', '-e', `${commit}^{commit}`], call);
    if (exitCode === 0 && found.exitCode === 0) return;
    throw new SlipwayError(
      'context_invalid',
      `what ${shownRemote(remote)} sends cannot be used: ${stderr.replaceAll(fetched, shownRemote(remote))}`,
      { hint: 'git fsck there says more' },
    );
  }

  async #calls(app: string, remote: string, signal: AbortSignal): Promise<RemoteCalls> {
    const { git, timeoutMs = TIMEOUT_MS, tokenFor } = this.#options;
    const settings = await remoteSettings(remote, this.#rules(remote));
    const header = await authorizationFor(remote, undefined, async (host) => {
      const token = await tokenFor(app, host);
      return token === undefined ? undefined : basicAuthorization(token);
    });
    const given = [...settings, ...(header?.settings ?? []), ...FETCH_SETTINGS];
    const hint = `check the address; if it is not public, give its token: slipway git:auth HOST -a ${app}`;
    return new RemoteCalls(remote, git, given, {
      env: { ...NEVER_ASK, ...header?.env },
      signal,
      timeoutMs,
      hint,
    });
  }

  #rules(remote: string): RemoteRules {
    const { allowed } = this.#options;
    const isPlain = /^http:/i.test(remote) && allowed.length > 0;
    return {
      protocols: isPlain ? ['https', 'http'] : ['https'],
      guard: () => outboundGuard(remote, allowed),
    };
  }
}

/** GitHub, GitLab and Gitea take a token as the password of any user. */
export function basicAuthorization(token: string): string {
  return `basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`;
}

function tooLarge(remote: string, maxBytes: number): SlipwayError {
  return new SlipwayError('context_too_large', `${shownRemote(remote)} sends more than ${maxBytes} bytes`, {
    hint: 'make its history smaller, or have the operator raise SLIPWAY_LIMIT_PACK_BYTES',
  });
}
