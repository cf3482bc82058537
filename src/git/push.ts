/** A push on its way from git to its verdict: who pushes what, and who looks on. Only types. */
import type { AppAction } from '../model/access.js';
import type { AppLock } from '../model/app.js';
import type { ActiveFreeze } from '../model/freeze.js';
import type { Proposal } from './proposal.js';

/** Who pushes: the platform's Identity, as far as a push needs it. */
export interface Pusher {
  readonly name: string;
  /** The user, when it is one: the first admin of an app that the push creates. */
  readonly user?: string;
  may(app: string, action: AppAction): boolean;
  /** It does not exist yet. */
  mayCreate(app: string): boolean;
}

/** Who pushes what where, known before git has read the push. */
export interface AdmittedPush {
  readonly app: string;
  readonly who: Pusher;
  /** Where receive-pack runs: the app's repository, or a staged one that becomes it on acceptance. */
  readonly gitDir: string;
  readonly isStaged: boolean;
}

export interface ProposedPush extends AdmittedPush, Proposal {
  readonly options: readonly string[];
}

/** The terminal of the pusher: told everything, waited for by nobody but this push. */
export interface PushViewer {
  /** Aborted when the pusher is gone, or with a sentence as reason when the platform lets go of him. */
  readonly signal: AbortSignal;
  /** Resolves when there is room for more, at once when nobody reads any more. Never rejects. */
  write(data: Uint8Array | string): Promise<void>;
  accepted(buildId: string): void;
}

/** What the platform knows of apps: the ledger, as far as a push needs it. */
export interface AppDirectory {
  /** The app's deploy branch, without `refs/heads/`; undefined when there is no such app. */
  deployBranch(app: string): Promise<string | undefined>;
  /** Why the app may not change now. */
  lock(app: string): Promise<AppLock | undefined>;
  /** Why nobody deploys it at this time of the week. */
  freeze(app: string): Promise<ActiveFreeze | undefined>;
  /** Makes the app known. Its repository exists. Throws `conflict` when the app exists. */
  create(app: string, deployBranch: string, who: Pusher): Promise<void>;
}

/** The apps of review branches, as far as a push needs them. */
export interface ReviewDirectory {
  /** The app of a branch of `app`, made when there is none, with the commit in its repository. */
  open(app: string, branch: string, commit: string, who: string): Promise<string>;
  /** The branch of `app` names what its review app runs. */
  settle(app: string, branch: string, commit: string): Promise<void>;
  /** Destroys the branch's app, and the branch. Undefined when there was no such app. */
  close(app: string, branch: string, who: string): Promise<string | undefined>;
  /** Destroys those of all its branches: `app` itself is to go. */
  closeAll(app: string, who: string): Promise<void>;
}

/** An app that comes from the repository of another one. */
export interface Member {
  readonly app: string;
  /** The commit has other files of it than its newest one. */
  readonly isChanged: boolean;
}

export interface MemberDirectory {
  /** Those of the repository of `repo`, by name. */
  of(repo: string, commit: string): Promise<readonly Member[]>;
  /** The commit into the repository of `app`. */
  bring(repo: string, app: string, commit: string): Promise<void>;
}
