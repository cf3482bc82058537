/** All hosts at once: what runs on them, and work on some of them side by side. One that is silent keeps nobody waiting. */
import { SlipwayError, toSlipwayError } from '../src/errors.js';
import { LOCAL_HOST } from '../src/model/host.js';
import { whileItAnswers } from './answering.js';
import type { Host, Hosts } from './hosts.js';
import type { Container } from './targets/container.js';

export interface Look {
  readonly containers: readonly Container[];
  /** Hosts that did not answer, and why. What runs there nobody knows. */
  readonly silent: ReadonlyMap<string, SlipwayError>;
}

export interface LookOptions {
  readonly signal?: AbortSignal | undefined;
  /** Known to be silent: they are not asked again. */
  readonly silent?: ReadonlyMap<string, SlipwayError>;
  /** When these have answered the others are not waited for any more, but for a moment; by default, all are waited for. */
  readonly needed?: readonly string[];
}

/** For the hosts that are not needed, after those that are. */
const OTHERS_MS = 300;

/** The platform's containers on every host, of one app or of all. Throws only when the signal is aborted. */
export async function lookAround(hosts: Hosts, app?: string, options: LookOptions = {}): Promise<Look> {
  const { signal, needed } = options;
  const silent = new Map(options.silent);
  const late = new AbortController();
  const ask = async ({ name, target }: Host): Promise<Container[]> => {
    const signals = [signal, needed?.includes(name) === false ? late.signal : undefined];
    const end = AbortSignal.any(signals.filter((one) => one !== undefined));
    try {
      return await whileItAnswers(target, end, (until) => target.list(app, { signal: until }));
    } catch (error) {
      signal?.throwIfAborted();
      silent.set(name, toSlipwayError(error));
      return [];
    }
  };
  const asked = (await hosts.list())
    .filter(({ name }) => !silent.has(name))
    .map((host) => ({ isNeeded: needed?.includes(host.name) ?? true, answer: ask(host) }));
  await Promise.allSettled(asked.filter(({ isNeeded }) => isNeeded).map(({ answer }) => answer));
  const timer = setTimeout(() => late.abort(tooLate()), OTHERS_MS);
  const answers = await Promise.allSettled(asked.map(({ answer }) => answer));
  clearTimeout(timer);
  signal?.throwIfAborted();
  return { containers: answers.flatMap((one) => (one.status === 'fulfilled' ? one.value : [])), silent };
}

function tooLate(): SlipwayError {
  return new SlipwayError('engine_unavailable', 'the host has not answered yet', { temporary: true });
}

export interface OnEachOptions {
  readonly signal: AbortSignal;
  /** Told whose failure it was. */
  readonly onFailure?: (name: string, error: SlipwayError) => void;
}

/**
 * Resolves when the work is done on each of these hosts. The first failure ends the work on the others and is thrown, with the
 * host's name, when all of them have ended: nothing goes on behind the back of a rollout that has failed.
 */
export async function onEachHost<T>(
  hosts: Hosts,
  names: readonly string[],
  { signal, onFailure }: OnEachOptions,
  work: (host: Host, signal: AbortSignal) => Promise<T>,
): Promise<T[]> {
  const failed = new AbortController();
  const end = AbortSignal.any([signal, failed.signal]);
  const running = names.map(async (name) => {
    try {
      const host = await hosts.get(name);
      return await whileItAnswers(host.target, end, (until) => work(host, until));
    } catch (error) {
      end.throwIfAborted();
      const named = onHost(name, error);
      onFailure?.(name, toSlipwayError(error));
      failed.abort(named);
      throw named;
    }
  });
  await Promise.allSettled(running);
  signal.throwIfAborted();
  failed.signal.throwIfAborted();
  return Promise.all(running);
}

/** Whether the host said nothing, and not that it cannot or will not. */
export function isSilence({ code, temporary }: SlipwayError): boolean {
  return code === 'engine_unavailable' && temporary;
}

/** Whose trouble it was. The local engine goes without saying. */
export function onHost(name: string, thrown: unknown): SlipwayError {
  const { code, message, where, hint, temporary, cause } = toSlipwayError(thrown);
  if (name === LOCAL_HOST && thrown instanceof SlipwayError) return thrown;
  return new SlipwayError(code, name === LOCAL_HOST ? message : `on ${name}: ${message}`, {
    ...(where === undefined ? {} : { where }),
    ...(hint === undefined ? {} : { hint }),
    temporary,
    cause: cause ?? thrown,
  });
}
