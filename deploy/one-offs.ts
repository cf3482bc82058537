/**
 * One-off commands: the live release's image and config in a container of its own, on one of the release's hosts. An attached one
 * lives as long as its connection; a detached one until it ends or is stopped, and what it said for an hour more.
 */
import { randomInt } from 'node:crypto';
import type { Duplex } from 'node:stream';
import {
  type CheckedOneOff,
  checkOneOff,
  type OneOffList,
  type OneOffStarted,
  type OneOffView,
} from '../src/api/one-off-views.js';
import { SlipwayError, toSlipwayError } from '../src/errors.js';
import type { HostBook } from '../src/ledger/hosts.js';
import { LOCAL_HOST } from '../src/model/host.js';
import type { ReleaseWithOutcome } from '../src/model/release.js';
import { mountsOfAll, withContents } from '../src/model/volume.js';
import { whileItAnswers } from './answering.js';
import { type Attached, converse } from './attached.js';
import { commandEngine, commandSurroundings, withCommandEngine } from './commands.js';
import { onHost } from './everywhere.js';
import type { Host } from './hosts.js';
import { COPY_PREFIX } from './names.js';
import type { DeployerParts } from './parts.js';
import { resize } from './targets/attach.js';
import type { OneOff } from './targets/container.js';
import type { DockerTarget } from './targets/docker.js';
import { statusOf } from './targets/engine.js';

export interface OneOffParts extends Pick<DeployerParts, 'config' | 'ledger' | 'hosts' | 'followed' | 'log'> {
  readonly book: Pick<HostBook, 'list'>;
}

/** How long what a detached one wrote can be read after its end. */
const KEPT_MS = 60 * 60_000;
const NAME_ATTEMPTS = 5;
const COUNT_MS = 3000;
const PULL_MS = 10 * 60_000;

/** Serves the connection to its end. */
export async function runAttached(
  parts: OneOffParts,
  app: string,
  who: string,
  client: Duplex,
): Promise<void> {
  await converse(client, parts.log, async (wish, signal) => {
    const asked = checkOneOff(wish);
    const { host, name, id, stream, run } = await start(parts, app, who, asked, true, signal);
    const target = commandEngine(host);
    const release = async (): Promise<void> => {
      try {
        await target.stop(id, parts.config.limits.stopGraceMs);
      } catch (error) {
        parts.log.warn(
          { app, run: name, ...toSlipwayError(error) },
          'a one-off command was left to the reconciler',
        );
      } finally {
        parts.followed.delete(run);
      }
    };
    if (stream === undefined) throw new Error('an attached command without a connection');
    const attached: Attached = {
      started: { name, host: host.name },
      stream,
      hasTerminal: asked.terminal !== undefined,
      resize: (size) => resize(target.engine, 'containers', id, size),
      exit: async () => {
        try {
          const { exitCode, outOfMemory } = await target.wait(id, {});
          return { code: exitCode, outOfMemory };
        } catch (error) {
          if (statusOf(error) !== 404) throw error;
          throw new SlipwayError('cancelled', `${name} was stopped and removed`, {
            hint: 'by slipway run:stop, or on the host',
          });
        }
      },
      release,
    };
    if (asked.terminal !== undefined) await attached.resize(asked.terminal).catch(() => undefined);
    return attached;
  });
}

/** Starts one that nobody is attached to. */
export async function runDetached(
  parts: OneOffParts,
  app: string,
  who: string,
  wish: unknown,
): Promise<OneOffStarted> {
  const signal = AbortSignal.timeout(PULL_MS);
  const { name, host, id } = await start(parts, app, who, checkOneOff(wish), false, signal);
  return { name, host: host.name, container: id };
}

export async function listOneOffs({ hosts }: Pick<OneOffParts, 'hosts'>, app: string): Promise<OneOffList> {
  const { found, silent } = await findAll({ hosts }, app);
  const runs = await Promise.all(found.map((one) => viewOf({ hosts }, one)));
  return { runs: runs.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1)), silent };
}

/** The container of the command. Throws `not_found`. */
export async function findOneOff(
  { hosts }: Pick<OneOffParts, 'hosts'>,
  app: string,
  name: string,
): Promise<OneOff> {
  const { found, silent } = await findAll({ hosts }, app);
  const one = found.find((each) => each.name === name);
  if (one !== undefined) return one;
  const [unknown] = silent;
  throw new SlipwayError(
    'not_found',
    `${app} has no one-off command ${JSON.stringify(name.slice(0, 40))}${unknown === undefined ? '' : `, as far as is known: ${unknown.host} does not answer`}`,
    { hint: `see: slipway run:list -a ${app}` },
  );
}

/** As a process of the app is stopped. An attached one ends for its follower as it would by itself. */
export async function stopOneOff(
  { hosts, config }: Pick<OneOffParts, 'hosts' | 'config'>,
  app: string,
  name: string,
): Promise<OneOffView> {
  const one = await findOneOff({ hosts }, app, name);
  const view = await viewOf({ hosts }, one);
  await withCommandEngine(hosts, one, (engine, signal) =>
    engine.stop(one.id, config.limits.stopGraceMs, { signal }),
  );
  return view;
}

/** Those that nobody follows any more, that have ended long ago, and those of apps that are no more. */
export async function sweepOneOffs(
  { hosts, followed, log, ledger }: Pick<OneOffParts, 'hosts' | 'followed' | 'log' | 'ledger'>,
  signal: AbortSignal,
  silent: ReadonlyMap<string, unknown> = new Map(),
): Promise<void> {
  const apps = new Set(await ledger.listApps());
  for (const each of await hosts.list()) {
    const { name: host } = each;
    if (silent.has(host)) continue;
    const target = commandEngine(each);
    await whileItAnswers(target, signal, async (until) => {
      for (const one of await target.listOneOffs(undefined, { signal: until })) {
        const isLeftover =
          !apps.has(one.app) ||
          (one.follower === undefined
            ? await endedLongAgo(target, one)
            : !(await followed.has(`${one.app}.${one.name}`, one.follower)));
        if (!isLeftover) continue;
        log.info({ app: one.app, host, run: one.name }, 'removing what a one-off command has left');
        await target.remove(one.id, { signal: until });
      }
    });
  }
}

/** Or was never started: whoever made it was killed between the two. */
async function endedLongAgo(target: DockerTarget, { id, state, createdAt }: OneOff): Promise<boolean> {
  if (state === 'created') return Date.now() - createdAt * 1000 > KEPT_MS;
  if (state !== 'exited' && state !== 'dead') return false;
  const { finishedAt } = await target.inspect(id);
  return finishedAt !== undefined && Date.now() - Date.parse(finishedAt) > KEPT_MS;
}

/**
 * Throws `conflict`. Counted is what runs on the release's hosts, where one that is silent keeps nobody waiting. Of several that begin at
 * the same moment each counts only those that are there.
 */
export async function refuseMore(
  { hosts, config }: Pick<OneOffParts, 'hosts' | 'config'>,
  app: string,
  { hosts: names = [LOCAL_HOST] }: Pick<ReleaseWithOutcome, 'hosts'>,
): Promise<void> {
  const asked = (await hosts.list())
    .filter(({ name }) => names.includes(name))
    .map((host) => commandEngine(host).listOneOffs(app, { timeoutMs: COUNT_MS }));
  const found = (await Promise.allSettled(asked)).flatMap((answer) =>
    answer.status === 'fulfilled' ? answer.value : [],
  );
  const limit = config.limits.oneOffs;
  const running = found.filter((one) => isCommand(one) && one.state !== 'exited' && one.state !== 'dead');
  if (running.length < limit) return;
  throw new SlipwayError('conflict', `${app} runs ${limit} one-off commands, and no more at once`, {
    hint: `see slipway run:list -a ${app}, and run:stop; the operator raises it with SLIPWAY_LIMIT_ONE_OFFS`,
  });
}

interface Started {
  readonly host: Host;
  readonly name: string;
  readonly id: string;
  readonly stream?: Duplex;
  /** For `Followed`. */
  readonly run: string;
}

async function start(
  parts: OneOffParts,
  app: string,
  who: string,
  { command, env, resources, terminal }: CheckedOneOff,
  isAttached: boolean,
  signal: AbortSignal,
): Promise<Started> {
  const { ledger, followed, log } = parts;
  const release = await liveRelease(parts, app);
  const [host] = await Promise.all([
    chooseHost(parts, app, release, signal),
    refuseMore(parts, app, release),
  ]);
  const mounts = withContents((await ledger.read(app)).volumes, app, mountsOfAll(release.processes));
  const follower = isAttached ? await followed.name() : undefined;
  for (let attempt = 1; ; attempt += 1) {
    const name = `run.${randomInt(100_000, 1_000_000)}`;
    const run = `${app}.${name}`;
    if (isAttached) followed.add(run);
    try {
      const spec = {
        app,
        release: release.number,
        name,
        image: release.image,
        command,
        hasTerminal: terminal !== undefined,
        resources,
        mounts,
        by: who,
        ...(follower === undefined ? {} : { follower }),
      };
      const started = await whileItAnswers(host.target, signal, async (until) => {
        const engine = commandEngine(host);
        await engine.pull(release.image, { signal: until });
        const config = ledger.revealConfig(app, release.config);
        const there = await commandSurroundings(host, app, config, { signal: until });
        return engine.startOneOff({ ...spec, ...there, env: { ...there.env, ...env } }, { signal: until });
      });
      // Neither the command nor its variables: people put secrets there.
      log.info({ app, run: name, host: host.name, by: who }, 'a one-off command runs');
      return { host, name, run, ...started };
    } catch (error) {
      followed.delete(run);
      if (statusOf(error) !== 409 || attempt === NAME_ATTEMPTS) throw onHost(host.name, error);
    }
  }
}

/** Throws `no_release`. */
export async function liveRelease(
  { ledger }: Pick<OneOffParts, 'ledger'>,
  app: string,
): Promise<ReleaseWithOutcome> {
  const { releases, live } = await ledger.read(app);
  const release = releases.find(({ number }) => number === live);
  if (release !== undefined) return release;
  throw new SlipwayError('no_release', `${app} has no live release to run a command of`, {
    hint: 'push to deploy first',
  });
}

/** Any of the release's hosts that is not cordoned and answers; not always the first, which would get all of the load. */
export async function chooseHost(
  { hosts, book }: Pick<OneOffParts, 'hosts' | 'book'>,
  app: string,
  release: ReleaseWithOutcome,
  signal: AbortSignal,
): Promise<Host> {
  const wanted = release.hosts ?? [LOCAL_HOST];
  const cordoned = new Set(
    (await book.list()).filter((host) => host.cordoned !== undefined).map(({ name }) => name),
  );
  const known = (await hosts.list()).filter(({ name }) => wanted.includes(name));
  const usable = known.filter(({ name }) => !cordoned.has(name));
  const first = usable.length === 0 ? 0 : randomInt(usable.length);
  const silent: string[] = [];
  for (const host of [...usable.slice(first), ...usable.slice(0, first)]) {
    try {
      await host.target.ping({ signal, timeoutMs: 5000 });
      return host;
    } catch (error) {
      signal.throwIfAborted();
      silent.push(`${host.name} does not answer: ${toSlipwayError(error).message}`);
    }
  }
  const without = wanted.filter((name) => !usable.some((host) => host.name === name));
  const why = [
    ...silent,
    ...without.map((name) => `${name} is ${cordoned.has(name) ? 'cordoned' : 'not known any more'}`),
  ];
  throw new SlipwayError('no_host', `no host of ${app} can run a command: ${why.join('; ')}`, {
    hint: 'see: slipway hosts',
    temporary: silent.length > 0,
  });
}

async function findAll(
  { hosts }: Pick<OneOffParts, 'hosts'>,
  app: string,
): Promise<{ found: OneOff[]; silent: { host: string; reason: string }[] }> {
  const silent: { host: string; reason: string }[] = [];
  const answers = await Promise.all(
    (await hosts.list()).map(async (host) => {
      const { name } = host;
      const engine = commandEngine(host);
      return whileItAnswers(engine, undefined, (until) => engine.listOneOffs(app, { signal: until })).catch(
        (error: unknown) => {
          silent.push({ host: name, reason: onHost(name, error).message });
          return [];
        },
      );
    }),
  );
  return { found: answers.flat().filter(isCommand), silent };
}

/** What copies a volume is like a one-off, but nobody's command. */
function isCommand({ name }: OneOff): boolean {
  return !name.startsWith(COPY_PREFIX);
}

async function viewOf({ hosts }: Pick<OneOffParts, 'hosts'>, one: OneOff): Promise<OneOffView> {
  const { name, release, host, id, state, by, follower, createdAt } = one;
  const ended = state === 'exited' || state === 'dead';
  const exitCode = ended
    ? await withCommandEngine(hosts, one, (engine, signal) => engine.inspect(id, { signal })).then(
        (seen) => seen.exitCode,
        () => undefined,
      )
    : undefined;
  return {
    name,
    release,
    host,
    container: id,
    detached: follower === undefined,
    state,
    ...(exitCode === undefined ? {} : { exitCode }),
    by,
    createdAt: new Date(createdAt * 1000).toISOString(),
  };
}
