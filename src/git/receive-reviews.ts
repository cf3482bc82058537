/** A push of branches `review/…`: one that is pushed is deployed in an app of its own, one that is deleted takes its app along. */
import type { Deployment } from '../model/deployment.js';
import { isReviewBranch } from '../model/review.js';
import { checkBranch, NO_OID } from './app-repository.js';
import { branchOfRef } from './fast-forward.js';
import type { ProposedPush, PushViewer, ReviewDirectory } from './push.js';
import { type RefUpdate, refuse, type Verdict } from './verdict.js';

export interface ReviewSteps {
  /** Absent: there are no review apps. */
  readonly reviews: ReviewDirectory | undefined;
  readonly refsPerPush: number;
  /** Throws for what is no commit. */
  readonly check: (update: RefUpdate) => Promise<void>;
  readonly deploy: (app: string, commit: string) => Promise<Deployment>;
  readonly follow: (deployment: Deployment) => Promise<Verdict>;
}

/** Whether all that is pushed are review branches, of an app that is there. */
export function isReviewPush({ updates }: ProposedPush, deployBranch: string | undefined): boolean {
  const branches = updates.map(({ ref }) => branchOfRef(ref));
  return (
    deployBranch !== undefined &&
    branches.length > 0 &&
    branches.every((branch) => isReviewBranch(branch) && branch !== deployBranch)
  );
}

export async function receiveReviews(
  push: ProposedPush,
  viewer: PushViewer,
  steps: ReviewSteps,
): Promise<readonly Verdict[]> {
  const { reviews, refsPerPush } = steps;
  const pushed = push.updates.filter(({ newOid }) => newOid !== NO_OID);
  const isMany = pushed.length > 1 || push.updates.length > refsPerPush;
  if (reviews === undefined || isMany) {
    const fault = isMany ? 'push one review branch at a time' : 'there are no review apps here';
    await viewer.write(` !     ${fault}\n`);
    return push.updates.map(({ ref }) => refuse(ref, fault));
  }
  const verdicts: Verdict[] = [];
  for (const update of push.updates) {
    const branch = checkBranch(branchOfRef(update.ref));
    if (update.newOid !== NO_OID) {
      verdicts.push(await receiveReview(push, update, branch, reviews, steps));
      continue;
    }
    const gone = await reviews.close(push.app, branch, push.who.name);
    if (gone !== undefined) await viewer.write(`-----> Destroyed ${gone}\n`);
    verdicts.push({ ref: update.ref, ok: true });
  }
  return verdicts;
}

async function receiveReview(
  { app: parent, who }: ProposedPush,
  update: RefUpdate,
  branch: string,
  reviews: ReviewDirectory,
  { check, deploy, follow }: ReviewSteps,
): Promise<Verdict> {
  await check(update);
  const commit = update.newOid;
  const app = await reviews.open(parent, branch, commit, who.name);
  const verdict = await follow(await deploy(app, commit));
  if (verdict.ok && verdict.instead === undefined) await reviews.settle(parent, branch, commit);
  return { ...verdict, ref: update.ref };
}
