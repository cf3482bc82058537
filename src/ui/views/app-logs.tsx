/** What an app's processes write, as they write it. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { send, toFault } from '../api.js';
import { LogText } from '../log/log-text.js';
import { LogView } from '../log/log-view.js';
import { useRedraw } from '../log/redraw.js';
import { apiPath } from '../routes.js';

const LINES = 1000;
/** After the stream has ended, in ms: the processes may have been replaced. */
const AGAIN_MS = 3000;

export function AppLogs({ app }: { readonly app: string }): JSX.Element {
  const [text, setText] = useState(() => new LogText());
  const [problem, setProblem] = useState<string>();
  const redraw = useRedraw();
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    const follow = async (): Promise<void> => {
      while (!signal.aborted) {
        try {
          const answer = await send(apiPath(app, `/logs?lines=${LINES}&follow=1`), { signal });
          const fresh = new LogText();
          setText(fresh);
          setProblem(undefined);
          for await (const chunk of chunksOf(answer.body)) {
            fresh.add(fresh.offset, chunk);
            redraw();
          }
        } catch (thrown) {
          if (!signal.aborted) setProblem(toFault(thrown).message);
        }
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    };
    void follow();
    return () => stop.abort();
  }, [app, redraw]);
  return (
    <section aria-label="Output of the processes">
      <LogView
        lines={text.lines}
        isLive={problem === undefined}
        problem={problem}
        label={`Output of ${app}`}
      />
    </section>
  );
}

/** Not every browser can iterate over a stream. */
async function* chunksOf(
  body: ReadableStream<Uint8Array> | null,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body?.getReader();
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
