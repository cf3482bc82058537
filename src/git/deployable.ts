/**
 * Which commit of an app's repository a person means. Beside the sources lies the ledger, in the same repository: what is only
 * part of that is no source and is not to be had.
 */
import { SlipwayError } from '../errors.js';
import { checkBranch } from './app-repository.js';
import type { Git } from './git.js';

const SHORTEST = 7;

/**
 * The commit of a branch, or that whose id is `name` or begins so. `sources`: commits of releases, which are kept even when no
 * branch has them any more. Throws `not_found`.
 */
export async function deployableCommit(
  git: Git,
  gitDir: string,
  name: string,
  sources: readonly string[],
): Promise<string> {
  const branch = await commitOf(git, gitDir, `refs/heads/${checkBranch(name)}`);
  if (branch !== undefined) return branch;
  const isId = /^[0-9a-f]+$/i.test(name) && name.length >= SHORTEST;
  const commit = isId ? await commitOf(git, gitDir, name) : undefined;
  if (commit !== undefined && (await isSource(git, gitDir, commit, sources))) return commit;
  throw new SlipwayError(
    'not_found',
    `there is no branch or commit ${JSON.stringify(name.slice(0, 60))} here`,
    {
      hint: `push it, or name a commit by at least ${SHORTEST} digits; slipway releases lists those of releases`,
    },
  );
}

async function commitOf(git: Git, gitDir: string, name: string): Promise<string | undefined> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`];
  const { exitCode, stdout } = await git.result(args, { gitDir });
  return exitCode === 0 ? stdout.toString('latin1').trim() : undefined;
}

/** Whether branches, pushes and releases lead to it. */
async function isSource(
  git: Git,
  gitDir: string,
  commit: string,
  sources: readonly string[],
): Promise<boolean> {
  const known = ['--branches', '--glob=refs/slipway/pushes/*'];
  const args = ['rev-list', '--max-count=1', '--ignore-missing', '--stdin', commit, '--not', ...known];
  const input = sources.map((source) => `^${source}\n`).join('');
  return (await git.text(args, { gitDir, input })) === '';
}
