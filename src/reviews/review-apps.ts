/**
 * Review apps: an app for a branch `review/…` of another app, made by its first push, with that app's config and what the commit's
 * app.json has otherwise. It is an app like any other, only that it goes with its branch, and after some days without a deploy.
 */
import type { Config } from '../config.js';
import { destroyApp } from '../endings.js';
import { SlipwayError, toSlipwayError } from '../errors.js';
import type { AppRepositories } from '../git/app-repository.js';
import type { Git } from '../git/git.js';
import type { ReviewDirectory } from '../git/push.js';
import { transferCommit } from '../git/transfer.js';
import type { AppState } from '../ledger/app-documents.js';
import type { Ledger } from '../ledger/ledger.js';
import type { People } from '../ledger/people.js';
import { setSource } from '../ledger/source-settings.js';
import type { Logger } from '../log.js';
import type { ProcessResources } from '../model/release.js';
import { reviewAppName } from '../model/review.js';
import { APP_JSON, APP_JSON_BYTES, type AppJson, parseAppJson } from '../procfile/app-json.js';
import type { Queues } from '../queue/queues.js';
import type { DeploymentStore } from '../records/deployments.js';
import { Turns } from '../turns.js';

export interface ReviewParts {
  readonly config: Pick<Config, 'deployBranch' | 'reviewApps' | 'reviewAgeMs'>;
  readonly ledger: Ledger;
  readonly people: Pick<People, 'endApp'>;
  readonly store: DeploymentStore;
  readonly repositories: AppRepositories;
  readonly git: Git;
  readonly queues: Pick<Queues, 'enqueueRollout'>;
}

export class ReviewApps implements ReviewDirectory {
  readonly #parts: ReviewParts;
  /** By parent: so that the number of its review apps holds. */
  readonly #turns = new Turns();

  constructor(parts: ReviewParts) {
    this.#parts = parts;
  }

  /** Throws `conflict` when another app has the name, `too_large` when there are as many as may be, `app_json_invalid`. */
  async open(parent: string, branch: string, commit: string, who: string): Promise<string> {
    return this.#turns.take(parent, async () => {
      const { ledger, repositories, git } = this.#parts;
      const app = reviewAppName({ of: parent, branch });
      const isThere = await ledger.appExists(app);
      if (isThere) checkIsOf(parent, branch, await ledger.read(app));
      else await this.#checkRoom(parent);
      const appJson = await this.#appJsonOf(parent, commit);
      if (!isThere) {
        const { deployBranch } = this.#parts.config;
        await ledger.createApp(app, { deployBranch, review: { of: parent, branch } }, who);
      }
      // Also when whoever made it was killed in between; from its first release on people decide.
      if ((await ledger.read(app)).releases.length === 0) await this.#equip(parent, app, appJson, who);
      await transferCommit(git, repositories.path(parent), repositories.path(app), commit);
      return app;
    });
  }

  /** Moves the branch to what its app runs. Of two at once the later one holds, or the next look mends it. */
  async settle(parent: string, branch: string, commit: string): Promise<void> {
    const { repositories } = this.#parts;
    const from = await repositories.branch(parent, branch);
    if (from === commit) return;
    await repositories.moveBranch(parent, branch, from, commit).catch((thrown: unknown) => {
      if (toSlipwayError(thrown).code !== 'conflict') throw thrown;
    });
  }

  async close(parent: string, branch: string, who: string): Promise<string | undefined> {
    return this.#turns.take(parent, async () => {
      const { ledger, repositories } = this.#parts;
      const app = reviewAppName({ of: parent, branch });
      const isOurs = (await ledger.appExists(app)) && isOf(parent, branch, await ledger.read(app));
      // Nobody would miss what is in its volumes, nor find it.
      if (isOurs) await destroyApp(this.#parts, app, who, { withVolumes: true });
      if (await repositories.exists(parent)) await repositories.removeBranch(parent, branch);
      return isOurs ? app : undefined;
    });
  }

  /** Before the app itself goes: whoever makes one of its name has nothing to do with these, which have its config. */
  async closeAll(parent: string, who: string): Promise<void> {
    for (const branch of await this.#branches(parent)) await this.close(parent, branch, who);
  }

  /**
   * Once in a while: branches follow what their apps run, whoever pushed and did not wait; apps go that were not deployed for long, or
   * whose parent has gone.
   */
  async tidy(log: Logger): Promise<void> {
    const { ledger, repositories, config } = this.#parts;
    for (const app of await ledger.listApps()) {
      try {
        const { settings, releases, live } = await ledger.read(app);
        if (settings.review === undefined) continue;
        const { of, branch } = settings.review;
        const isOrphan = !(await ledger.appExists(of));
        const isOld = Date.now() - (await this.#lastUse(app, settings.createdAt)) > config.reviewAgeMs;
        const runs = releases.find(({ number }) => number === live)?.source;
        if (isOrphan || isOld) {
          await this.close(of, branch, 'slipway');
          log.info({ app, isOrphan }, 'removed a review app');
        } else if (runs !== undefined && runs !== (await repositories.branch(of, branch)))
          await this.settle(of, branch, await this.#brought(of, app, runs));
      } catch (error) {
        log.error({ err: error, app }, 'a review app was not tidied');
      }
    }
  }

  /** The commit, which the parent has as well: after a rollback in the review app it may be one that it has forgotten. */
  async #brought(parent: string, app: string, commit: string): Promise<string> {
    const { git, repositories } = this.#parts;
    await transferCommit(git, repositories.path(app), repositories.path(parent), commit);
    return commit;
  }

  async #lastUse(app: string, createdAt: string): Promise<number> {
    const { store } = this.#parts;
    if ((await store.open(app)).length > 0) return Date.now();
    const [newest] = await store.list(app, { limit: 1 });
    return newest?.endedAt ?? newest?.acceptedAt ?? Date.parse(createdAt);
  }

  async #checkRoom(parent: string): Promise<void> {
    const { config } = this.#parts;
    const count = (await this.#branches(parent)).length;
    if (count < config.reviewApps) return;
    throw new SlipwayError(
      'too_large',
      `${parent} has ${count} review apps, which is as many as it may have`,
      {
        hint: 'delete a branch that is not needed any more: git push slipway --delete review/NAME; the operator sets SLIPWAY_REVIEW_APPS',
      },
    );
  }

  /** Those that have an app. */
  async #branches(parent: string): Promise<string[]> {
    const { ledger } = this.#parts;
    const names = (await ledger.listApps()).filter((name) => name.startsWith(`${parent}-review-`));
    const states = await Promise.all(names.map((name) => ledger.read(name)));
    return states.flatMap(({ settings: { review } }) => (review?.of === parent ? [review.branch] : []));
  }

  /** Config, scale, limits and hosts of its first release. */
  async #equip(parent: string, app: string, { review }: AppJson, who: string): Promise<void> {
    const { ledger } = this.#parts;
    const { config, placement, source } = await ledger.read(parent);
    const env: Record<string, string | null> = { ...ledger.revealConfig(parent, config) };
    for (const [name, value] of review.env) env[name] = value;
    const named = Object.keys((await ledger.read(app)).config).filter((name) => !Object.hasOwn(env, name));
    await ledger.setConfig(app, { ...Object.fromEntries(named.map((name) => [name, null])), ...env }, who);
    if (placement !== undefined) await ledger.setPlacement(app, placement, who);
    if (source?.path !== undefined) await setSource(ledger, app, { path: source.path, watch: [] }, who);
    if (review.formation.size === 0) return;
    const scale: Record<string, number> = {};
    const resources: Record<string, ProcessResources> = {};
    for (const [type, { quantity, resources: limits }] of review.formation) {
      if (quantity !== undefined) scale[type] = quantity;
      if (limits !== undefined) resources[type] = limits;
    }
    await ledger.changeFormation(app, (now) => ({ ...now, scale, resources }), 'of the review app', who);
  }

  async #appJsonOf(parent: string, commit: string): Promise<AppJson> {
    const { git, repositories } = this.#parts;
    const { source } = await this.#parts.ledger.read(parent);
    const path = source?.path === undefined ? APP_JSON : `${source.path}/${APP_JSON}`;
    const { exitCode, stdout } = await git.result(['cat-file', 'blob', `${commit}:${path}`], {
      gitDir: repositories.path(parent),
      maxOutputBytes: APP_JSON_BYTES,
    });
    return parseAppJson(exitCode === 0 ? stdout.toString('utf8') : '{}');
  }
}

function isOf(parent: string, branch: string, { settings }: Pick<AppState, 'settings'>): boolean {
  return settings.review?.of === parent && settings.review.branch === branch;
}

function checkIsOf(parent: string, branch: string, state: AppState): void {
  if (isOf(parent, branch, state)) return;
  throw new SlipwayError('conflict', `there is another app called ${state.settings.name}`, {
    hint: `name the branch otherwise: git push slipway ${branch}:review/OTHER`,
  });
}
