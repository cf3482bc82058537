/**
 * git's two services for one caller, whichever way they came: the process in the app's repository, and everything as it was
 * when it ends. How bytes reach it is the caller's (smart-http.ts, src/ssh).
 */
import type { ChildProcess } from 'node:child_process';
import type { Limits } from '../config.js';
import type { Access } from './access.js';
import type { AppRepositories } from './app-repository.js';
import type { Git } from './git.js';
import type { HookServer } from './hook-server.js';
import type { Pusher } from './push.js';
import { receiveSettings } from './repository-settings.js';

export interface GitServicesParts {
  readonly git: Git;
  readonly repositories: AppRepositories;
  readonly hooks: HookServer;
  readonly hooksDirectory: string;
  readonly defaultDeployBranch: string;
  readonly limits: Pick<Limits, 'packBytes'>;
}

export interface ServiceCall {
  /** Options of the service, such as `--stateless-rpc`. */
  readonly options: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Drives the process to its end. True when that was not an orderly one. */
  readonly drive: (child: ChildProcess) => Promise<boolean>;
}

const HAVES = 10;

/** The process leads a group of its own, so that git's helpers and the hook end with it. */
export class GitServices {
  readonly #parts: GitServicesParts;
  /** receive-packs under way per app. */
  readonly #receiving = new Map<string, number>();

  constructor(parts: GitServicesParts) {
    this.#parts = parts;
  }

  async upload({ app }: Access, { options, env, drive }: ServiceCall): Promise<void> {
    const { git, repositories } = this.#parts;
    const args = ['upload-pack', '--strict', ...options, repositories.path(app)];
    await drive(git.spawn(args, { env, detached: true }));
  }

  /** The commits that a pushing client is told of besides what is visible. */
  async haves({ app, isNew }: Access): Promise<readonly string[]> {
    const { repositories } = this.#parts;
    return isNew ? [] : repositories.newestPins(repositories.path(app), HAVES);
  }

  async receive({ app, isNew }: Access, who: Pusher, { options, env, drive }: ServiceCall): Promise<void> {
    const { git, repositories, hooks, hooksDirectory, defaultDeployBranch, limits } = this.#parts;
    // A repository without an app is what a killed first push left: it is used.
    const isStaged = isNew && !(await repositories.exists(app));
    const gitDir = isStaged ? await repositories.stage(defaultDeployBranch) : repositories.path(app);
    const admission = hooks.admit({ app, who, gitDir, isStaged });
    this.#receiving.set(app, (this.#receiving.get(app) ?? 0) + 1);
    let wasCut = true;
    try {
      const args = [...receiveSettings(hooksDirectory, limits), 'receive-pack', ...options, gitDir];
      wasCut = await drive(git.spawn(args, { env: { ...env, ...admission.env }, detached: true }));
    } finally {
      admission.release();
      const others = (this.#receiving.get(app) ?? 1) - 1;
      if (others > 0) this.#receiving.set(app, others);
      else this.#receiving.delete(app);
      if (isStaged) await repositories.discard(gitDir);
      // A killed receive-pack leaves its quarantine. While another one runs for this app, ours cannot be told from its.
      if (wasCut && others === 0) await repositories.sweepQuarantines(app, 0);
    }
  }
}
