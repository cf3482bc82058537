/** The deploy branch names the source of what is live: it moves with the rollout, and only forwards for a push. */
import { SlipwayError, toSlipwayError } from '../src/errors.js';
import type { AppState } from '../src/ledger/app-documents.js';
import type { Deployment } from '../src/model/deployment.js';
import type { DeployerParts } from './parts.js';

const MOVE_ATTEMPTS = 5;

export function branchOf({ push }: Deployment, { settings }: Pick<AppState, 'settings'>): string {
  return push === undefined ? settings.deployBranch : push.ref.replace(/^refs\/heads\//, '');
}

/** What was pushed was decided on what the branch was then. Throws `not_fast_forward` when that is history. */
export async function checkFastForward(
  { repositories }: Pick<DeployerParts, 'repositories'>,
  { app, push }: Deployment,
  branch: string,
): Promise<void> {
  if (push === undefined) return;
  const current = await repositories.branch(app, branch);
  if (current === undefined || current === push.oldOid || current === push.newOid) return;
  if (await repositories.isAncestor(app, current, push.newOid)) return;
  throw new SlipwayError(
    'not_fast_forward',
    `${branch} moved to ${current.slice(0, 7)} while this push was waiting`,
    {
      hint: 'fetch and merge it, then push again',
    },
  );
}

/** Throws `conflict` when others keep moving it. */
export async function moveBranch(
  { repositories }: Pick<DeployerParts, 'repositories'>,
  app: string,
  branch: string,
  to: string,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const from = await repositories.branch(app, branch);
    if (from === to) return;
    try {
      await repositories.moveBranch(app, branch, from, to);
      return;
    } catch (error) {
      if (toSlipwayError(error).code !== 'conflict' || attempt >= MOVE_ATTEMPTS) throw error;
    }
  }
}
