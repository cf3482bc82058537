/** Waiting until a container has written something. The text is looked for as it is: no pattern of an app's can hold us up (decision 41). */
import { addAbortSignal } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogCheck } from '../../src/model/check.js';
import type { Checked } from './checked.js';
import { excerpt } from './failures.js';

/** From the beginning, for a container that was just started. */
const LINES = 100_000;
/** So much is kept to be shown, and to find what comes in pieces. */
const KEPT_CHARS = 64 * 1024;
/** An engine that was restarted, or a log that was rotated, ends the stream. */
const PAUSE_MS = 500;

/** Undefined when it has been written; else what was written last. */
export async function lacksLine(
  { target, container, redact, signal }: Checked,
  { log: wanted }: Pick<LogCheck, 'log'>,
  timeoutMs: number,
): Promise<string | undefined> {
  const late = AbortSignal.timeout(timeoutMs);
  const end = AbortSignal.any([signal, late]);
  let kept = '';
  try {
    for (;;) {
      const stream = await target.logs(container.id, { lines: LINES, follow: true, signal: end });
      kept = '';
      for await (const text of addAbortSignal(end, stream).setEncoding('utf8') as AsyncIterable<string>) {
        kept += text;
        if (kept.includes(wanted)) return undefined;
        if (kept.length > KEPT_CHARS) kept = kept.slice(-KEPT_CHARS / 2);
      }
      await sleep(PAUSE_MS, undefined, { signal: end });
    }
  } catch (error) {
    if (!late.aborted || signal.aborted) throw error;
  }
  const last = excerpt(kept.trimEnd().split('\n').at(-1) ?? '', redact);
  return last === '' ? 'it has written nothing' : `it has not written it; last: ${last}`;
}
