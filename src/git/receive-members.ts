/** Apps that come from the repository that is pushed: deployed as well, where it has changed for them. None keeps the others waiting. */
import { SlipwayError, toSlipwayError } from '../errors.js';
import type { Logger } from '../log.js';
import type { Deployment } from '../model/deployment.js';
import type { MemberDirectory, PushViewer } from './push.js';
import type { Verdict } from './verdict.js';

export interface MemberSteps {
  readonly members: MemberDirectory | undefined;
  readonly deploy: (app: string, commit: string) => Promise<Deployment>;
  readonly follow: (deployment: Deployment) => Promise<Verdict>;
  readonly log: Logger;
}

/** Begins them, and returns what waits for their ends: the names of those that failed. */
export async function deployMembers(
  repo: string,
  commit: string,
  viewer: PushViewer,
  { members, deploy, follow, log }: MemberSteps,
): Promise<() => Promise<readonly string[]>> {
  const deployed: Deployment[] = [];
  const failed: string[] = [];
  for (const { app, isChanged } of (await members?.of(repo, commit)) ?? []) {
    if (!isChanged) {
      await viewer.write(`-----> ${app}: unchanged, stays as it is\n`);
      continue;
    }
    try {
      await members?.bring(repo, app, commit);
      const deployment = await deploy(app, commit);
      deployed.push(deployment);
      await viewer.write(`-----> ${app}: build ${deployment.id}\n`);
    } catch (thrown) {
      if (!(thrown instanceof SlipwayError)) log.error({ err: thrown, app }, 'a member is not deployed');
      await viewer.write(` !     ${app}: ${toSlipwayError(thrown).message}\n`);
      failed.push(app);
    }
  }
  return async () => {
    for (const member of deployed) {
      await viewer.write(`\n=====> ${member.app}\n`);
      if (!(await follow(member)).ok) failed.push(member.app);
    }
    return failed;
  };
}
