/**
 * Removes an app's images from the registry that nothing needs any more. Only what the platform's own records name is ever removed: never a
 * tag or an image of somebody else, and nothing that a tag of somebody else names (the caches of the builders are such).
 */
import { SlipwayError } from '../../errors.js';
import { type Deployment, isFinal } from '../../model/deployment.js';
import { imageRepository } from '../../model/image-repository.js';
import type { Release } from '../../model/release.js';
import { neededImages, type RetentionState } from '../../model/retention.js';
import { type Digest, isDigest } from '../../registry/image.js';
import type { RegistrySweep, RetentionParts, SweepOptions } from './parts.js';

export interface AppRecords {
  readonly app: string;
  /** With what is let go by this sweep. */
  readonly state: RetentionState;
  /** Releases that are let go by this sweep. */
  readonly going: readonly number[];
  /** Newest first. */
  readonly deployments: readonly Deployment[];
  /** Asked when there is something to remove. */
  readonly otherApps: () => Promise<readonly RetentionState[]>;
}

/** After so long an image without a tag is not looked for any more. */
const UNTAGGED_MS = 2 * 24 * 60 * 60_000;
/** So many of the newest deployments are looked at again before each removal. */
const NEWEST = 20;

export async function sweepRegistry(
  parts: RetentionParts,
  records: AppRecords,
  { dryRun, signal }: SweepOptions,
): Promise<RegistrySweep> {
  const { registry } = parts;
  const { app } = records;
  const place = { registry: parts.registryHost, repository: imageRepository(app) };
  const wanted = wantedImages(parts, app, records.deployments);
  const own = needs(app, [records.state], wanted);
  const candidates = candidateImages(records).filter(({ digest }) => !own.has(digest));
  if (candidates.length === 0) return { images: 0, bytes: 0, state: 'done' };

  const tags = new Set(await registry.listTags(place, signal));
  const found = new Set(
    candidates
      .filter(({ names, isNew }) => isNew || names.some((name) => tags.has(name)))
      .map(({ digest }) => digest),
  );
  if (found.size === 0) return { images: 0, bytes: 0, state: 'done' };
  const others = await records.otherApps();
  const needed = needs(app, [records.state, ...others], wanted);
  const foreign = await foreignImages(parts, place, records, tags, signal);
  for (const digest of [...foreign, ...needed]) found.delete(digest);

  const kept = new Set<Digest>();
  for (const digest of new Set([...needed, ...foreign]))
    for (const blob of (await registry.blobsOf(place, digest, signal))?.keys() ?? []) kept.add(blob);
  const freed = new Map<Digest, number>();
  let images = 0;
  const answer = (state: RegistrySweep['state']): RegistrySweep => ({
    images,
    bytes: [...freed.values()].reduce((sum, bytes) => sum + bytes, 0),
    state,
  });
  for (const digest of found) {
    signal?.throwIfAborted();
    const blobs = await registry.blobsOf(place, digest, signal);
    if (blobs === undefined) continue;
    if (!dryRun) {
      await using gate = await parts.gate.remove(app, parts.patienceMs);
      if (gate === undefined) return answer('busy');
      if (await isNeededNow(parts, app, others, digest)) continue;
      const removal = await registry.deleteManifest(place, digest, signal);
      if (removal === 'refused') return answer('refused');
      if (removal === 'absent') continue;
      await parts.onRemoved?.();
    }
    images += 1;
    for (const [blob, bytes] of blobs) if (!kept.has(blob)) freed.set(blob, bytes);
  }
  return answer('done');
}

interface Candidate {
  readonly digest: Digest;
  /** Tags that say that it is there. Without one it is looked for while it is new. */
  readonly names: readonly string[];
  readonly isNew: boolean;
}

/** Everything that the records of the app have ever named. */
function candidateImages({ app, state, going, deployments }: AppRecords): Candidate[] {
  const letGo = new Set(going);
  return [
    ...state.releases
      .filter(({ image, gone }) => gone && image.repository === imageRepository(app))
      .flatMap((release) => candidate(release.image.digest, namesOf(release), letGo.has(release.number))),
    ...deployments
      .filter(({ state: end }) => isFinal(end))
      .flatMap(({ id, digest = '', endedAt = 0 }) =>
        candidate(digest, [id], Date.now() - endedAt < UNTAGGED_MS),
      ),
  ];
}

function candidate(digest: string, names: readonly string[], isNew: boolean): Candidate[] {
  return isDigest(digest) ? [{ digest, names, isNew }] : [];
}

/** Of the tags that a builder gives, those of one release only. */
function namesOf({ number, deploymentId }: Release): string[] {
  return [`v${number}`, deploymentId];
}

/** Of deployments that may yet make a release of their image, or that were to build one only. */
function wantedImages({ policy }: RetentionParts, app: string, deployments: readonly Deployment[]): string[] {
  return deployments
    .filter(
      ({ state, endedAt = 0 }) =>
        !isFinal(state) || (state === 'built' && Date.now() - endedAt < policy.keepRecordsMs),
    )
    .flatMap(({ digest }) => (digest === undefined ? [] : [`${imageRepository(app)}@${digest}`]));
}

function needs(app: string, states: readonly RetentionState[], wanted: readonly string[]): Set<Digest> {
  const prefix = `${imageRepository(app)}@`;
  const digests = new Set<Digest>();
  for (const key of [...neededImages(states), ...wanted]) {
    const digest = key.startsWith(prefix) ? key.slice(prefix.length) : '';
    if (isDigest(digest)) digests.add(digest);
  }
  return digests;
}

/** Asked within the gate: what was pushed before is in a record by now. */
async function isNeededNow(
  parts: RetentionParts,
  app: string,
  otherApps: readonly RetentionState[],
  digest: Digest,
): Promise<boolean> {
  const [state, open, newest] = await Promise.all([
    readIfThere(parts, app),
    parts.store.open(app),
    parts.store.list(app, { limit: NEWEST }),
  ]);
  const wanted = wantedImages(parts, app, [...open, ...newest]);
  return needs(app, [state, ...otherApps], wanted).has(digest);
}

/** Of an app that is destroyed nothing is needed. */
async function readIfThere({ ledger }: RetentionParts, app: string): Promise<RetentionState> {
  return ledger.read(app).catch((thrown: unknown) => {
    if (thrown instanceof SlipwayError && thrown.code === 'not_found') return { releases: [] };
    throw thrown;
  });
}

/** What tags name that no build of this app has given. */
async function foreignImages(
  { registry }: RetentionParts,
  place: { readonly registry: string; readonly repository: string },
  { state, deployments }: AppRecords,
  tags: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<Set<Digest>> {
  const ours = new Set<string>(deployments.map(({ id }) => id));
  for (const release of state.releases) for (const name of namesOf(release)) ours.add(name);
  const foreign = new Set<Digest>();
  for (const tag of tags) {
    if (ours.has(tag) || /^git-[0-9a-f]{12}$/.test(tag)) continue;
    const digest = await registry.headManifest(place, tag, signal);
    if (digest !== undefined) foreign.add(digest);
  }
  return foreign;
}
