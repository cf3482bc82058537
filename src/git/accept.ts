/**
 * Steps 2 and 3 of the way of a push: decides on what the hook was given, and accepts it. So it does with a commit that is
 * to be deployed without a push (src/deploys.ts).
 * Accepted means kept (invariant 1): the deployment is in its journal and its commit is pinned, both synced to disk. What
 * comes after (older pushes superseded, the job on the queue) only makes it faster: the reconciler finds an open deployment
 * by itself.
 */
import type { Limits } from '../config.js';
import { supersedeWaitingPushes } from '../endings.js';
import { describeError, SlipwayError, toSlipwayError } from '../errors.js';
import type { Logger } from '../log.js';
import { BuildLog } from '../logs/log-writer.js';
import { refuseLocked } from '../model/app.js';
import type { CommitSource, Deployment, PushedCommit, PushOptions } from '../model/deployment.js';
import { refuseFrozen } from '../model/freeze.js';
import type { DeploymentStore } from '../records/deployments.js';
import { Turns } from '../turns.js';
import { type AppRepositories, NO_OID } from './app-repository.js';
import { followPush } from './follow.js';
import type { Git } from './git.js';
import { judge, parsePushOptions } from './proposal.js';
import type { AppDirectory, MemberDirectory, ProposedPush, PushViewer, ReviewDirectory } from './push.js';
import { deployMembers } from './receive-members.js';
import { isReviewPush, receiveReviews } from './receive-reviews.js';
import { type RefUpdate, refuse, type Verdict } from './verdict.js';

/** The queue of builds, as far as a push needs it. Both answer within seconds, also while Redis is gone. */
export interface BuildQueue {
  /** False when the queue did not take it; the reconciler will put it there. */
  enqueueBuild(app: string): Promise<unknown>;
  /** How many apps wait for a builder. */
  buildsWaiting?(): Promise<number>;
}

export interface AcceptanceParts {
  readonly store: Pick<DeploymentStore, 'create' | 'end' | 'open' | 'watch' | 'logPath'>;
  readonly repositories: AppRepositories;
  readonly git: Git;
  readonly apps: AppDirectory;
  readonly queues: BuildQueue;
  /** Without it no app comes from the repository of another one. */
  readonly members?: MemberDirectory;
  /** Without it branches `review/…` are refused. */
  readonly reviews?: ReviewDirectory;
  /** For an app that its first push creates. */
  readonly defaultDeployBranch: string;
  readonly limits: Pick<Limits, 'refsPerPush' | 'logBytes' | 'logLineBytes'>;
  readonly log: Logger;
  /** A pusher is told at least every so many ms that the work goes on. Default 15,000. */
  readonly signOfLifeMs?: number;
}

/** A commit to be deployed that nobody pushes now. */
export interface DeployWish {
  readonly app: string;
  readonly who: string;
  readonly commit: string;
  readonly options: PushOptions;
  /** Where the builder fetches it; without, the app's repository has it. */
  readonly from?: CommitSource;
}

export class Acceptance {
  readonly #parts: AcceptanceParts;
  /** By app: one acceptance at a time, so that of two pushes one is the newer. */
  readonly #turns = new Turns();

  constructor(parts: AcceptanceParts) {
    this.#parts = parts;
  }

  /** From the proposed updates to a verdict on each, which for a push that is not detached comes with its end. */
  async receive(push: ProposedPush, viewer: PushViewer): Promise<readonly Verdict[]> {
    try {
      return await this.#receive(push, viewer);
    } catch (thrown) {
      const error = toSlipwayError(thrown);
      if (error.code === 'internal') throw thrown;
      await viewer.write(problem(describeError(error)));
      return push.updates.map(({ ref }) => refuse(ref, error.message));
    }
  }

  /** Accepts a commit as if it were pushed to the deploy branch, whatever that is at now. Throws `not_found` and `locked`, also in a freeze. */
  async deploy({ app, who, commit, options, from }: DeployWish): Promise<Deployment> {
    const { apps, repositories } = this.#parts;
    const branch = await apps.deployBranch(app);
    if (branch === undefined) throw new SlipwayError('not_found', `there is no app ${JSON.stringify(app)}`);
    refuseLocked(app, await apps.lock(app));
    // Only a push forces it, whose pusher has been asked for the right: this app is one that comes from the same repository.
    if (!options.force) refuseFrozen(app, await apps.freeze(app));
    const deployment = await this.#turns.take(app, async () => {
      const oldOid = (await repositories.branch(app, branch)) ?? NO_OID;
      const ref = `refs/heads/${branch}`;
      return this.#record(app, who, {
        ref,
        oldOid,
        newOid: commit,
        options,
        ...(from === undefined ? {} : { from }),
      });
    });
    await this.#enqueue(deployment);
    return deployment;
  }

  async #receive(push: ProposedPush, viewer: PushViewer): Promise<readonly Verdict[]> {
    const { apps, limits, defaultDeployBranch } = this.#parts;
    const options = parsePushOptions(push.options);
    const branch = await apps.deployBranch(push.app);
    const steps = {
      deploy: (app: string, commit: string) => this.deploy({ app, who: push.who.name, commit, options }),
      follow: (deployment: Deployment) => this.#follow(deployment, viewer),
    };
    if (isReviewPush(push, branch))
      return receiveReviews(push, viewer, {
        ...steps,
        reviews: this.#parts.reviews,
        refsPerPush: limits.refsPerPush,
        check: (update) => this.#checkCommit(push, update),
        follow: (deployment) => {
          viewer.accepted(deployment.id);
          return steps.follow(deployment);
        },
      });
    const deployBranch = branch ?? defaultDeployBranch;
    const { deploy, refused } = judge(push, deployBranch, limits.refsPerPush);
    if (deploy === undefined) {
      await viewer.write(problem([...new Set(refused.map(({ reason }) => reason))].slice(0, 10)));
      return refused;
    }
    refuseLocked(push.app, await apps.lock(push.app));
    await this.#refuseFrozen(push, options);
    await this.#checkCommit(push, deploy);
    const deployment = await this.#turns.take(push.app, () =>
      this.#accept(push, deploy, deployBranch, options),
    );
    viewer.accepted(deployment.id);
    await this.#enqueue(deployment);
    const { members, log } = this.#parts;
    const others = await deployMembers(push.app, deploy.newOid, viewer, { ...steps, members, log });
    const verdict = await this.#follow(deployment, viewer);
    const failed = await others();
    if (!verdict.ok || failed.length === 0) return [verdict, ...refused];
    const again = failed.map((app) => `again: slipway deploy ${deploy.newOid.slice(0, 12)} -a ${app}`);
    await viewer.write(problem([`${push.app} is deployed, ${failed.join(', ')} failed`, ...again]));
    return [refuse(deploy.ref, `${failed.join(', ')} failed; ${push.app} is deployed`), ...refused];
  }

  async #follow(deployment: Deployment, viewer: PushViewer): Promise<Verdict> {
    return followPush(this.#parts, deployment, viewer, this.#parts.signOfLifeMs ?? 15_000);
  }

  async #refuseFrozen({ app, who }: ProposedPush, { force = false }: PushOptions): Promise<void> {
    if (!force) return refuseFrozen(app, await this.#parts.apps.freeze(app));
    if (who.may(app, 'admin')) return;
    throw new SlipwayError('forbidden', `deploying ${app} in a freeze needs the role admin`, {
      hint: 'push without -o force when the freeze is over, or ask an admin of the app',
    });
  }

  async #checkCommit(push: ProposedPush, { ref, newOid }: RefUpdate): Promise<void> {
    const type = await this.#parts.git.text(['cat-file', '-t', newOid], { gitDir: push.gitDir });
    if (type === 'commit') return;
    const hint =
      type === 'tag'
        ? `push the commit that the tag names: git push <remote> '<tag>^{commit}:${ref}'`
        : undefined;
    throw new SlipwayError(
      'push_rejected',
      `a ${type} cannot be deployed, only a commit can`,
      hint === undefined ? {} : { hint },
    );
  }

  async #accept(
    push: ProposedPush,
    deploy: RefUpdate,
    deployBranch: string,
    options: PushOptions,
  ): Promise<Deployment> {
    const { app, who } = push;
    const { repositories } = this.#parts;
    await this.#makeApp(push, deployBranch);
    const current = (await repositories.branch(app, deployBranch)) ?? NO_OID;
    if (current !== deploy.oldOid) {
      const message = `${deployBranch} moved to ${current.slice(0, 7)} while this push was on its way`;
      throw new SlipwayError('not_fast_forward', message, { hint: 'git fetch, then push again' });
    }
    return this.#record(app, who.name, { ...deploy, options });
  }

  /** From here on it is kept. Older pushes that wait are told. */
  async #record(app: string, who: string, push: PushedCommit): Promise<Deployment> {
    const { repositories, store } = this.#parts;
    const deployment = await store.create(app, { kind: 'push', who, push });
    try {
      // Its builder pins what it has to fetch first.
      if (push.from === undefined) await repositories.pin(app, deployment.id, push.newOid);
    } catch (thrown) {
      const error = toSlipwayError(thrown);
      await store.end(app, deployment.id, {
        state: 'failed',
        reason: `the commit could not be kept: ${error.message}`,
        code: error.code,
      });
      throw error;
    }
    this.#parts.log.info({ app, build: deployment.id, commit: push.newOid, who }, 'push accepted');
    const older = (await store.open(app)).filter(({ kind, id }) => kind === 'push' && id < deployment.id);
    await this.#announce(deployment, older);
    await this.#supersedeOlder(deployment);
    return deployment;
  }

  /** The app of a first push comes to be only now, when there is something to deploy. */
  async #makeApp({ app, who, gitDir, isStaged }: ProposedPush, deployBranch: string): Promise<void> {
    const { apps, repositories } = this.#parts;
    if (isStaged) {
      try {
        await repositories.publish(gitDir, app);
      } catch (thrown) {
        const error = toSlipwayError(thrown);
        if (error.code !== 'conflict') throw error;
        throw createdBySomebodyElse(app);
      }
    }
    if ((await apps.deployBranch(app)) === undefined) await apps.create(app, deployBranch, who);
    // It was nobody's when git was asked to receive this.
    else if (!who.may(app, 'deploy')) throw createdBySomebodyElse(app);
  }

  /** The first lines of the build's log. That they cannot be written is no reason to lose the push. */
  async #announce({ app, id, push }: Deployment, older: readonly Deployment[]): Promise<void> {
    const running = older.find(({ state }) => state === 'building');
    try {
      const ahead = running === undefined ? await this.#waiting() : 0;
      const log = await BuildLog.open(this.#parts.store.logPath(app, id), this.#parts.limits);
      try {
        await log.headline(`Build ${id} of ${push?.newOid.slice(0, 7)} for ${app}`);
        await log.body(`^C detaches, the build goes on; slipway builds:output -a ${app} ${id} -f resumes`);
        if (running !== undefined)
          await log.body(`Waits for build ${running.id} of ${app}, which is under way`);
        else if (ahead > 0)
          await log.body(`Waits: ${ahead} ${ahead === 1 ? 'build is' : 'builds are'} ahead of it`);
      } finally {
        await log.close();
      }
    } catch (error) {
      this.#parts.log.error({ err: error, app, build: id }, 'build log not begun');
    }
  }

  /** Waiting pushes that are older will never be built: the newest wins. One that a builder takes at this moment goes on. */
  async #supersedeOlder(accepted: Deployment): Promise<void> {
    try {
      await supersedeWaitingPushes(this.#parts.store, accepted);
    } catch (error) {
      // The builder does it again when it picks the newest.
      this.#parts.log.error(
        { err: error, app: accepted.app, build: accepted.id },
        'older pushes not superseded',
      );
    }
  }

  async #enqueue({ app, id }: Deployment): Promise<void> {
    const { log, queues, store, limits } = this.#parts;
    const taken = await queues.enqueueBuild(app).catch((error: unknown) => {
      log.warn({ err: error, app, build: id }, 'build not enqueued; the reconciler will');
      return false;
    });
    if (taken !== false) return;
    try {
      const build = await BuildLog.open(store.logPath(app, id), limits);
      try {
        await build.problem('The queue cannot be reached. The push is kept and is built as soon as it can.');
      } finally {
        await build.close();
      }
    } catch (error) {
      log.error({ err: error, app, build: id }, 'build log not written');
    }
  }

  /** Zero when it is not known: a push does not fail for want of a number. */
  async #waiting(): Promise<number> {
    return (await this.#parts.queues.buildsWaiting?.().catch(() => 0)) ?? 0;
  }
}

function createdBySomebodyElse(app: string): SlipwayError {
  return new SlipwayError('conflict', `${app} was created by somebody else a moment ago`, {
    hint: 'push again',
  });
}

function problem(lines: readonly string[]): string {
  return lines.map((line) => ` !     ${line}\n`).join('');
}
