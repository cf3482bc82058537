/**
 * The bare repositories of the apps: how one comes to be and goes, and the refs that Slipway itself writes in them.
 *
 *   refs/heads/<deploy branch>       the source of what is live; moved by the deployer alone
 *   refs/slipway/pushes/<build id>   keeps an accepted push's commit (invariant 1)
 *   refs/slipway/ledger              the app's ledger: see src/ledger
 *
 * A repository is made beside its place and renamed into it, so that a half-made one is never seen.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HomePaths } from '../config.js';
import { syncDirectory } from '../durable.js';
import { isErrno, SlipwayError } from '../errors.js';
import { checkAppName } from '../model/app.js';
import type { CommitSubject } from '../model/release-diff.js';
import { oneLine } from '../one-line.js';
import { type Git, gitFailure } from './git.js';
import { createLooseRef, moveLooseRef, readLooseRef, removeDeadLock } from './loose-objects.js';
import { repositorySettings } from './repository-settings.js';

export const NO_OID: string = '0'.repeat(40);

const OID = /^[0-9a-f]{40}$/;
const DEPLOYMENT_ID = /^[a-z0-9]{1,40}$/;
/** The rules of git-check-ref-format(1), and no leading `-`. */
const BRANCH = /^(?!.*(?:\.\.|\/\/|\/\.|\.lock(?:\/|$)|@\{))[A-Za-z0-9_][A-Za-z0-9_./@+-]*(?<![./])$/;
/** What is being made or taken away; no app name begins with a dot. */
const SUBJECT_CHARS = 200;
const STAGED = '.new-';
const DOOMED = '.old-';

export class AppRepositories {
  readonly #root: string;
  readonly #git: Git;

  constructor(paths: Pick<HomePaths, 'appRepositories'>, git: Git) {
    this.#root = paths.appRepositories;
    this.#git = git;
  }

  /** Where the app's repository is, or would be. Throws `invalid_name`. */
  path(app: string): string {
    return join(this.#root, `${checkAppName(app)}.git`);
  }

  async exists(app: string): Promise<boolean> {
    return isDirectory(this.path(app));
  }

  /** Throws `conflict` when the app has a repository already. */
  async create(app: string, deployBranch: string): Promise<void> {
    const path = this.path(app);
    if (await isDirectory(path)) throw taken(app);
    const staged = await this.stage(deployBranch);
    try {
      await this.publish(staged, app);
    } finally {
      await this.discard(staged);
    }
  }

  /** {@link create}, unless there is one. */
  async ensure(app: string, deployBranch: string): Promise<void> {
    if (await this.exists(app)) return;
    await this.create(app, deployBranch).catch((error: SlipwayError) => {
      if (error.code !== 'conflict') throw error;
    });
  }

  /** Makes a complete repository that belongs to no app yet. Returns its path, for `publish` or `discard`. */
  async stage(deployBranch: string): Promise<string> {
    const branch = checkBranch(deployBranch);
    const staged = join(this.#root, `${STAGED}${randomBytes(8).toString('hex')}.git`);
    await mkdir(staged, { recursive: true, mode: 0o700 });
    const args = [
      'init',
      '--quiet',
      '--bare',
      '--template=',
      '--object-format=sha1',
      `--initial-branch=${branch}`,
    ];
    await this.#git.run([...args, staged]);
    await writeFile(join(staged, 'config'), repositorySettings());
    return staged;
  }

  /** Gives a staged repository to an app, durably. Throws `conflict` when the app has one already. */
  async publish(staged: string, app: string): Promise<void> {
    try {
      // rename(2) onto a directory that is not empty fails, so of two at once one wins.
      await rename(staged, this.path(app));
    } catch (error) {
      if (isErrno(error, 'ENOTEMPTY') || isErrno(error, 'EEXIST')) throw taken(app);
      throw error;
    }
    await syncDirectory(this.#root);
  }

  /** Removes a staged repository. Does nothing when it was published. */
  async discard(staged: string): Promise<void> {
    await rm(staged, { recursive: true, force: true });
  }

  /** Removes the app's repository. A name is free again at once, the files go after. */
  async destroy(app: string): Promise<void> {
    const doomed = join(this.#root, `${DOOMED}${randomBytes(8).toString('hex')}.git`);
    try {
      await rename(this.path(app), doomed);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return;
      throw error;
    }
    await rm(doomed, { recursive: true, force: true });
  }

  /**
   * Removes what killed processes left: repositories half made or half removed, and quarantines of receive-pack, that are
   * older than `minAgeMs`. For the start of the web process (0: nobody can be using them) and the janitor.
   */
  async sweep(minAgeMs: number): Promise<void> {
    for (const name of await entries(this.#root)) {
      const path = join(this.#root, name);
      if (name.startsWith(STAGED) || name.startsWith(DOOMED)) await removeOlder(path, minAgeMs);
      else await this.#sweepQuarantines(path, minAgeMs);
    }
  }

  /** {@link sweep} for the quarantines of one app. */
  async sweepQuarantines(app: string, minAgeMs: number): Promise<void> {
    await this.#sweepQuarantines(this.path(app), minAgeMs);
  }

  async #sweepQuarantines(gitDir: string, minAgeMs: number): Promise<void> {
    const objects = join(gitDir, 'objects');
    // `incoming-` up to git 2.34, `tmp_objdir-incoming-` since.
    for (const name of await entries(objects)) {
      if (/^(tmp_objdir-)?incoming-/.test(name)) await removeOlder(join(objects, name), minAgeMs);
    }
  }

  /** The commit that a branch names, or undefined when there is no such branch. */
  async branch(app: string, name: string): Promise<string | undefined> {
    const gitDir = this.path(app);
    const ref = `refs/heads/${checkBranch(name)}`;
    // Asked several times in every push: a file is read sooner than git starts.
    const loose = await readLooseRef(gitDir, ref);
    if (loose !== undefined) return loose;
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`];
    const result = await this.#git.result(args, { gitDir });
    if (result.exitCode === 0) return result.stdout.toString('latin1').trim();
    if (result.stderr === '') return undefined;
    throw gitFailure(args, result);
  }

  /**
   * Moves a branch if it is still at `from` (undefined: does not exist). Moving it to where it is already does nothing, so
   * a deployer that takes over may do it again. Throws `conflict` when it has moved elsewhere meanwhile.
   */
  async moveBranch(app: string, branch: string, from: string | undefined, to: string): Promise<void> {
    const ref = `refs/heads/${checkBranch(branch)}`;
    const args = [
      'update-ref',
      '--no-deref',
      ref,
      checkOid(to),
      from === undefined ? NO_OID : checkOid(from),
    ];
    const gitDir = this.path(app);
    if (from !== undefined && (await moveLooseRef(gitDir, ref, from, to))) return;
    await removeDeadLock(gitDir, ref);
    const result = await this.#git.result(args, { gitDir });
    if (result.exitCode === 0) return;
    const current = await this.branch(app, branch);
    if (current === to) return;
    if (current === from) throw gitFailure(args, result);
    throw new SlipwayError(
      'conflict',
      `${branch} of ${app} is at ${current ?? 'nothing'}, not at ${from ?? 'nothing'}`,
    );
  }

  /** Removes a branch, wherever it is. Does nothing when there is none. */
  async removeBranch(app: string, branch: string): Promise<void> {
    await this.#git.run(['update-ref', '--no-deref', '-d', `refs/heads/${checkBranch(branch)}`], {
      gitDir: this.path(app),
    });
  }

  /** Keeps a commit and all it needs for as long as the pin exists. On return it survives a loss of power. */
  async pin(app: string, deploymentId: string, oid: string): Promise<void> {
    const gitDir = this.path(app);
    const ref = pinRef(deploymentId);
    if (!(await createLooseRef(gitDir, ref, checkOid(oid))))
      await this.#git.run(['update-ref', ref, oid], { gitDir });
    // git syncs the files (core.fsync) but not the directories that name them.
    const directories = ['objects/pack', 'refs/slipway/pushes', 'refs/slipway', 'refs'];
    await Promise.all(directories.map((name) => syncIfThere(join(gitDir, name))));
  }

  /** Takes the pin back. Does nothing when there is none. */
  async unpin(app: string, deploymentId: string): Promise<void> {
    await this.#git.run(['update-ref', '-d', pinRef(deploymentId)], { gitDir: this.path(app) });
  }

  /** The pins of an app: deployment id to commit id. */
  async pins(app: string): Promise<Map<string, string>> {
    const format = '--format=%(refname:lstrip=3) %(objectname)';
    const text = await this.#git.text(['for-each-ref', format, 'refs/slipway/pushes/'], {
      gitDir: this.path(app),
    });
    return new Map(text === '' ? [] : text.split('\n').map((line) => line.split(' ') as [string, string]));
  }

  /** The commits of the newest pins, newest first. */
  async newestPins(gitDir: string, count: number): Promise<string[]> {
    const args = [
      'for-each-ref',
      '--format=%(objectname)',
      '--sort=-refname',
      `--count=${count}`,
      'refs/slipway/pushes/',
    ];
    const text = await this.#git.text(args, { gitDir });
    return text === '' ? [] : [...new Set(text.split('\n'))];
  }

  /**
   * The subjects of the commits that `to` has and `from` does not, the newest first, at most `limit`. Undefined when the repository
   * does not have both.
   */
  async subjects(app: string, from: string, to: string, limit: number): Promise<CommitSubject[] | undefined> {
    if (!OID.test(from) || !OID.test(to)) return undefined;
    // Cut by git: a subject may be as long as a commit.
    const format = `--format=%H%x09%<(${2 * SUBJECT_CHARS},trunc)%s`;
    const args = ['log', `--max-count=${limit}`, format, '--end-of-options', `${from}..${to}`];
    const { exitCode, stdout } = await this.#git.result(args, { gitDir: this.path(app), timeoutMs: 10_000 });
    if (exitCode !== 0) return undefined;
    const lines = stdout.toString('utf8').split('\n');
    return lines
      .filter((line) => line !== '')
      .map((line) => {
        const tab = line.indexOf('\t');
        return { commit: line.slice(0, tab), subject: oneLine(line.slice(tab + 1), SUBJECT_CHARS) };
      });
  }

  /** Whether `ancestor` is `descendant` or lies in its history. Throws when one of them is not there. */
  async isAncestor(app: string, ancestor: string, descendant: string): Promise<boolean> {
    const args = ['merge-base', '--is-ancestor', checkOid(ancestor), checkOid(descendant)];
    const result = await this.#git.result(args, { gitDir: this.path(app) });
    if (result.exitCode > 1) throw gitFailure(args, result);
    return result.exitCode === 0;
  }
}

/** The ref that keeps an accepted push. */
export function pinRef(deploymentId: string): string {
  if (DEPLOYMENT_ID.test(deploymentId)) return `refs/slipway/pushes/${deploymentId}`;
  throw new SlipwayError('invalid_name', `${JSON.stringify(deploymentId)} is not a deployment id`);
}

/** Returns the branch name (without `refs/heads/`), or throws `invalid_name`. */
export function checkBranch(name: string): string {
  if (name.length <= 200 && BRANCH.test(name)) return name;
  throw new SlipwayError(
    'invalid_name',
    `${JSON.stringify(name.slice(0, 60))} is not a branch name that Slipway can use`,
    {
      hint: 'use letters, digits, "_", "-", "." and "/"',
    },
  );
}

function checkOid(oid: string): string {
  if (OID.test(oid)) return oid;
  throw new SlipwayError('invalid_name', `${JSON.stringify(oid.slice(0, 60))} is not a commit id`);
}

function taken(app: string): SlipwayError {
  return new SlipwayError('conflict', `the app ${app} exists already`);
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

async function entries(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return [];
    throw error;
  }
}

async function removeOlder(path: string, minAgeMs: number): Promise<void> {
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
  if (Date.now() - mtimeMs >= minAgeMs) await rm(path, { recursive: true, force: true });
}

async function syncIfThere(path: string): Promise<void> {
  try {
    await syncDirectory(path);
  } catch (error) {
    // A repository may be without some of them: refs/slipway/pushes when all pins are packed.
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
