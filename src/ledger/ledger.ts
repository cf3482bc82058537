/**
 * The ledger: what every app should be, as a chain of commits in its own repository (design: git is the truth). One
 * commit per change, each a compare-and-swap, so any number of processes write without a lock. Its messages are meant
 * to be read: `git log refs/slipway/ledger`.
 *
 * An app exists exactly if its ledger ref does.
 */
import { readdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Clock, systemClock } from '../clock.js';
import type { HomePaths } from '../config.js';
import { makeDirectory, syncDirectory } from '../durable.js';
import { isErrno, SlipwayError } from '../errors.js';
import { ALL_FAST, type FastPaths } from '../fast-paths.js';
import type { Git } from '../git/git.js';
import {
  type AppLock,
  type AppSettings,
  checkAppName,
  checkConfigName,
  checkConfigValue,
  isAppName,
} from '../model/app.js';
import { checkFreeze, type Freeze } from '../model/freeze.js';
import { describePlacement, LOCAL_HOST, type Placement } from '../model/host.js';
import { imageGone } from '../model/image-gone.js';
import type { Formation } from '../model/process.js';
import type { Mark, Outcome, Pin, Release } from '../model/release.js';
import { dispensableReleases } from '../model/retention.js';
import { describeStrategy, type Strategy } from '../model/strategy.js';
import { volumesOf } from '../model/volume.js';
import {
  type AppState,
  CONFIG_PATH,
  FORMATION_PATH,
  FREEZES_PATH,
  GONE_PATH,
  LIVE_PATH,
  LOCK_PATH,
  markPath,
  outcomePath,
  PLACEMENT_PATH,
  parseApp,
  pinPath,
  RETENTION_PATH,
  releasePath,
  SETTINGS_PATH,
  STRATEGY_PATH,
  toDocument,
} from './app-documents.js';
import { type DocumentChange, DocumentRef, type Documents, oneLine } from './documents.js';
import { formatNumbers } from './number-ranges.js';
import type { Vault } from './vault.js';
import { VOLUMES_PATH } from './volume-documents.js';
import { withNone, withVolumes } from './volume-settings.js';

/** What a release says before it has a number. */
export type ReleaseDraft = Omit<Release, 'number' | 'createdAt' | 'createdBy'>;

export interface LedgerParts {
  /** Makes the app's bare repository, or leaves the one that is there; may run twice at once. Only `createApp` needs it. */
  readonly createRepository?: (app: string, deployBranch: string) => Promise<void>;
  readonly clock?: Clock;
  readonly fast?: Pick<FastPaths, 'ledger'>;
  /** Whether a repository has this commit, for who has git at hand; else a git is started to look. */
  readonly hasCommit?: (gitDir: string, oid: string) => Promise<boolean>;
}

/** A release was to be appended that was made of what does not hold any more. */
export class OutdatedDraft extends SlipwayError {
  constructor() {
    super('conflict', 'the app was changed meanwhile', { hint: 'try again', temporary: true });
  }
}

const CACHED_APPS = 500;
const FREEZES_LIMIT = 20;

export class Ledger {
  readonly #directory: string;
  readonly #git: Git;
  readonly #vault: Vault;
  readonly #clock: Clock;
  readonly #fast: Pick<FastPaths, 'ledger'>;
  readonly #hasCommit: NonNullable<LedgerParts['hasCommit']>;
  readonly #createRepository: LedgerParts['createRepository'];
  /** By app, the one used last at the end. */
  readonly #refs = new Map<string, DocumentRef>();
  readonly #states = new WeakMap<Documents, AppState>();

  constructor(paths: Pick<HomePaths, 'appRepositories'>, git: Git, vault: Vault, parts: LedgerParts = {}) {
    this.#directory = paths.appRepositories;
    this.#git = git;
    this.#vault = vault;
    this.#clock = parts.clock ?? systemClock;
    this.#fast = parts.fast ?? ALL_FAST;
    this.#createRepository = parts.createRepository;
    this.#hasCommit =
      parts.hasCommit ??
      (async (gitDir, oid) =>
        (await git.result(['cat-file', '-e', `${oid}^{commit}`], { gitDir })).exitCode === 0);
  }

  async listApps(): Promise<string[]> {
    const names = await readdir(this.#directory).catch((thrown: unknown) => {
      if (isErrno(thrown, 'ENOENT')) return [];
      throw thrown;
    });
    const apps: string[] = [];
    for (const name of names.sort()) {
      const app = name.endsWith('.git') ? name.slice(0, -4) : '';
      if (isAppName(app) && (await this.appExists(app))) apps.push(app);
    }
    return apps;
  }

  /** False for a name that no app can have. */
  async appExists(app: string): Promise<boolean> {
    return isAppName(app) && (await this.#ref(app).head()) !== undefined;
  }

  /** Throws `invalid_name`, or `conflict` when the app exists. */
  async createApp(
    name: string,
    settings: Pick<AppSettings, 'deployBranch' | 'review'>,
    who: string,
  ): Promise<AppState> {
    checkAppName(name);
    const taken = (): SlipwayError =>
      new SlipwayError('conflict', `the app ${name} exists already`, { hint: 'choose another name' });
    if (await this.appExists(name)) throw taken();
    if (this.#createRepository === undefined) {
      throw new SlipwayError('internal', 'this ledger was opened without a way to create repositories');
    }
    await this.#createRepository(name, settings.deployBranch);
    const created: AppSettings = { ...settings, name, createdAt: this.#now(), createdBy: oneLine(who) };
    return this.#change(name, (now) => {
      if (now !== undefined) throw taken();
      return { files: { [SETTINGS_PATH]: toDocument(created) }, message: `create ${name} by ${who}`, who };
    });
  }

  /**
   * Moves the repository aside in one step, so that nobody sees a half-deleted app; the janitor removes what lies in
   * `.trash`. What is in its volumes stays unless it is to go `withVolumes`. Throws `not_found`.
   */
  async destroyApp(
    name: string,
    who: string,
    { withVolumes: all = false }: { readonly withVolumes?: boolean } = {},
  ): Promise<void> {
    await this.#changeExisting(name, ({ volumes }) => ({
      files: all ? { [VOLUMES_PATH]: toDocument(withNone(volumes)) } : {},
      message: `destroy ${name}${all ? ' and its volumes' : ''} by ${who}`,
      who,
    }));
    const trash = join(this.#directory, '.trash');
    await makeDirectory(trash);
    try {
      await rename(this.#gitDir(name), join(trash, `${name}-${this.#clock.now()}`));
    } catch (thrown) {
      if (isErrno(thrown, 'ENOENT')) throw noApp(name);
      throw thrown;
    } finally {
      this.#refs.delete(name);
    }
    await syncDirectory(this.#directory);
  }

  /** What the ledgers of destroyed apps say that still lie in `.trash`: of this name, or all. One that cannot be read is passed over. */
  async listDestroyed(app?: string): Promise<AppState[]> {
    const trash = join(this.#directory, '.trash');
    const names = await readdir(trash).catch((thrown: unknown) => {
      if (isErrno(thrown, 'ENOENT')) return [];
      throw thrown;
    });
    const wanted = app === undefined ? names : names.filter((name) => name.replace(/-\d+$/, '') === app);
    const states = await Promise.all(wanted.sort().map((name) => this.readDestroyed(name)));
    return states.filter((state) => state !== undefined);
  }

  /** The same of one, by its name in `.trash`; undefined when it cannot be read. */
  async readDestroyed(name: string): Promise<AppState | undefined> {
    const gitDir = join(this.#directory, '.trash', basename(name));
    try {
      const documents = await new DocumentRef(this.#git, gitDir, this.#clock, this.#fast).read();
      return documents === undefined ? undefined : parseApp(documents);
    } catch {
      return undefined;
    }
  }

  /** From memory unless the ledger moved. Throws `not_found`. */
  async read(app: string): Promise<AppState> {
    const documents = isAppName(app) ? await this.#ref(app).read() : undefined;
    if (documents === undefined) throw noApp(app);
    return this.#parse(documents);
  }

  /**
   * Gives the release the next number, which is never used again. A second call for the same deployment returns the
   * release that the first one made, so a worker that takes over may simply repeat it.
   *
   * `madeOf` is what the draft was made of: when the settings are others by now, or there is a newer release, it would take that
   * back. Throws {@link OutdatedDraft} then, and whoever made it makes it anew.
   */
  async appendRelease(app: string, draft: ReleaseDraft, who: string, madeOf?: AppState): Promise<Release> {
    const find = (state: AppState): Release | undefined =>
      state.releases.find((release) => release.deploymentId === draft.deploymentId);
    const keeps = draft.kind === 'deploy' ? draft.source : undefined;
    if (keeps !== undefined && find(await this.read(app)) === undefined) await this.#checkCommit(app, keeps);
    const after = await this.#changeExisting(app, (state) => {
      if (find(state) !== undefined) return undefined;
      const source = state.releases.find((release) => release.number === draft.rollbackOf);
      if (source?.gone) throw imageGone(app, source.number);
      if (madeOf !== undefined && !isDeepStrictEqual(settingsOf(state), settingsOf(madeOf)))
        throw new OutdatedDraft();
      const number = (state.releases.at(-1)?.number ?? 0) + 1;
      const description = oneLine(draft.description);
      const release: Release = {
        ...draft,
        description,
        number,
        createdAt: this.#now(),
        createdBy: oneLine(who),
        ...(state.domains.length === 0 ? {} : { domains: state.domains }),
      };
      // Volumes that only the commit declares begin with the first release that mounts them, where it runs.
      const mounts = volumesOf(release.processes);
      const made = { at: release.createdAt, by: release.createdBy };
      const volumes = withVolumes(state.volumes, mounts, release.hosts?.[0] ?? LOCAL_HOST, made);
      return {
        files: {
          [releasePath(number)]: toDocument(release),
          ...(volumes === state.volumes ? {} : { [VOLUMES_PATH]: toDocument(volumes) }),
        },
        message: `v${number}: ${description}${subjectOf(release)} by ${who}`,
        who,
        ...(keeps === undefined ? {} : { keeps }),
      };
    });
    const release = find(after);
    if (release === undefined)
      throw new SlipwayError('internal', `the release of ${draft.deploymentId} is not there`);
    return release;
  }

  /**
   * Writes down how the rollout of a release ended and returns the outcome that holds. The first one holds: whoever
   * comes later learns what it is. A release cannot become live behind a newer one that is: it is superseded then, so
   * a deployer that lost its lease never turns the app back.
   */
  async recordOutcome(app: string, number: number, outcome: Outcome): Promise<Outcome> {
    const find = (state: AppState): Outcome | undefined =>
      state.releases.find((release) => release.number === number)?.outcome;
    const after = await this.#changeExisting(app, (state) => {
      if (!state.releases.some((release) => release.number === number)) throw noRelease(app, number);
      if (find(state) !== undefined) return undefined;
      const overtaken = outcome.state === 'live' && state.live !== undefined && state.live > number;
      const holds: Outcome = overtaken
        ? { state: 'superseded', at: outcome.at, reason: `v${state.live} was live before` }
        : outcome;
      const reason = holds.reason === undefined ? '' : `: ${oneLine(holds.reason).slice(0, 200)}`;
      return {
        files: {
          [outcomePath(number)]: toDocument(holds),
          ...(holds.state === 'live' ? { [LIVE_PATH]: `${number}\n` } : {}),
        },
        message: `v${number}: ${holds.state}${reason}`,
        who: 'slipway',
      };
    });
    return find(after) ?? outcome;
  }

  /** Null unsets. What runs changes only with the next release, which the caller makes. */
  async setConfig(app: string, changes: Readonly<Record<string, string | null>>, who: string): Promise<void> {
    for (const [name, value] of Object.entries(changes)) checkConfigValue(checkConfigName(name), value);
    await this.#changeExisting(app, (state) => {
      const config = { ...state.config };
      const set = Object.keys(changes).filter((name) => changes[name] !== null);
      const unset = Object.keys(changes).filter(
        (name) => changes[name] === null && Object.hasOwn(config, name),
      );
      if (set.length + unset.length === 0) return undefined;
      for (const name of set) config[name] = this.#vault.seal(app, name, changes[name] ?? '');
      for (const name of unset) delete config[name];
      const did = [
        ...(set.length === 0 ? [] : [`set ${set.join(', ')}`]),
        ...(unset.length === 0 ? [] : [`unset ${unset.join(', ')}`]),
      ];
      return {
        files: { [CONFIG_PATH]: toDocument(config) },
        message: `config: ${did.join(', ')} by ${who}`,
        who,
      };
    });
  }

  /**
   * What scale, limits and stopping the next release gets, decided on the newest; undefined for no change. `what` is said
   * in the ledger's history. What runs changes only with that release, which the caller makes.
   */
  async changeFormation(
    app: string,
    decide: (now: Formation) => Formation | undefined,
    what: string,
    who: string,
  ): Promise<void> {
    await this.#changeExisting(app, (state) => {
      const next = decide(state.formation);
      if (next === undefined) return undefined;
      return {
        files: { [FORMATION_PATH]: toDocument(next) },
        message: `formation: ${oneLine(what)} by ${who}`,
        who,
      };
    });
  }

  /** A reason locks the app, undefined unlocks it. What it means is for those who would change what runs. */
  async setLock(app: string, reason: string | undefined, who: string): Promise<void> {
    await this.#changeExisting(app, ({ lock }) => {
      if (lock?.reason === reason) return undefined;
      if (reason === undefined)
        return { files: { [LOCK_PATH]: null }, message: `unlock ${app} by ${who}`, who };
      const next: AppLock = { reason: oneLine(reason), at: this.#now(), by: oneLine(who) };
      return {
        files: { [LOCK_PATH]: toDocument(next) },
        message: `lock ${app}: ${next.reason.slice(0, 200)} by ${who}`,
        who,
      };
    });
  }

  /** From now on nobody deploys the app in this time of the week. What is set for the same time is replaced. Throws `bad_request`. */
  async addFreeze(
    app: string,
    { week, timeZone, reason }: Pick<Freeze, 'week' | 'timeZone' | 'reason'>,
    who: string,
  ): Promise<void> {
    const freeze: Freeze = {
      ...checkFreeze(week, timeZone),
      reason: oneLine(reason),
      at: this.#now(),
      by: oneLine(who),
    };
    await this.#changeExisting(app, ({ freezes }) => {
      const others = freezes.filter((one) => one.week !== week || one.timeZone !== timeZone);
      if (others.length >= FREEZES_LIMIT)
        throw new SlipwayError('bad_request', `${app} has ${FREEZES_LIMIT} freezes, which is the limit`, {
          hint: `slipway apps:unfreeze -a ${app}`,
        });
      return {
        files: { [FREEZES_PATH]: toDocument([...others, freeze]) },
        message: `freeze ${week} (${timeZone}): ${freeze.reason.slice(0, 200)} by ${who}`,
        who,
      };
    });
  }

  async clearFreezes(app: string, who: string): Promise<void> {
    await this.#changeExisting(app, ({ freezes }) =>
      freezes.length === 0
        ? undefined
        : { files: { [FREEZES_PATH]: null }, message: `unfreeze ${app} by ${who}`, who },
    );
  }

  /** A reason calls the release bad, undefined takes that back. Throws `not_found` when there is no such release. */
  async markRelease(app: string, number: number, reason: string | undefined, who: string): Promise<void> {
    await this.#changeExisting(app, (state) => {
      const release = state.releases.find((one) => one.number === number);
      if (release === undefined) throw noRelease(app, number);
      if (release.bad?.reason === reason) return undefined;
      if (reason === undefined)
        return { files: { [markPath(number)]: null }, message: `v${number}: good again by ${who}`, who };
      const mark: Mark = { reason: oneLine(reason), at: this.#now(), by: oneLine(who) };
      return {
        files: { [markPath(number)]: toDocument(mark) },
        message: `v${number}: bad: ${mark.reason.slice(0, 200)} by ${who}`,
        who,
      };
    });
  }

  /** Undefined places the app on the local host. What runs changes only with the next release, which the caller makes. */
  async setPlacement(app: string, placement: Placement | undefined, who: string): Promise<AppState> {
    return this.#changeExisting(app, (state) => {
      if (describePlacement(state.placement) === describePlacement(placement)) return undefined;
      return {
        files: { [PLACEMENT_PATH]: placement === undefined ? null : toDocument(placement) },
        message: `placement: ${describePlacement(placement)} by ${who}`,
        who,
      };
    });
  }

  /** How the app's releases are rolled out from now on; undefined for what their commits say. */
  async setStrategy(app: string, strategy: Strategy | undefined, who: string): Promise<void> {
    await this.#changeExisting(app, (state) => {
      if (isDeepStrictEqual(state.strategy, strategy)) return undefined;
      const said = strategy === undefined ? 'as the commits say' : describeStrategy(strategy);
      return {
        files: { [STRATEGY_PATH]: strategy === undefined ? null : toDocument(strategy) },
        message: `strategy: ${said} by ${who}`,
        who,
      };
    });
  }

  /** How many good releases of the app stay; undefined for the platform's number. */
  async setKeep(app: string, keep: number | undefined, who: string): Promise<void> {
    await this.#changeExisting(app, (state) => {
      if (state.keep === keep) return undefined;
      return {
        files: { [RETENTION_PATH]: keep === undefined ? null : toDocument({ keep }) },
        message: `retention: keep ${keep === undefined ? "the platform's number of" : keep} good releases by ${who}`,
        who,
      };
    });
  }

  /** Throws `not_found`, or `release_unusable` for a release that was let go. */
  async pin(app: string, number: number, who: string): Promise<void> {
    await this.#changeExisting(app, (state) => {
      const release = state.releases.find((one) => one.number === number);
      if (release === undefined) throw noRelease(app, number);
      if (release.gone) throw imageGone(app, number);
      if (release.pinned !== undefined) return undefined;
      const pin: Pin = { at: this.#now(), by: oneLine(who) };
      return { files: { [pinPath(number)]: toDocument(pin) }, message: `v${number}: pinned by ${who}`, who };
    });
  }

  /** Throws `not_found`. */
  async unpin(app: string, number: number, who: string): Promise<void> {
    await this.#changeExisting(app, (state) => {
      const release = state.releases.find((one) => one.number === number);
      if (release === undefined) throw noRelease(app, number);
      if (release.pinned === undefined) return undefined;
      return { files: { [pinPath(number)]: null }, message: `v${number}: unpinned by ${who}`, who };
    });
  }

  /**
   * Lets the releases go that retention does not keep, decided on the newest state: of a rollback to one of them at the same
   * time, either this or that is too late. What only they need may be removed afterwards.
   */
  async letGo(app: string, platformKeep: number): Promise<AppState> {
    return this.#changeExisting(app, (state) => {
      const going = dispensableReleases(state, platformKeep);
      if (going.length === 0) return undefined;
      const gone = state.releases.filter((release) => release.gone).map(({ number }) => number);
      const named = formatNumbers(going)
        .trim()
        .split('\n')
        .map((range) => `v${range.replace('-', ' to v')}`);
      return {
        files: { [GONE_PATH]: formatNumbers([...gone, ...going]) },
        message: `retention: let ${named.join(', ')} go`,
        who: 'slipway',
      };
    });
  }

  /** Config vars in plain text: for the container's environment and `config:get`, nowhere else (invariant 10). */
  revealConfig(app: string, config: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(
      Object.entries(config).map(([name, ciphertext]) => [name, this.#vault.unseal(app, name, ciphertext)]),
    );
  }

  /** Encrypts what only this platform may read of the app, bound to that name. */
  seal(app: string, name: string, plaintext: string): string {
    return this.#vault.seal(app, name, plaintext);
  }

  unseal(app: string, name: string, ciphertext: string): string {
    return this.#vault.unseal(app, name, ciphertext);
  }

  /** Changes settings that no release has to carry out; `decide` may be asked several times. See edge-settings.ts. */
  async changeSettings(
    app: string,
    who: string,
    decide: (state: AppState) => Omit<DocumentChange, 'who' | 'keeps'> | undefined,
  ): Promise<AppState> {
    return this.#changeExisting(app, (state) => {
      const change = decide(state);
      return change === undefined ? undefined : { ...change, who };
    });
  }

  async #changeExisting(
    app: string,
    decide: (state: AppState) => DocumentChange | undefined,
  ): Promise<AppState> {
    if (!isAppName(app)) throw noApp(app);
    return this.#change(app, (now) => {
      if (now === undefined) throw noApp(app);
      return decide(this.#parse(now));
    });
  }

  async #change(
    app: string,
    decide: (now: Documents | undefined) => DocumentChange | undefined,
  ): Promise<AppState> {
    const documents = await this.#ref(app).change(decide);
    if (documents === undefined) throw noApp(app);
    return this.#parse(documents);
  }

  #parse(documents: Documents): AppState {
    const known = this.#states.get(documents);
    if (known !== undefined) return known;
    const state = parseApp(documents);
    this.#states.set(documents, state);
    return state;
  }

  #ref(app: string): DocumentRef {
    const ref = this.#refs.get(app) ?? new DocumentRef(this.#git, this.#gitDir(app), this.#clock, this.#fast);
    this.#refs.delete(app);
    this.#refs.set(app, ref);
    const [longestUnused] = this.#refs.keys();
    if (this.#refs.size > CACHED_APPS && longestUnused !== undefined) this.#refs.delete(longestUnused);
    return ref;
  }

  async #checkCommit(app: string, oid: string): Promise<void> {
    const problem = (cause?: unknown): SlipwayError =>
      new SlipwayError('internal', `the source ${JSON.stringify(oid)} is no commit of ${app}`, { cause });
    if (!/^[0-9a-f]{40,64}$/.test(oid)) throw problem();
    const isThere = await this.#hasCommit(this.#gitDir(app), oid).catch((thrown) => {
      throw problem(thrown);
    });
    if (!isThere) throw problem();
  }

  #gitDir(app: string): string {
    return join(this.#directory, `${checkAppName(app)}.git`);
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

/** What a release is made of. */
function settingsOf({ config, formation, placement, strategy, volumes, releases }: AppState): unknown[] {
  return [config, formation, placement, strategy, volumes, releases.at(-1)?.number];
}

/** `: Fix the cart`, in the ledger's history behind `deploy 3fa9c1d`. */
function subjectOf({ kind, message = '' }: Release): string {
  return kind === 'deploy' && message !== '' ? `: ${oneLine(message)}` : '';
}

function noApp(app: string): SlipwayError {
  return new SlipwayError('not_found', `there is no app ${JSON.stringify(app.slice(0, 60))}`, {
    hint: '`slipway apps:list` shows yours',
  });
}

function noRelease(app: string, number: number): SlipwayError {
  return new SlipwayError('not_found', `${app} has no release v${number}`, {
    hint: `\`slipway releases -a ${app}\` lists them`,
  });
}
