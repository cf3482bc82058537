/** What `npm run bench` is asked for. */
import { parseArgs } from 'node:util';
import { LEAST_ROUNDS } from './report/results.js';

export const CASE_IDS: readonly string[] = [
  ...['a1', 'a2', 'b1', 'b2', 'c1', 'c2', 'c3', 'd', 'e', 'f', 'g'],
  ...['p1', 'p2', 'p3', 'm', 'i'],
];
export const GROWTHS = ['files', 'layers', 'size', 'builds', 'history'] as const;
export type Growth = (typeof GROWTHS)[number];
const PEERS = ['docker', 'buildah'] as const;

export interface BenchOptions {
  readonly cases: readonly string[];
  readonly peers: readonly string[];
  readonly rounds: number;
  readonly json?: string;
  readonly svg?: string;
  readonly markdown?: string;
  readonly dockerSocket?: string;
  /** That engine's images and caches may be removed. */
  readonly mayEmpty: boolean;
  readonly growth: readonly Growth[];
  readonly floor: boolean;
  readonly profiles?: string;
  readonly help: boolean;
}

/** Where the documentation has it. */
const DOCUMENTED = '--json docs/bench.json --svg docs/images/bench.svg --markdown docs/performance.md';

export const HELP: string = `npm run bench -- [options]

Builds the same projects with Slipway and with the peers that are installed, in turn, and prints what each needs.
Runs as root. Takes about an hour for everything; one case with few rounds, a minute.

  --cases a1,b2        only these: ${CASE_IDS.join(' ')}
                       "none" makes picture and tables anew from --json FILE
  --peers docker       only these: docker buildah; "none" for ours alone
  --rounds N           counted rounds of each case (default ${LEAST_ROUNDS}); fewer make the result invalid
  --docker-socket PATH an engine that runs already, a newer one perhaps, as one more peer
  --may-empty          that engine's images and build cache may be removed, which c3 needs
  --json FILE          all that was found, with the samples. What FILE has of cases that did not run stays
  --svg FILE           a picture of it
  --markdown FILE      puts the tables into their sections of that document
  --growth files,size  how ours grows with ${GROWTHS.join(', ')}; a picture of each beside that of --svg
  --floor              the rates of this machine, and how far the cases of --json FILE are from what they allow
  --profiles DIR       where the builder writes V8's profiles of its processor time
  --help

With --growth or --floor, cases run only if --cases names them. What the documentation shows is made by:
  npm run bench -- --cases all --growth all --floor ${DOCUMENTED}`;

/** Throws an Error that says what is wrong. */
export function readOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cases: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      json: { type: 'string' },
      svg: { type: 'string' },
      markdown: { type: 'string' },
      'docker-socket': { type: 'string' },
      'may-empty': { type: 'boolean', default: false },
      growth: { type: 'string' },
      floor: { type: 'boolean', default: false },
      profiles: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds ?? LEAST_ROUNDS);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds is a number from 1, not ${values.rounds}`);
  const { json, svg, markdown, profiles } = values;
  const isElse = values.growth !== undefined || values.floor;
  return {
    cases: isElse && values.cases === undefined ? [] : chosen('cases', values.cases, CASE_IDS),
    peers: chosen('peers', values.peers, PEERS),
    rounds,
    mayEmpty: values['may-empty'],
    growth: values.growth === undefined ? [] : chosen('growth', values.growth, GROWTHS),
    floor: values.floor,
    help: values.help,
    ...(values['docker-socket'] === undefined ? {} : { dockerSocket: values['docker-socket'] }),
    ...(json === undefined ? {} : { json }),
    ...(svg === undefined ? {} : { svg }),
    ...(markdown === undefined ? {} : { markdown }),
    ...(profiles === undefined ? {} : { profiles }),
  };
}

export function isValid({ rounds }: Pick<BenchOptions, 'rounds'>): boolean {
  return rounds >= LEAST_ROUNDS;
}

/** In the order of `known`; all of them when nothing was given. */
function chosen<T extends string>(option: string, given: string | undefined, known: readonly T[]): T[] {
  if (given === undefined || given === 'all') return [...known];
  if (given === 'none') return [];
  const names = given.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !known.some((each) => each === name));
  if (unknown.length > 0) throw new Error(`--${option} knows ${known.join(', ')}, not ${unknown.join(', ')}`);
  return known.filter((each) => names.includes(each));
}
