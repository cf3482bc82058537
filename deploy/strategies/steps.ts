/**
 * The steps that every strategy is made of. Each is taken on all hosts that it concerns, side by side, and may be repeated: what an
 * earlier attempt at the same rollout has done already is found and not done again.
 */
import { SlipwayError } from '../../src/errors.js';
import { LOCAL_HOST } from '../../src/model/host.js';
import { instanceName, type ReleaseWithOutcome } from '../../src/model/release.js';
import { whileItAnswers } from '../answering.js';
import { type EdgeServer, type EdgeShare, serversOf, withApp } from '../edge/state.js';
import type { HostReport } from '../host-report.js';
import type { Host } from '../hosts.js';
import { checkInstances, keepInstances, startInstances } from '../instances.js';
import { hostOf } from '../names.js';
import { type DeployerParts, serversOfContainers } from '../parts.js';
import type { PlacedInstance } from '../placement.js';
import { isAt } from '../plan.js';
import { startServices } from '../swarm/converge.js';
import { isSwarm } from '../swarm/target.js';
import type { Container } from '../targets/container.js';
import type { Change } from './change.js';

/** What the steps of one rollout share. */
export interface Course {
  readonly parts: DeployerParts;
  readonly app: string;
  /** As the ledger will have it when it is live. */
  readonly release: ReleaseWithOutcome;
  readonly change: Change;
  /** Aborted when the rollout is cancelled or lost. */
  readonly signal: AbortSignal;
  readonly onHosts: HostReport;
  /** Times the work, and says in the log what came of it. Begins nothing after a cancel. */
  phase<T = void>(name: string, work: () => Promise<string | readonly [T, string]>): Promise<T>;
  /** Side by side on the hosts that the release needs. */
  everywhere<T>(work: (host: Host, signal: AbortSignal) => Promise<T>): Promise<T[]>;
  /** Throws when the lease or the claim is lost. */
  stillOurs(): Promise<void>;
  /** Throws `superseded` when a newer release waits for this rollout to end. */
  stillNewest(): Promise<void>;
  /** A line of the log. */
  say(line: string): Promise<void>;
}

export class Steps {
  readonly #course: Course;
  /** The release's own containers that run. */
  readonly #own: Container[];
  #useless: readonly Container[];
  #routedBefore: readonly EdgeServer[] | undefined;

  constructor(course: Course) {
    this.#course = course;
    this.#own = [...course.change.started];
    this.#useless = course.change.useless;
  }

  /** Where requests went before the first switch; undefined when there was none. */
  get routedBefore(): readonly EdgeServer[] | undefined {
    return this.#routedBefore;
  }

  /** The containers of these instances, all started. A Swarm starts all of the release at once. */
  async start(instances: readonly PlacedInstance[]): Promise<Container[]> {
    const { parts, app, release, onHosts, phase, everywhere, stillOurs } = this.#course;
    return phase('start', async () => {
      const isAsked = (one: Container): boolean => instances.some((instance) => isAt(one, instance));
      const there = this.#own.filter(isAsked);
      const missing = instances.filter((instance) => !there.some((one) => isAt(one, instance)));
      const useless = this.#useless;
      const onSwarms = new Set<string>();
      await stillOurs();
      const started = await everywhere(async ({ name, target }, signal) => {
        const isHere = ({ host }: { readonly host: string }): boolean => host === name;
        if (isSwarm(target)) {
          onSwarms.add(name);
          const tasks = await startServices(parts, target, app, release, signal);
          onHosts.note(name, `started ${tasks.map(nameTask).join(', ')}`);
          return tasks.filter(isAsked);
        }
        // One that stopped in a rollout that was cut off did not pass its checks.
        await Promise.all(useless.filter(isHere).map(({ id }) => target.remove(id, { signal })));
        const here = missing.filter(isHere);
        if (here.length === 0) return [];
        const containers = await startInstances(parts, target, app, release, here, { signal });
        onHosts.note(name, `started ${here.map(instanceName).join(', ')}`);
        return containers;
      });
      this.#useless = [];
      const fresh = started.flat();
      this.#own.push(...fresh.filter(({ host }) => !onSwarms.has(host)));
      const all = [...there.filter(({ host }) => !onSwarms.has(host)), ...fresh];
      return [
        all,
        missing.length === 0 ? this.#nothingStarted(instances) : `started ${nameInstances(missing)}`,
      ];
    });
  }

  /** Of a stopped app, or one that is scaled to nothing, nothing is to run. */
  #nothingStarted(wanted: readonly PlacedInstance[]): string {
    if (wanted.length > 0) return 'it runs already';
    return this.#course.change.adopted.length > 0 ? 'nothing is to start' : 'nothing is to run';
  }

  /** Resolves when all of them are healthy. */
  async check(containers: readonly Container[]): Promise<void> {
    const { parts, release, onHosts, phase, everywhere } = this.#course;
    await phase('check', async () => {
      const seen = await everywhere(async (host, signal) => {
        const here = containers.filter((container) => container.host === host.name);
        const how = await checkInstances(parts, host, release, here, signal);
        onHosts.note(host.name, 'healthy');
        return how;
      });
      return [...new Set(seen.flat())].join(', ') || 'there is nothing to check';
    });
  }

  /** From now on requests go to these containers, and a share of them to those of a canary. */
  async switchTo(
    containers: readonly Container[],
    canary?: { readonly percent: number; readonly containers: readonly Container[] },
  ): Promise<void> {
    const { parts, app, release, phase, everywhere, stillOurs } = this.#course;
    const { edge, config } = parts;
    await phase('switch', async () => {
      const servers = serversOfContainers(containers);
      const share: EdgeShare | undefined =
        canary === undefined
          ? undefined
          : { percent: canary.percent, servers: serversOfContainers(canary.containers) };
      const wanted = {
        app,
        host: hostOf(app, config.appDomain),
        servers,
        ...(share === undefined ? {} : { share }),
      };
      // The engines need as long to take note as the edge to turn.
      const kept = [...containers, ...(canary?.containers ?? [])].filter(
        ({ deployment }) => deployment === release.deploymentId,
      );
      const done = await Promise.allSettled([
        edge.change(
          (state) => {
            this.#routedBefore ??= serversOf(state, app);
            return withApp(state, wanted);
          },
          () => stillOurs(),
        ),
        everywhere((host, signal) =>
          keepInstances(
            host,
            kept.filter((container) => container.host === host.name),
            signal,
          ),
        ),
      ]);
      for (const one of done) if (one.status === 'rejected') throw one.reason;
      if (canary !== undefined) return `${canary.percent} % of the requests go to it`;
      if (servers.length === 0) return 'nothing of it takes requests';
      const isWhole = containers.every(({ id }) => !this.#course.change.old.some((old) => old.id === id));
      return isWhole ? 'requests go to it' : 'requests go to old and new';
    });
  }

  /** Waits until these have answered what they have, when no more requests go to them, and stops them so that they can be started again. */
  async halt(containers: readonly Container[], { drain }: { readonly drain: boolean }): Promise<void> {
    const { parts, app, signal, phase, stillOurs } = this.#course;
    const running = containers.filter(({ state }) => state !== 'exited' && state !== 'dead');
    if (running.length === 0) return;
    const { edge, hosts, config } = parts;
    const { drainTimeoutMs, stopGraceMs } = config.limits;
    await phase('stop', async () => {
      await stillOurs();
      const names = serversOfContainers(running).map(({ name }) => name);
      if (drain)
        await edge.retire(hostOf(app, config.appDomain), names, { timeoutMs: drainTimeoutMs, signal });
      await stillOurs();
      const halting = running.map(async ({ host, id }) => {
        const { target } = await hosts.get(host);
        if (isSwarm(target)) throw new SlipwayError('internal', `${host} is a Swarm`);
        await whileItAnswers(target, signal, (end) => target.halt(id, stopGraceMs, { signal: end }));
      });
      for (const end of await Promise.allSettled(halting)) if (end.status === 'rejected') throw end.reason;
      return `stopped ${running.map(({ release, instance }) => `v${release} ${instanceName(instance)}`).join(', ')}`;
    });
  }
}

/** With the node that the Swarm has put it on. */
function nameTask({ instance, address }: Container): string {
  return `${instanceName(instance)}${address === undefined ? '' : ` at ${address.host}`}`;
}

/** `web.1, web.2`, or with more than the local engine `web.1 on a, web.2 on local`: without it, the comma would be misread. */
function nameInstances(instances: readonly PlacedInstance[]): string {
  const isLocal = instances.every(({ host }) => host === LOCAL_HOST);
  return instances.map((one) => `${instanceName(one)}${isLocal ? '' : ` on ${one.host}`}`).join(', ');
}
