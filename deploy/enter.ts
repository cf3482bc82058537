/** A command in a container that runs, beside its process 1. */
import type { Duplex } from 'node:stream';
import { checkEnter } from '../src/api/one-off-views.js';
import { SlipwayError } from '../src/errors.js';
import { whileItAnswers } from './answering.js';
import { type Attached, converse } from './attached.js';
import { lookAround, onHost } from './everywhere.js';
import type { Hosts } from './hosts.js';
import type { DeployerParts } from './parts.js';
import { isSwarm } from './swarm/target.js';
import { executeAttached, exitOfExecution, resize } from './targets/attach.js';
import type { Container } from './targets/container.js';

/** The exit code is known a moment after the output has ended. */
const EXIT_ATTEMPTS = 50;
const EXIT_PAUSE_MS = 100;

/** Serves the connection to its end. What it started ends with its input; the engine has no way to end it. */
export async function enterAttached(
  { hosts, log }: Pick<DeployerParts, 'hosts' | 'log'>,
  app: string,
  client: Duplex,
): Promise<void> {
  await converse(client, log, async (wish, signal): Promise<Attached> => {
    const { process, command, terminal } = checkEnter(wish);
    const container = await runningContainer(hosts, app, process);
    const { target } = await hosts.get(container.host);
    const { engine } = target;
    const hasTerminal = terminal !== undefined;
    const { id, stream } = await whileItAnswers(target, signal, (until) =>
      executeAttached(engine, container.id, { command, hasTerminal }, { signal: until }),
    ).catch((error: unknown) => {
      throw onHost(container.host, error);
    });
    const attached: Attached = {
      started: { name: instanceName(container), host: container.host },
      stream,
      hasTerminal,
      resize: (size) => resize(engine, 'exec', id, size),
      exit: async () => {
        for (let attempt = 1; attempt <= EXIT_ATTEMPTS; attempt += 1) {
          const code = await exitOfExecution(engine, id);
          if (code !== undefined) return { code, outOfMemory: false };
          await new Promise((resolve) => setTimeout(resolve, EXIT_PAUSE_MS));
        }
        throw new SlipwayError('engine_unavailable', 'the command has closed its output and runs on', {
          where: container.host,
        });
      },
      release: async () => undefined,
    };
    if (terminal !== undefined) await attached.resize(terminal).catch(() => undefined);
    return attached;
  });
}

/** `web.1`, or `web` for its first: of the newest release that runs it. Throws `not_found`. */
export async function runningContainer(hosts: Hosts, app: string, name: string): Promise<Container> {
  const { containers, silent } = await lookAround(hosts, app);
  const wanted = name.includes('.') ? name : undefined;
  const [found] = containers
    .filter(({ state }) => state === 'running')
    .filter((one) => (wanted === undefined ? one.instance.process === name : instanceName(one) === wanted))
    .sort((a, b) => b.release - a.release || a.instance.number - b.instance.number);
  if (found !== undefined) return withinReach(hosts, found);
  const unknown = [...silent.keys()];
  throw new SlipwayError(
    'not_found',
    `${app} runs no ${JSON.stringify(name.slice(0, 40))}${unknown.length === 0 ? '' : `, as far as is known: ${unknown.join(', ')} does not answer`}`,
    { hint: `see: slipway ps -a ${app}` },
  );
}

/** With the id that its engine knows it by. Throws `bad_request` for a task on a node whose engine we do not reach. */
async function withinReach(hosts: Hosts, container: Container): Promise<Container> {
  const { app } = container;
  const host = await hosts.get(container.host);
  const { target } = host;
  if (!isSwarm(target)) return container;
  const id = await whileItAnswers(target, undefined, (signal) =>
    target.containerHere(container.id, { signal }),
  );
  if (id !== undefined) return { ...container, id };
  throw new SlipwayError(
    'bad_request',
    `${instanceName(container)} runs on a node of the Swarm ${host.name} that is not its manager`,
    {
      hint: `a command beside it: slipway run -a ${app}; its output: slipway logs -a ${app}`,
    },
  );
}

export function instanceName({ instance }: Pick<Container, 'instance'>): string {
  return `${instance.process}.${instance.number}`;
}
