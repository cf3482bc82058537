/** What a forge is told of a commit, in its own words. Pure. */
import type { DeploymentState } from '../model/deployment.js';
import type { Forge } from '../model/webhook.js';
import { oneLine } from '../one-line.js';
import type { Letter } from './send.js';

export interface CommitStatus {
  readonly forge: Forge;
  /** The repository, as it is fetched. */
  readonly remote: string;
  readonly commit: string;
  /** Of several apps of one repository each has a status of its own. */
  readonly app: string;
  readonly state: DeploymentState;
  readonly description: string;
  /** Where people read more. */
  readonly link: string;
}

type Word = 'pending' | 'success' | 'failure' | 'error';

const WORDS: Readonly<Partial<Record<DeploymentState, Word>>> = {
  live: 'success',
  built: 'success',
  failed: 'failure',
  cancelled: 'error',
  superseded: 'error',
};
const GITLAB: Readonly<Record<Word, string>> = {
  pending: 'pending',
  success: 'success',
  failure: 'failed',
  error: 'canceled',
};
const DESCRIPTION_CHARS = 140;

export function statusLetter(status: CommitStatus, token: string): Letter {
  const { forge, remote, commit, app, state, link } = status;
  const { protocol, host, pathname } = new URL(remote);
  const path = pathname.replace(/^\/+|\/+$/g, '').replace(/\.git$/, '');
  const origin = `${protocol}//${host}`;
  const word = WORDS[state] ?? 'pending';
  const description = oneLine(status.description, DESCRIPTION_CHARS);
  const context = `slipway/${app}`;
  if (forge === 'gitlab')
    return {
      url: `${origin}/api/v4/projects/${encodeURIComponent(decodeURIComponent(path))}/statuses/${commit}`,
      headers: { 'private-token': token },
      body: JSON.stringify({ state: GITLAB[word], name: context, target_url: link, description }),
    };
  const api =
    forge === 'gitea'
      ? `${origin}/api/v1`
      : host === 'github.com'
        ? 'https://api.github.com'
        : `${origin}/api/v3`;
  return {
    url: `${api}/repos/${path}/statuses/${commit}`,
    headers: {
      accept: forge === 'github' ? 'application/vnd.github+json' : 'application/json',
      authorization: `${forge === 'gitea' ? 'token' : 'Bearer'} ${token}`,
    },
    body: JSON.stringify({ state: word, context, target_url: link, description }),
  };
}

/** A token is shown to nobody on the way. */
export function mayCarryToken({ url }: Pick<Letter, 'url'>): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}
