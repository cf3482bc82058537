/**
 * Deploys without a push: of a commit that is here, of a repository elsewhere, of a finished image. Each becomes a commit of the
 * app, which is accepted as a pushed one is (src/git/accept.ts), and returns at once.
 */
import { shownRemote } from './build/context/git-address.js';
import { appImagePolicy } from './build/image-policy.js';
import type { Config } from './config.js';
import { SlipwayError } from './errors.js';
import type { Acceptance } from './git/accept.js';
import type { AppRepositories } from './git/app-repository.js';
import { deployableCommit } from './git/deployable.js';
import type { Git } from './git/git.js';
import { writeImageCommit } from './git/image-commit.js';
import type { OutsideRepositories } from './git/outside/outside.js';
import type { Ledger } from './ledger/ledger.js';
import { refuseLocked } from './model/app.js';
import type { Deployment, PushOptions } from './model/deployment.js';
import type { RegistryClient } from './registry/client.js';
import { formatReference, parseReference } from './registry/reference.js';

export interface DeployTools {
  readonly config: Pick<Config, 'registry' | 'mirrors' | 'insecureRegistries'>;
  readonly ledger: Ledger;
  readonly repositories: AppRepositories;
  readonly git: Git;
  readonly outside: Pick<OutsideRepositories, 'resolve'>;
  readonly registry: Pick<RegistryClient, 'resolve'>;
  readonly acceptance: Pick<Acceptance, 'deploy'>;
}

export type DeployOptions = Omit<PushOptions, 'detach'>;

const RESOLVE_MS = 25_000;

/** A commit or branch of the app's repository; by default what is live, built again. Throws `not_found` and `no_release`. */
export async function requestDeploy(
  tools: DeployTools,
  app: string,
  name: string | undefined,
  options: DeployOptions,
  who: string,
): Promise<Deployment> {
  const { ledger, git, repositories, acceptance } = tools;
  const { releases, live } = await ledger.read(app);
  const current = releases.find(({ number }) => number === live)?.source;
  if (name === undefined && current === undefined)
    throw new SlipwayError('no_release', `${app} has no live release to deploy again`, {
      hint: `push to deploy first, or name a commit: slipway deploy COMMIT -a ${app}`,
    });
  const sources = [...new Set(releases.map(({ source }) => source))];
  const commit = await deployableCommit(git, repositories.path(app), name ?? current ?? '', sources);
  return acceptance.deploy({ app, who, commit, options: { ...options, detach: true } });
}

/** What `ref` (a branch, tag or whole commit id; by default the main branch) of a repository elsewhere is now. */
export async function requestSync(
  tools: DeployTools,
  app: string,
  remote: string,
  ref: string | undefined,
  options: DeployOptions,
  who: string,
): Promise<Deployment> {
  const { ledger, outside, acceptance } = tools;
  checkRemote(remote);
  refuseLocked(app, (await ledger.read(app)).lock);
  const { commit, name } = await outside.resolve(app, remote, ref ?? 'HEAD');
  const from = { remote, ref: name ?? commit };
  return acceptance.deploy({ app, who, commit, from, options: { ...options, detach: true } });
}

/** An image of a registry: what its name means now is resolved, and only the digest is built. Throws as `resolve` does. */
export async function requestImage(
  tools: DeployTools,
  app: string,
  text: string,
  who: string,
): Promise<Deployment> {
  const { config, ledger, registry, repositories, acceptance } = tools;
  const reference = parseReference(text);
  const { settings, lock } = await ledger.read(app);
  refuseLocked(app, lock);
  appImagePolicy(config, app)(reference);
  const found = await registry.resolve(reference, { signal: AbortSignal.timeout(RESOLVE_MS) });
  const { registry: host, repository } = reference;
  const commit = await writeImageCommit(repositories, app, settings.deployBranch, {
    name: formatReference(reference),
    pinned: `${host}/${repository}@${found.indexDigest ?? found.digest}`,
    who,
  });
  const options = { detach: true, noCache: false, buildOnly: false };
  return acceptance.deploy({ app, who, commit, options });
}

/** It is shown to whoever may see the app's builds. Throws `bad_request`. */
export function checkRemote(remote: string): string {
  if (/^https?:\/\/[^/?#]*@/i.test(remote))
    throw new SlipwayError('bad_request', `the address of ${shownRemote(remote)} holds a password`, {
      hint: 'give the token apart from it: slipway git:auth HOST',
    });
  if (remote.length <= 1000 && !/[?#]/.test(remote)) return remote;
  throw new SlipwayError('bad_request', `${shownRemote(remote)} is not the address of a repository`, {
    hint: 'write it as https://github.com/acme/shop.git; a branch is named by --ref',
  });
}
