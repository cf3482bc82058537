/** The deploy branch names the source of what is live: it moves with the rollout. */
import { toSlipwayError } from '../src/errors.js';
import { branchOfRef } from '../src/git/fast-forward.js';
import type { AppState } from '../src/ledger/app-documents.js';
import type { Deployment } from '../src/model/deployment.js';
import type { DeployerParts } from './parts.js';

const MOVE_ATTEMPTS = 5;

export function branchOf({ push }: Deployment, { settings }: Pick<AppState, 'settings'>): string {
  return push === undefined ? settings.deployBranch : branchOfRef(push.ref);
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
