/**
 * Rebuilds a platform's state in an empty home from a mirror of its repositories and a registry. Only the truth is brought back:
 * branches, ledgers, tokens and the key. Journals, logs, caches and queues are not, and nothing needs them: the first start finds what
 * is live in the ledgers, and the reconciler starts it.
 *
 * Repositories are made anew and filled by a bundle, so that neither settings nor hooks of the mirror come along.
 */
import { randomBytes } from 'node:crypto';
import { access, chmod, copyFile, cp, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemClock } from '../clock.js';
import { homePaths } from '../config.js';
import { isErrno, SlipwayError, toSlipwayError } from '../errors.js';
import { AppRepositories } from '../git/app-repository.js';
import type { Git } from '../git/git.js';
import { type AppState, parseApp } from '../ledger/app-documents.js';
import { DocumentRef } from '../ledger/documents.js';
import { Ledger } from '../ledger/ledger.js';
import { createPlatformRepository, PlatformLedger } from '../ledger/platform.js';
import { Vault } from '../ledger/vault.js';
import type { HasImage } from './images.js';
import { findMirror, type Mirror } from './mirror.js';

export interface RestoreWish {
  readonly mirror: string;
  readonly home: string;
  /** Else the one beside the mirror's repositories. */
  readonly secretKey?: string | undefined;
  /** Undefined: images are not looked for. */
  readonly hasImage: HasImage | undefined;
  /** The data of a registry that `npm start` starts. */
  readonly registryData?: string | undefined;
  readonly dryRun: boolean;
  /** Also with problems. */
  readonly force: boolean;
  readonly git: Git;
}

export interface RestoredApp {
  readonly app: string;
  readonly live?: number;
  readonly releases: number;
  /** Kept releases whose image is missing: no rollback to them. Undefined when images were not looked for. */
  readonly withoutImage?: readonly number[];
  /** Releases whose rollout had not ended: they end as failed. */
  readonly cutOff: readonly number[];
  /** Why it will not run as it did. */
  readonly problems: readonly string[];
}

export interface Restored {
  readonly home: string;
  readonly apps: readonly RestoredApp[];
  readonly tokens: number;
  readonly problems: readonly string[];
  /** False in a dry run, or when problems forbid it. */
  readonly isDone: boolean;
}

const TRANSFER_MS = 60 * 60_000;

/** Throws `conflict` when the home is not empty, `not_found` when the mirror holds no platform, `invalid_config` for a bad key. */
export async function restore(wish: RestoreWish): Promise<Restored> {
  const { git, home, dryRun, force } = wish;
  await refuseUsedHome(home);
  const mirror = await findMirror(wish.mirror);
  const secretKey = wish.secretKey ?? mirror.secretKey;
  const vault = secretKey === undefined ? undefined : await openKey(secretKey);
  const apps: RestoredApp[] = [];
  const states = new Map<string, AppState>();
  for (const app of mirror.names) {
    const { state, ...said } = await look(wish, mirror, app, vault);
    apps.push(said);
    if (state !== undefined) states.set(app, state);
  }
  const tokens = await countTokens(git, home, mirror);
  const problems =
    tokens === 0 ? ['there are no tokens: the first start makes one for an administrator'] : [];
  const hasProblems = apps.some((app) => app.problems.length > 0);
  const result = { home, apps, tokens, problems };
  if (dryRun || (hasProblems && !force)) return { ...result, isDone: false };
  try {
    await write(wish, mirror, secretKey, apps, states);
  } catch (thrown) {
    // Half a platform is worse than none.
    await clear(home);
    throw thrown;
  }
  return { ...result, isDone: true };
}

async function refuseUsedHome(home: string): Promise<void> {
  const names = await entriesOf(home);
  if (names.length === 0) return;
  throw new SlipwayError('conflict', `it is not empty: it has ${names.slice(0, 5).join(', ')}`, {
    where: home,
    hint: 'choose an empty directory with SLIPWAY_HOME, or move this one aside',
  });
}

async function entriesOf(home: string): Promise<string[]> {
  const names = await readdir(home).catch((thrown: unknown) => {
    if (isErrno(thrown, 'ENOENT')) return [];
    throw thrown;
  });
  // Of a file system of its own.
  return names.filter((name) => name !== 'lost+found');
}

async function clear(home: string): Promise<void> {
  for (const name of await entriesOf(home)) await rm(join(home, name), { recursive: true, force: true });
}

/** Vault.open would make a new key where there is none. */
async function openKey(path: string): Promise<Vault> {
  try {
    await access(path);
  } catch (cause) {
    throw new SlipwayError('not_found', 'the key file cannot be read', { where: path, cause });
  }
  return Vault.open(path);
}

async function look(
  { git, hasImage }: RestoreWish,
  mirror: Mirror,
  app: string,
  vault: Vault | undefined,
): Promise<RestoredApp & { readonly state?: AppState }> {
  const none = { app, releases: 0, cutOff: [] };
  let state: AppState;
  try {
    const documents = await new DocumentRef(git, join(mirror.apps, `${app}.git`), systemClock).read();
    if (documents === undefined)
      return { ...none, problems: ['it has no ledger: was the mirror made with refs/slipway/*?'] };
    state = parseApp(documents);
  } catch (thrown) {
    const { message } = toSlipwayError(thrown);
    return { ...none, problems: [`its ledger cannot be read: ${message}`] };
  }
  const { releases, live } = state;
  const problems = configProblems(app, state, vault);
  const missing: number[] = [];
  if (hasImage !== undefined)
    for (const { number, gone, image, outcome } of releases)
      if (!gone && outcome?.state === 'live' && !(await hasImage(image))) missing.push(number);
  if (live !== undefined && missing.includes(live))
    problems.push(`the image of v${live}, which is live, is not in the registry`);
  return {
    app,
    ...(live === undefined ? {} : { live }),
    releases: releases.length,
    ...(hasImage === undefined ? {} : { withoutImage: missing }),
    cutOff: releases.filter(({ outcome }) => outcome === undefined).map(({ number }) => number),
    problems,
    state,
  };
}

function configProblems(
  app: string,
  { config, releases, live }: AppState,
  vault: Vault | undefined,
): string[] {
  const running = releases.find(({ number }) => number === live)?.config ?? {};
  const unreadable = new Set<string>();
  for (const [name, sealed] of [...Object.entries(config), ...Object.entries(running)]) {
    try {
      if (vault === undefined) throw new Error('no key');
      vault.unseal(app, name, sealed);
    } catch {
      unreadable.add(name);
    }
  }
  if (unreadable.size === 0) return [];
  const names = [...unreadable].sort().join(', ');
  return [
    vault === undefined
      ? `its config vars cannot be read without the key (--secret-key FILE): ${names}`
      : `its config vars were not encrypted with this key: ${names}`,
  ];
}

async function countTokens(git: Git, home: string, { platform }: Mirror): Promise<number> {
  if (platform === undefined) return 0;
  const { tokens } = new PlatformLedger({ ...homePaths(home), platformRepository: platform }, git);
  return (await tokens.list()).filter(({ revokedAt }) => revokedAt === undefined).length;
}

async function write(
  { git, home, registryData }: RestoreWish,
  mirror: Mirror,
  secretKey: string | undefined,
  apps: readonly RestoredApp[],
  states: ReadonlyMap<string, AppState>,
): Promise<void> {
  const paths = homePaths(home);
  await mkdir(paths.tmp, { recursive: true, mode: 0o700 });
  await chmod(home, 0o700);
  if (secretKey !== undefined) {
    await copyFile(secretKey, paths.secretKey);
    await chmod(paths.secretKey, 0o600);
  }
  for (const from of [mirror.platformId, mirror.record])
    if (from !== undefined) await copyFile(from, join(home, from.slice(dirname(from).length + 1)));
  for (const [from, to] of [
    [mirror.hosts, paths.hostCredentials],
    [mirror.ssh, paths.ssh],
  ] as const) {
    if (from === undefined) continue;
    await cp(from, to, { recursive: true });
    await makePrivate(to);
  }
  if (registryData !== undefined)
    await cp(registryData, join(home, 'registry'), { recursive: true, preserveTimestamps: true });
  if (mirror.platform !== undefined) {
    await createPlatformRepository(git, paths.platformRepository);
    await transfer(git, mirror.platform, paths.platformRepository, paths.tmp, ['refs/slipway/ledger']);
  }
  const repositories = new AppRepositories(paths, git);
  const ledger = new Ledger(paths, git, await Vault.open(paths.secretKey));
  for (const { app, cutOff } of apps) {
    const state = states.get(app);
    if (state === undefined) continue;
    await repositories.create(app, state.settings.deployBranch);
    const refs = ['refs/heads/', 'refs/slipway/ledger'];
    await transfer(git, join(mirror.apps, `${app}.git`), repositories.path(app), paths.tmp, refs);
    // Whoever pushed them heard of no end; the branch has not moved, so that the same push is taken again.
    for (const number of cutOff)
      await ledger.recordOutcome(app, number, {
        state: 'failed',
        at: new Date().toISOString(),
        reason: 'its rollout had not ended when the platform was restored',
      });
  }
  await rm(paths.tmp, { recursive: true, force: true });
}

/** Keys that others may read are refused by ssh. */
async function makePrivate(directory: string): Promise<void> {
  await chmod(directory, 0o700);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await makePrivate(path);
    else await chmod(path, 0o600);
  }
}

/** The refs of one repository that are named so or begin so, with all that they need, into another. git checks every object. */
async function transfer(
  git: Git,
  from: string,
  to: string,
  temporary: string,
  wanted: readonly string[],
): Promise<void> {
  const call = { timeoutMs: TRANSFER_MS };
  const named = await git.text(['for-each-ref', '--format=%(refname)', ...wanted], { ...call, gitDir: from });
  if (named === '') return;
  const bundle = join(temporary, `${randomBytes(6).toString('hex')}.bundle`);
  try {
    // Not fetched from there: a repository of ours hides these refs from who fetches.
    await git.run(['bundle', 'create', '--quiet', bundle, '--stdin'], {
      ...call,
      gitDir: from,
      input: `${named}\n`,
    });
    const refspecs = named.split('\n').map((ref) => `${ref}:${ref}`);
    await git.run(['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', bundle, '--stdin'], {
      ...call,
      gitDir: to,
      input: `${refspecs.join('\n')}\n`,
    });
  } finally {
    await rm(bundle, { force: true });
  }
}
