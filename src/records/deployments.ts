/**
 * The deployments of all apps: their journals, open markers and log paths below `$HOME/deployments`.
 * Any process may read and append at any time; no lock is taken. What an event means is decided by the fold of
 * src/model/deployment.ts, from the order of the lines.
 *
 * Accepted means kept (invariant 1): the marker is on disk before the first line of the journal, so a crash leaves
 * a marker without a deployment, never a deployment that nobody finds.
 */
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, systemClock } from '../clock.js';
import { homePaths } from '../config.js';
import { makeDirectory, syncDirectory } from '../durable.js';
import { isErrno, SlipwayError } from '../errors.js';
import { compressLog } from '../logs/compressed-log.js';
import { checkAppName, isAppName } from '../model/app.js';
import {
  apply,
  type ClaimPhase,
  type Deployment,
  type DeploymentEvent,
  type DeploymentKind,
  type FinalState,
  foldDeployment,
  isFinal,
  type PushedCommit,
} from '../model/deployment.js';
import { checkDeploymentId, DeploymentIds, isDeploymentId } from './deployment-id.js';
import { appendToJournal, createJournal, parseJournal, readJournal } from './journal.js';
import { type OpenMarker, OpenMarkers } from './open-markers.js';
import { FileChanges } from './watch-file.js';

/** How long a marker may stand without a journal: longer than any process takes from the one to the other. */
const ORPHANED_MARKER_MS = 60_000;

export interface AcceptedDeployment {
  /** Chosen by the caller when it must be known before, as for a pin; else a new one. */
  readonly id?: string;
  readonly kind: DeploymentKind;
  readonly who: string;
  readonly push?: PushedCommit;
}

export interface DeploymentEnd {
  readonly state: FinalState;
  readonly reason?: string;
  readonly code?: string;
  /** The token of the claim; without one only a deployment that nobody holds ends. */
  readonly claim?: string;
}

/** The right to write as the one worker of a deployment, until somebody claims it later. */
export interface Claim {
  readonly app: string;
  readonly id: string;
  readonly token: string;
  readonly phase: ClaimPhase;
  /** Reads the journal. A worker asks before each effect that cannot be taken back. */
  isCurrent(): Promise<boolean>;
}

export class DeploymentStore {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #ids: DeploymentIds;
  readonly #markers: OpenMarkers;
  readonly #ended: OpenMarkers;

  constructor(home: string, clock: Clock = systemClock) {
    const paths = homePaths(home);
    this.#directory = paths.deployments;
    this.#clock = clock;
    this.#ids = new DeploymentIds(clock);
    this.#markers = new OpenMarkers(paths.openDeployments);
    this.#ended = new OpenMarkers(paths.endedDeployments);
  }

  newId(): string {
    return this.#ids.next();
  }

  /** The deployment is kept from here on, whatever is killed. Throws `conflict` if the id exists. */
  async create(app: string, accepted: AcceptedDeployment): Promise<Deployment> {
    const { id = this.newId(), kind, who, push } = accepted;
    const directory = this.#deploymentDirectory(app, id);
    const marker: OpenMarker = { app, id };
    await makeDirectory(join(this.#directory, app));
    await this.#markers.place(marker);
    try {
      await mkdir(directory, { mode: 0o700 });
    } catch (thrown) {
      if (!isErrno(thrown, 'EEXIST')) throw thrown;
      throw new SlipwayError('conflict', `the deployment ${id} of ${app} exists already`, { cause: thrown });
    }
    await createJournal(this.#journalPath(app, id), {
      type: 'accepted',
      at: this.#clock.now(),
      kind,
      who,
      ...(push === undefined ? {} : { push }),
    });
    await syncDirectory(directory);
    await syncDirectory(join(this.#directory, app));
    // This process may have slept for so long that a reader took the marker for an orphan.
    if ((await this.#markers.placedAt(marker)) === undefined) await this.#markers.place(marker);
    return this.#require(app, id);
  }

  /** Undefined when there is none, or its journal has no readable first line. */
  async get(app: string, id: string): Promise<Deployment | undefined> {
    const text = await readJournal(this.#journalPath(app, id));
    return text === undefined ? undefined : foldDeployment(app, id, parseJournal(text));
  }

  /** Its journal, in the order of the file; undefined when there is none. */
  async events(app: string, id: string): Promise<readonly DeploymentEvent[] | undefined> {
    const text = await readJournal(this.#journalPath(app, id));
    return text === undefined ? undefined : parseJournal(text);
  }

  /** The ids of all apps from this one on (see `firstIdOf`). Reads no journal. */
  async listSince(from: string): Promise<{ readonly app: string; readonly id: string }[]> {
    const names = await readdir(this.#directory).catch((thrown: unknown) => {
      if (isErrno(thrown, 'ENOENT')) return [];
      throw thrown;
    });
    const found: { app: string; id: string }[] = [];
    for (const app of names.filter(isAppName))
      for (const id of await this.#idsOf(app)) if (id >= from) found.push({ app, id });
    return found;
  }

  /** The deployment after the events, which may not have counted: the caller looks. Throws `not_found`. */
  async append(app: string, id: string, ...events: readonly DeploymentEvent[]): Promise<Deployment> {
    try {
      await appendToJournal(this.#journalPath(app, id), ...events);
    } catch (thrown) {
      if (isErrno(thrown, 'ENOENT')) throw noDeployment(app, id);
      throw thrown;
    }
    const deployment = await this.#require(app, id);
    if (isFinal(deployment.state)) await this.#markers.moveTo(this.#ended, { app, id });
    return deployment;
  }

  /** Undefined when the deployment is not to be claimed for this phase. Takes over from an earlier claim. */
  async claim(app: string, id: string, phase: ClaimPhase, by: string): Promise<Claim | undefined> {
    const token = randomBytes(16).toString('hex');
    const event: DeploymentEvent = { type: 'claimed', at: this.#clock.now(), claim: token, phase, by };
    const before = await this.get(app, id);
    if (before === undefined || apply(before, event) === before) return undefined;
    const deployment = await this.append(app, id, event);
    if (isFinal(deployment.state) || deployment.claim?.token !== token) return undefined;
    const isCurrent = async (): Promise<boolean> => {
      const now = await this.get(app, id);
      return now !== undefined && !isFinal(now.state) && now.claim?.token === token;
    };
    return { app, id, token, phase, isCurrent };
  }

  /** Appends `ended`. Whether this end or an earlier one holds is in the deployment that comes back. */
  async end(app: string, id: string, end: DeploymentEnd): Promise<Deployment> {
    return this.append(app, id, { type: 'ended', at: this.#clock.now(), ...end });
  }

  /** Newest first. `before` is an id: only older ones. Reads no more journals than it returns. */
  async list(app: string, options: { limit?: number; before?: string } = {}): Promise<Deployment[]> {
    const { limit = Number.POSITIVE_INFINITY, before } = options;
    const ids = await this.#idsOf(app);
    const found: Deployment[] = [];
    for (const id of ids.sort().reverse()) {
      if (found.length >= limit) break;
      if (before !== undefined && id >= before) continue;
      const deployment = await this.get(app, id);
      if (deployment !== undefined) found.push(deployment);
    }
    return found;
  }

  /** Those that have not ended, of one app or of all; oldest first. Clears away markers that mean nothing any more. */
  async open(app?: string): Promise<Deployment[]> {
    if (app !== undefined) checkAppName(app);
    const found: Deployment[] = [];
    for (const marker of await this.#markers.list()) {
      if (app !== undefined && marker.app !== app) continue;
      const deployment = await this.get(marker.app, marker.id);
      if (deployment !== undefined && !isFinal(deployment.state)) found.push(deployment);
      else if (deployment !== undefined) await this.#markers.moveTo(this.#ended, marker);
      else if (await this.#isOrphaned(marker)) await this.#markers.remove(marker);
    }
    return found.sort((a, b) => a.acceptedAt - b.acceptedAt || (a.id < b.id ? -1 : 1));
  }

  /** Which deployments are open, and which have ended and are not forgotten as such yet. No journal is read. */
  async marked(): Promise<{ readonly open: OpenMarker[]; readonly ended: OpenMarker[] }> {
    // In this order one that ends meanwhile is among the ended.
    const open = await this.#markers.list();
    return { open, ended: await this.#ended.list() };
  }

  /** Whoever tells of ends has told of this one. */
  async forgetEnd(marker: OpenMarker): Promise<void> {
    await this.#ended.remove(marker);
  }

  /**
   * The deployment now, then after each change; ends after the final state, which is never missed, or when the signal
   * is aborted. Throws `not_found`.
   */
  async *watch(app: string, id: string, signal: AbortSignal): AsyncGenerator<Deployment, void, undefined> {
    await this.#require(app, id);
    const path = this.#journalPath(app, id);
    // Before the first read, so that no change falls between a read and the wait for the next.
    const changes = new FileChanges(path, signal);
    try {
      let seen = '';
      while (!signal.aborted) {
        const deployment = await this.#require(app, id);
        const now = JSON.stringify(deployment);
        if (now !== seen) yield deployment;
        if (isFinal(deployment.state)) return;
        seen = now;
        await changes.next();
      }
    } finally {
      changes.close();
    }
  }

  /** Where the log is, or will be. */
  logPath(app: string, id: string): string {
    return join(this.#deploymentDirectory(app, id), 'log');
  }

  /** Of one that has ended. Answers with the bytes that are free now; undefined when it has no log, or it is compressed already. */
  compressLog(app: string, id: string): Promise<number | undefined> {
    return compressLog(this.logPath(app, id));
  }

  /** Where the outcomes of a build's steps are, or will be. */
  stepsPath(app: string, id: string): string {
    return join(this.#deploymentDirectory(app, id), 'steps');
  }

  /** Where an app's other records are, or will be: they go with it. */
  recordPath(app: string, name: 'webhooks' | 'deliveries'): string {
    // No id begins with a dot.
    return join(this.#directory, checkAppName(app), `.${name}`);
  }

  /** Bytes that the records of a deployment take on the disk. */
  async sizeBytes(app: string, id: string): Promise<number> {
    const directory = this.#deploymentDirectory(app, id);
    const names = await readdir(directory).catch(() => []);
    const sizes = names.map(
      async (name) => (await lstat(join(directory, name)).catch(() => undefined))?.blocks ?? 0,
    );
    return (await Promise.all(sizes)).reduce((sum, blocks) => sum + blocks * 512, 0);
  }

  /** Removes the records of a deployment. The journal goes last: while it is there, so does the rest the next time. */
  async remove(app: string, id: string): Promise<void> {
    const directory = this.#deploymentDirectory(app, id);
    for (const path of [this.logPath(app, id), this.stepsPath(app, id)]) await rm(path, { force: true });
    await rm(directory, { recursive: true, force: true });
    await this.#markers.remove({ app, id });
  }

  /**
   * Moves all records of a destroyed app aside, so that a new app of that name does not show its predecessor's logs.
   * Returns where they are now, or undefined when there were none.
   */
  async setAside(app: string): Promise<string | undefined> {
    const trash = join(this.#directory, '.trash');
    const target = join(trash, `${checkAppName(app)}-${this.newId()}`);
    await makeDirectory(trash);
    try {
      await rename(join(this.#directory, app), target);
    } catch (thrown) {
      if (isErrno(thrown, 'ENOENT')) return undefined;
      throw thrown;
    }
    for (const marker of await this.#markers.list())
      if (marker.app === app) await this.#markers.remove(marker);
    return target;
  }

  async #idsOf(app: string): Promise<string[]> {
    try {
      return (await readdir(join(this.#directory, checkAppName(app)))).filter(isDeploymentId);
    } catch (thrown) {
      if (isErrno(thrown, 'ENOENT')) return [];
      throw thrown;
    }
  }

  async #isOrphaned(marker: OpenMarker): Promise<boolean> {
    const placedAt = await this.#markers.placedAt(marker);
    return placedAt !== undefined && this.#clock.now() - placedAt > ORPHANED_MARKER_MS;
  }

  async #require(app: string, id: string): Promise<Deployment> {
    const deployment = await this.get(app, id);
    if (deployment === undefined) throw noDeployment(app, id);
    return deployment;
  }

  #deploymentDirectory(app: string, id: string): string {
    return join(this.#directory, checkAppName(app), checkDeploymentId(id));
  }

  #journalPath(app: string, id: string): string {
    return join(this.#deploymentDirectory(app, id), 'journal');
  }
}

function noDeployment(app: string, id: string): SlipwayError {
  return new SlipwayError('not_found', `${app} has no build or deployment ${id}`, {
    hint: `\`slipway builds -a ${app}\` lists them`,
  });
}
