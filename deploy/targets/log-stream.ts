/** A container's output as one stream of text, with or without what is still to come (Engine API, "ContainerLogs"). */
import { PassThrough, type Readable } from 'node:stream';
import type { CallOptions, Engine } from './engine.js';
import { splitOutput } from './output.js';

export interface LogStreamOptions extends CallOptions {
  /** How many of the last lines to begin with. */
  readonly lines: number;
  readonly follow: boolean;
}

/** Ends when the container does, at once without `follow`, or when the caller destroys it. */
export async function logStream(engine: Engine, id: string, options: LogStreamOptions): Promise<Readable> {
  const { lines, follow, ...call } = options;
  const read = { stdout: true, stderr: true, timestamps: false, tail: lines } as const;
  if (!follow) {
    const output = await engine.call(
      'read the log of a container',
      (docker, abortSignal) => docker.getContainer(id).logs({ ...read, follow: false, abortSignal }),
      call,
    );
    const text = splitOutput(output);
    const whole = new PassThrough();
    whole.end(text.length === 0 ? '' : `${text.join('\n')}\n`);
    return whole;
  }
  return engine.call(
    'follow the log of a container',
    async (docker) => {
      const frames = (await docker.getContainer(id).logs({ ...read, follow: true })) as Readable;
      const out = new PassThrough();
      docker.modem.demuxStream(frames, out, out);
      frames.once('end', () => out.end());
      frames.once('error', () => out.end());
      out.once('close', () => frames.destroy());
      return out;
    },
    call,
  );
}
