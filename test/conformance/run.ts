/**
 * `npm run conformance`: builds each case here and with the peers that are installed, and prints what differs. Exit 1
 * for a difference that known-differences.ts does not explain.
 *
 *   --record        writes what the peers made into expected/
 *   --only PATTERN  only the cases whose `topic: name` matches
 *   --peer NAME     only this peer (docker, buildah); may be repeated
 *   --peers-only    does not build here
 *   --reasons       prints the differences that have a reason, too
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startRegistry } from '../support/registry.js';
import { type KnownBases, pushBases } from './bases.js';
import type { Case, Peer } from './case.js';
import { TOPICS } from './cases/topics.js';
import { writeContext } from './context.js';
import { explanation, KNOWN_DIFFERENCES, type KnownDifference } from './known-differences.js';
import { buildahMissing, startBuildah } from './peers/buildah.js';
import { dockerPeerMissing, startDockerPeer } from './peers/docker.js';
import type { Builder, Outcome } from './peers/peer.js';
import { differences, type Recorded, type Result, readRecords, resultOf, writeRecords } from './record.js';

const PEERS: Readonly<Record<Peer, { missing(): string | undefined; start(): Promise<Builder> }>> = {
  docker: { missing: dockerPeerMissing, start: startDockerPeer },
  buildah: { missing: buildahMissing, start: startBuildah },
};

const { values: options } = parseArgs({
  options: {
    record: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    peer: { type: 'string', multiple: true, default: ['docker', 'buildah'] },
    'peers-only': { type: 'boolean', default: false },
    reasons: { type: 'boolean', default: false },
  },
});

interface Tally {
  cases: number;
  explained: number;
  unexplained: number;
  readonly used: Set<KnownDifference>;
}

const home = await mkdtemp(join(tmpdir(), 'slipway-conformance-'));
const registry = await startRegistry();
const peers = new Map<Peer, Builder>();
let ours: Builder | undefined;
const tally: Tally = { cases: 0, explained: 0, unexplained: 0, used: new Set() };
try {
  const bases = await pushBases(registry.host);
  for (const name of options.peer as Peer[]) {
    const missing = PEERS[name].missing();
    if (missing === undefined) peers.set(name, await PEERS[name].start());
    else console.log(`without ${name}: ${missing}`);
  }
  if (!options['peers-only']) ours = await (await import('./ours.js')).startOurs();
  for (const { topic, cases } of TOPICS) {
    const records: Record<string, Recorded> = { ...(await readRecords(topic)) };
    for (const one of cases) {
      if (new RegExp(options.only).test(`${topic}: ${one.name}`)) await compare(topic, one, bases, records);
    }
    const all = kept(cases, records);
    if (options.record && Object.keys(all).length > 0) await writeRecords(topic, all);
  }
} finally {
  for (const builder of [...peers.values(), ours]) await builder?.stop();
  await registry.stop();
  await rm(home, { recursive: true, force: true });
}
console.log(
  `\n${tally.cases} cases, ${tally.explained} differences with a reason, ${tally.unexplained} without`,
);
if (options.only === '' && ours !== undefined && peers.size === 2) {
  for (const known of KNOWN_DIFFERENCES.filter((one) => !tally.used.has(one))) {
    console.log(`no longer seen: ${known.peer} ${known.cases}: ${known.reason}`);
  }
}
process.exitCode = tally.unexplained > 0 ? 1 : 0;

async function compare(
  topic: string,
  one: Case,
  bases: KnownBases,
  records: Record<string, Recorded>,
): Promise<void> {
  const name = `${topic}: ${one.name}`;
  tally.cases += 1;
  const results = new Map<Peer, Result>();
  const said: string[] = [];
  for (const peer of one.peers ?? (Object.keys(PEERS) as Peer[])) {
    const builder = peers.get(peer);
    if (builder === undefined) continue;
    const outcome = await buildIn(builder, one);
    results.set(peer, resultOf(outcome, bases));
    if (outcome.kind === 'failed' && one.fails === undefined)
      said.push(`${peer} says: ${outcome.said.trim()}`);
  }
  if (options.record) record(one, results, records);
  const lines = ours === undefined ? betweenPeers(results) : await fromOurs(ours, one, bases, results, said);
  if (lines.length === 0) return console.log(`same      ${name}`);
  const unexplained = lines.filter(({ peer, line }) => {
    const known = explanation(peer, name, line);
    if (known === undefined) return true;
    tally.used.add(known);
    if (options.reasons) console.log(`          ${peer}: ${line}\n            ${known.reason}`);
    return false;
  });
  tally.explained += lines.length - unexplained.length;
  tally.unexplained += unexplained.length;
  console.log(`${unexplained.length === 0 ? 'explained' : 'DIFFERENT'} ${name}`);
  for (const { peer, line } of unexplained) console.log(`          ${peer}: ${line}`);
  if (unexplained.length > 0) for (const text of said) console.log(text.replace(/^/gm, '          | '));
}

interface Line {
  readonly peer: Peer;
  readonly line: string;
}

async function fromOurs(
  builder: Builder,
  one: Case,
  bases: KnownBases,
  results: ReadonlyMap<Peer, Result>,
  said: string[],
): Promise<Line[]> {
  if (results.size === 0) return [];
  const outcome = await buildIn(builder, one);
  if (outcome.kind === 'failed' && one.fails === undefined) said.push(`we say: ${outcome.said.trim()}`);
  const result = resultOf(outcome, bases);
  const lines = [...results].flatMap(([peer, theirs]) =>
    differences(theirs, result, { history: peer === 'docker' }).map((line): Line => ({ peer, line })),
  );
  return lines;
}

function betweenPeers(results: ReadonlyMap<Peer, Result>): Line[] {
  const [docker, buildah] = [results.get('docker'), results.get('buildah')];
  if (docker === undefined || buildah === undefined) return [];
  return differences(buildah, docker, { history: false }).map((line): Line => ({ peer: 'buildah', line }));
}

function record(one: Case, results: ReadonlyMap<Peer, Result>, records: Record<string, Recorded>): void {
  const order: readonly Peer[] = one.truth === 'buildah' ? ['buildah', 'docker'] : ['docker', 'buildah'];
  const of = order.find((peer) => results.has(peer));
  const result = of === undefined ? undefined : results.get(of);
  if (of === undefined || result === undefined) return;
  const agree = [...results]
    .filter(([peer, other]) => peer !== of && differences(result, other, { history: false }).length === 0)
    .map(([peer]) => peer);
  records[one.name] = { of, agree, ...result };
}

function kept(cases: readonly Case[], records: Record<string, Recorded>): Record<string, Recorded> {
  const known = cases.flatMap(({ name, peers }): [string, Recorded][] => {
    const found = records[name];
    return found === undefined || peers?.length === 0 ? [] : [[name, found]];
  });
  return Object.fromEntries(known);
}

async function buildIn(builder: Builder, one: Case): Promise<Outcome> {
  const directory = await mkdtemp(join(home, 'case-'));
  try {
    return await builder.build(one, await writeContext(directory, registry.host, one));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
