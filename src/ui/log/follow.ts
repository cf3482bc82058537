/**
 * Follows a build's log from the first byte to its end: first in large parts, then as it is written. After a cut it goes on at the byte
 * at which it was; what comes twice is passed over, and what would leave a gap is not taken.
 */
import type { BuildView } from '../../api/views.js';
import { send, toFault } from '../api.js';
import { apiPath } from '../routes.js';
import type { LogText } from './log-text.js';

export interface Listener {
  /** Something was added. */
  readonly onText: () => void;
  readonly onEnd: (build: BuildView | undefined) => void;
  /** Why it does not go on for now; undefined when it does again. */
  readonly onCut: (reason: string | undefined) => void;
}

const FINAL: ReadonlySet<string> = new Set(['live', 'built', 'failed', 'cancelled', 'superseded']);
/** Between two tries, in ms. */
const AGAIN_MS = [500, 1000, 2000, 4000, 8000];

/** The answer stops it. */
export function followBuild(app: string, id: string, text: LogText, listener: Listener): () => void {
  const stop = new AbortController();
  void follow(apiPath(app, `/builds/${encodeURIComponent(id)}/output`), text, listener, stop.signal);
  return () => stop.abort();
}

async function follow(path: string, text: LogText, listener: Listener, signal: AbortSignal): Promise<void> {
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      const isFinal = await catchUp(path, text, listener, signal);
      listener.onCut(undefined);
      tries = 0;
      const ended = isFinal ? undefined : await stream(path, text, listener, signal);
      if (isFinal || ended !== undefined) {
        text.end();
        listener.onText();
        listener.onEnd(ended);
        return;
      }
    } catch (thrown) {
      if (signal.aborted) return;
      const fault = toFault(thrown);
      listener.onCut(fault.message);
      // Asking again would not change that.
      if (fault.status >= 400 && fault.status < 500) return;
    }
    await pause(AGAIN_MS[Math.min(tries, AGAIN_MS.length - 1)] ?? 0, signal);
  }
}

/** Reads what there is. True when there will be no more. */
async function catchUp(
  path: string,
  text: LogText,
  listener: Listener,
  signal: AbortSignal,
): Promise<boolean> {
  for (;;) {
    const answer = await send(`${path}?offset=${text.offset}`, { signal });
    const data = new Uint8Array(await answer.arrayBuffer());
    text.add(text.offset, data);
    listener.onText();
    if (data.length === 0) return FINAL.has(answer.headers.get('x-build-state') ?? '');
  }
}

/** Resolves with the build when it has ended, with undefined when the connection has. */
function stream(
  path: string,
  text: LogText,
  { onText }: Listener,
  signal: AbortSignal,
): Promise<BuildView | undefined> {
  return new Promise((resolve) => {
    const source = new EventSource(`${path}/stream?offset=${text.offset}`);
    const end = (build?: BuildView): void => {
      source.close();
      resolve(build);
    };
    signal.addEventListener('abort', () => end(), { once: true });
    source.addEventListener('log', (event: MessageEvent<string>) => {
      const data = Uint8Array.from(atob(event.data), (character) => character.charCodeAt(0));
      // The id is the offset after the data.
      if (text.add(Number(event.lastEventId) - data.length, data)) onText();
      else end();
    });
    source.addEventListener('end', (event: MessageEvent<string>) => end(JSON.parse(event.data) as BuildView));
    // The browser would try again by itself, but never tell why it cannot.
    source.addEventListener('error', () => end());
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
