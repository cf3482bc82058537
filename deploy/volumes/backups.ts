/**
 * Backups of volumes in the registry: OCI artifacts whose only layer is the packed tar, in a repository for each volume, which no sweep
 * looks at. The registry's client reads and writes files: so a copy is for a while one here, in the scratch directory.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupView, VolumeCopy } from '../../src/api/volume-views.js';
import { SlipwayError } from '../../src/errors.js';
import { belongsToTheLiving, ownMark } from '../../src/living.js';
import { backupRepository } from '../../src/model/image-repository.js';
import { artifactManifest } from '../../src/registry/artifact.js';
import type { RegistryClient } from '../../src/registry/client.js';
import { asDigest, type Descriptor } from '../../src/registry/image.js';
import type { Place } from '../../src/registry/transport.js';
import type { DeployerParts } from '../parts.js';
import type { Asked } from './copies.js';

export interface BackupParts extends Pick<DeployerParts, 'config' | 'ledger'> {
  readonly registry: Pick<RegistryClient, 'pushImage' | 'artifact' | 'fetchBlob' | 'listTags'>;
  /** A directory for copies on their way to or from the registry. */
  readonly scratch: string;
}

const ARTIFACT_TYPE = 'application/vnd.slipway.volume.v1+json';
const LAYER_TYPE = 'application/vnd.slipway.volume.v1.tar+gzip';
const DOCUMENT_BYTES = 64 * 1024;
/** Of the registry: the newest so many are listed. */
const LISTED = 50;
const TAG = /^\d{8}-\d{6}-[0-9a-f]{4}$/;

/** The document that the artifact is made of, beside the tar. */
interface BackupDocument {
  readonly app: string;
  /** When the app was made: another app of its name has nothing to do with it. */
  readonly appCreatedAt: string;
  readonly volume: string;
  readonly at: string;
  readonly by: string;
  readonly stopped: readonly string[];
  /** The number of the release that served. */
  readonly live?: number;
}

/** Those of the volume in the registry, newest first. */
export async function listBackups(
  { registry, config, ledger }: BackupParts,
  app: string,
  volume: string,
): Promise<BackupView[]> {
  const place = placeOf(config, app, volume);
  const { settings } = await ledger.read(app);
  const tags = (await registry.listTags(place)).filter((tag) => TAG.test(tag)).sort();
  const found = tags
    .reverse()
    .slice(0, LISTED)
    .map(async (tag): Promise<BackupView[]> => {
      const artifact = await backupAt(registry, place, tag);
      if (artifact === undefined || artifact.document.appCreatedAt !== settings.createdAt) return [];
      const { at, by, stopped } = artifact.document;
      const bytes = artifact.layer.size;
      return [
        {
          tag,
          at,
          by,
          bytes,
          stopped,
          reference: `${place.registry}/${place.repository}@${artifact.digest}`,
        },
      ];
    });
  return (await Promise.all(found)).flat();
}

/** Its name in the registry. */
export async function pushBackup(
  { registry, config, ledger }: BackupParts,
  { app, volume, who }: Asked,
  { file, bytes, sha256, stopped }: VolumeCopy & { readonly file: string },
  signal: AbortSignal,
): Promise<string> {
  const at = new Date().toISOString();
  const { live, settings } = await ledger.read(app);
  const appCreatedAt = settings.createdAt;
  const document: BackupDocument = {
    app,
    appCreatedAt,
    volume,
    at,
    by: who,
    stopped,
    ...(live === undefined ? {} : { live }),
  };
  const layer = { mediaType: LAYER_TYPE, digest: asDigest(`sha256:${sha256}`), size: bytes };
  const bytesOfDocument = Buffer.from(JSON.stringify(document));
  const tag = `${at.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}-${randomBytes(2).toString('hex')}`;
  await registry.pushImage({
    ...placeOf(config, app, volume),
    layers: [{ descriptor: layer, file }],
    config: bytesOfDocument,
    manifest: artifactManifest(ARTIFACT_TYPE, bytesOfDocument, [layer]),
    tags: [tag],
    signal,
  });
  return tag;
}

/** Into the file, whole and with its digest. Throws `not_found`. */
export async function fetchBackup(
  { registry, config, ledger }: BackupParts,
  { app, volume }: Asked,
  tag: string,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  const place = placeOf(config, app, volume);
  const found = await backupAt(registry, place, tag, signal);
  const { settings } = await ledger.read(app);
  if (found === undefined || found.document.appCreatedAt !== settings.createdAt)
    throw new SlipwayError('not_found', `${volume} of ${app} has no backup ${tag}`, {
      hint: `see: slipway volumes:backups ${volume} -a ${app}`,
    });
  await registry.fetchBlob(place, found.layer, file, signal);
}

interface Backup {
  readonly digest: string;
  readonly layer: Descriptor;
  readonly document: BackupDocument;
}

async function backupAt(
  registry: BackupParts['registry'],
  place: Place,
  tag: string,
  signal?: AbortSignal,
): Promise<Backup | undefined> {
  const request = { ...place, tag, configType: ARTIFACT_TYPE, maxBytes: DOCUMENT_BYTES, signal };
  const artifact = await registry.artifact(request);
  const [layer] = artifact?.layers ?? [];
  if (artifact === undefined || layer === undefined) return undefined;
  const document = JSON.parse(artifact.config.toString('utf8')) as BackupDocument;
  return { digest: artifact.digest, layer, document };
}

function placeOf({ registry }: Pick<BackupParts['config'], 'registry'>, app: string, volume: string): Place {
  return { registry: registry.host, repository: backupRepository(app, volume) };
}

/** What a deployer that was killed has left of copies on their way. */
export async function sweepScratch(scratch: string): Promise<void> {
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  for (const name of await readdir(scratch))
    if (!(await belongsToTheLiving(name))) await rm(join(scratch, name), { force: true });
}

/** A file that is there as long as the work. */
export async function withScratch<T>(
  { scratch }: Pick<BackupParts, 'scratch'>,
  work: (file: string) => Promise<T>,
): Promise<T> {
  const file = join(scratch, `${await ownMark()}-${randomBytes(6).toString('hex')}`);
  try {
    return await work(file);
  } finally {
    await rm(file, { force: true });
  }
}
