/**
 * Whether a container that was just started does its work. What its app says of that (app.json, docs/checks.md) is what is looked at, all
 * of it side by side; without a word of it, checks/by-default.ts. A container that dies fails at once.
 */

import { SlipwayError } from '../src/errors.js';
import type { Check } from '../src/model/check.js';
import { passByDefault } from './checks/by-default.js';
import type { Checked } from './checks/checked.js';
import { passDefined, stillPasses } from './checks/defined.js';
import { imageCheckFailed } from './checks/failures.js';
import type { Container, Inspection } from './targets/container.js';
import type { Target } from './targets/target.js';

export interface CheckOptions {
  /** What the app defines; empty: nothing. */
  readonly checks?: readonly Check[];
  /** The Host header of a request. */
  readonly host: string;
  /** For the whole, unless a check says otherwise. */
  readonly timeoutMs: number;
  /** What the app says itself passes through this. */
  readonly redact?: (text: string) => string;
  readonly signal: AbortSignal;
}

/** Resolves when the container is healthy, with how that was seen. Throws `unhealthy` with what was seen last. */
export async function checkContainer(
  target: Target,
  container: Container,
  { checks = [], host, timeoutMs, redact = (text) => text, signal }: CheckOptions,
): Promise<string> {
  const ended = new AbortController();
  const end = AbortSignal.any([signal, ended.signal]);
  try {
    // The stream is open before the first look, so that no death falls between the two.
    const events = await target.events(end);
    const found = await target.inspect(container.id, { signal });
    failIfDead(found);
    const checked: Checked = { target, container, found, host, timeoutMs, redact, signal: end };
    const passed =
      checks.length === 0
        ? passByDefault(checked)
        : Promise.all(checks.map((check) => passDefined(checked, check))).then((seen) => seen.join(', '));
    return await Promise.race([passed, failOnEvent(checked, events)]);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    ended.abort();
  }
}

/** One look at whether what the app defines would still pass. */
export async function passStill(
  target: Target,
  container: Container,
  { checks = [], host, timeoutMs, redact = (text) => text, signal }: CheckOptions,
): Promise<boolean> {
  const found = await target.inspect(container.id, { signal });
  const checked: Checked = { target, container, found, host, timeoutMs, redact, signal };
  return !(await Promise.all(checks.map((check) => stillPasses(checked, check)))).includes(false);
}

/** Rejects when the container dies or the engine calls it unhealthy. One `healthy` of the engine proves as little as one pass. */
async function failOnEvent(
  { target, container, redact, signal }: Checked,
  events: AsyncIterable<{ id: string; action: string }>,
): Promise<never> {
  for await (const { id, action } of events) {
    if (id !== container.id) continue;
    if (action === 'die' || action === 'destroy') failIfDead(await target.inspect(id, { signal }));
    if (action === 'unhealthy') {
      const { health } = await target.inspect(id, { signal });
      throw imageCheckFailed('failed', redact(health?.lastOutput ?? ''));
    }
  }
  signal.throwIfAborted();
  throw target.engine.unavailable('closed its stream of events');
}

function failIfDead(found: Inspection): void {
  if (found.state === 'running') return;
  const because = found.outOfMemory ? ', killed because it was out of memory' : '';
  const why = found.error === '' ? '' : `: ${found.error}`;
  throw new SlipwayError('unhealthy', `the container exited with code ${found.exitCode}${because}${why}`, {
    hint: found.outOfMemory
      ? 'make the app use less memory'
      : 'the process must stay in the foreground; see its last lines above',
  });
}
