/** `slipway build --output type=oci`, in this process; all cases share one store. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { main } from '../../src/cli/main.js';
import type { Case } from './case.js';
import type { CaseContext } from './context.js';
import { readLayout } from './image.js';
import { type Builder, buildOptions, type Outcome } from './peers/peer.js';

/** What `--progress rawjson` says of a failure. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly where?: string;
}

export type OurOutcome = Outcome & { readonly refusal?: Refusal };
export interface OurBuilder extends Builder {
  build(one: Case, context: CaseContext): Promise<OurOutcome>;
}

/** `settings`: further variables of its environment. */
export async function startOurs(settings: NodeJS.ProcessEnv = {}): Promise<OurBuilder> {
  const home = await mkdtemp(join(tmpdir(), 'slipway-conformance-'));
  const env = { PATH: process.env.PATH, HOME: home, SLIPWAY_BUILD_STORE: join(home, 'store'), ...settings };

  const build = async (one: Case, context: CaseContext): Promise<OurOutcome> => {
    const output = join(home, 'image.tar');
    const told: Buffer[] = [];
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        told.push(Buffer.from(chunk));
        done();
      },
    });
    const code = await main(
      [
        'build',
        '--progress=rawjson',
        `--output=type=oci,dest=${output}`,
        ...buildOptions(one, context),
        context.directory,
      ],
      {
        env,
        directory: context.directory,
        stdin: Readable.from([]),
        streams: { out: stream, err: stream },
        signal: new AbortController().signal,
      },
    );
    const said = Buffer.concat(told).toString();
    if (code !== 0) return { kind: 'failed', said: `exit ${code}\n${said.slice(-1500)}`, ...refusalIn(said) };
    return { kind: 'built', image: readLayout(await readFile(output)) };
  };
  return {
    name: 'slipway',
    build,
    stop: () => rm(home, { recursive: true, force: true }),
  };
}

function refusalIn(said: string): { refusal?: Refusal } {
  for (const line of said.split('\n')) {
    if (!line.startsWith('{')) continue;
    const event = JSON.parse(line) as { type?: string } & Refusal;
    if (event.type === 'error') return { refusal: event };
  }
  return {};
}
