/** What was pushed was decided on what the branch was then: a push that waited may have been overtaken. */
import { SlipwayError } from '../errors.js';
import type { PushedCommit } from '../model/deployment.js';
import type { AppRepositories } from './app-repository.js';

/**
 * Throws `not_fast_forward` when the branch has moved since the push was accepted, to something that the pushed commit does
 * not contain: somebody's work would be lost unseen.
 */
export async function checkFastForward(
  repositories: Pick<AppRepositories, 'branch' | 'isAncestor'>,
  app: string,
  { ref, oldOid, newOid, from }: PushedCommit,
): Promise<void> {
  // There, whoever may has decided what the branch is: also that it has left something behind.
  if (from !== undefined) return;
  const branch = branchOfRef(ref);
  const current = await repositories.branch(app, branch);
  if (current === undefined || current === oldOid || current === newOid) return;
  if (await repositories.isAncestor(app, current, newOid)) return;
  throw new SlipwayError(
    'not_fast_forward',
    `${branch} moved to ${current.slice(0, 7)} while this push was waiting`,
    { hint: 'fetch and merge it, then push again' },
  );
}

/** `refs/heads/main` → `main`. */
export function branchOfRef(ref: string): string {
  return ref.replace(/^refs\/heads\//, '');
}
