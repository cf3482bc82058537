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
}

/** The platform's containers on every host, of one app or of all. Throws only when the signal is aborted. */
export async function lookAround(hosts: Hosts, app?: string, options: LookOptions = {}): Promise<Look> {
  const { signal } = options;
  const silent = new Map(options.silent);
  const known = await hosts.list();
  const found = await Promise.all(
    known.map(async ({ name, target }) => {
      if (silent.has(name)) return [];
      try {
        return await whileItAnswers(target, signal, (end) => target.list(app, { signal: end }));
      } catch (error) {
        signal?.throwIfAborted();
        silent.set(name, onHost(name, error));
        return [];
      }
    }),
  );
  return { containers: found.flat(), silent };
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
