/** A container's output as one stream of text, with or without what is still to come (Engine API, "ContainerLogs"). */
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { CallOptions, Engine } from './engine.js';
import { payloads, splitOutput } from './output.js';

export interface LogStreamOptions extends CallOptions {
  /** How many of the last lines to begin with. */
  readonly lines: number;
  readonly follow: boolean;
}

/** Ends when the container does, at once without `follow`, or when the caller destroys it. */
export async function logStream(
  engine: Engine,
  id: string,
  options: LogStreamOptions,
  kind: 'containers' | 'tasks' = 'containers',
): Promise<Readable> {
  const { lines, follow, ...call } = options;
  const request = {
    path: `/${kind}/${id}/logs`,
    query: { stdout: true, stderr: true, timestamps: false, tail: lines, follow },
  };
  if (!follow) {
    const output = await engine.call(
      'read the log of a container',
      (api, signal) => api.bytes({ ...request, signal }),
      call,
    );
    const text = splitOutput(output);
    const whole = new PassThrough();
    whole.end(text.length === 0 ? '' : `${text.join('\n')}\n`);
    return whole;
  }
  // Without the call's own signal, which ends with its time: what is followed may be silent for hours.
  const late = new AbortController();
  const frames = await engine
    .call('follow the log of a container', (api) => api.stream({ ...request, signal: late.signal }), call)
    .catch((error: unknown) => {
      // An answer that comes after all is nobody's.
      late.abort();
      throw error;
    });
  const out = new PassThrough();
  // A silent container would hold whoever reads it: the end of the one must be the end of the other.
  out.once('close', () => frames.destroy());
  pipeline(Readable.from(payloads(frames), { objectMode: false }), out).catch(() => undefined);
  return out;
}
