/** A command as `slipway run` and `slipway enter` have it: attached over the deployer's socket, to its end. */
import { Readable, Writable } from 'node:stream';
import type { DeployerClient } from '../../../src/api/deployer-client.js';
import { beAttached } from '../../../src/cli/attached.js';

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface AttachOptions extends Record<string, unknown> {
  readonly app: string;
  readonly what?: 'run' | 'enter';
  readonly stdin?: Readable;
  readonly signal?: AbortSignal;
  /** Gets all that has come so far. */
  readonly onOutput?: (text: string) => void;
}

/** What is no option of ours is the wish's. */
export async function attach(
  client: DeployerClient,
  command: readonly string[],
  {
    app,
    what = 'run',
    stdin = Readable.from([]),
    signal = new AbortController().signal,
    onOutput = () => undefined,
    ...wish
  }: AttachOptions,
): Promise<Ended> {
  let out = '';
  let err = '';
  const into = (take: (text: string) => void): Writable =>
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        take(chunk.toString());
        done();
      },
    });
  const connection = await client.attach(app, what, 'alice');
  const streams = {
    out: into((text) => {
      out += text;
      onOutput(out);
    }),
    err: into((text) => {
      err += text;
    }),
  };
  const hasTerminal = 'terminal' in wish;
  const code = await beAttached(
    connection,
    { command, ...wish },
    { stdin, streams, signal, hasTerminal, onStarted: () => undefined },
  );
  return { code, out, err };
}
