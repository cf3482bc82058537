/**
 * What a repository holds, and the removal of a manifest (OCI distribution-spec, "Content Discovery", "Content Management"). What
 * a manifest alone needed is freed by the registry's own clean-up. One place is asked, no mirror.
 */
import { SlipwayError } from '../errors.js';
import { RegistryFault } from './faults.js';
import { type Digest, parseManifest } from './image.js';
import { MANIFEST_BYTES, MANIFEST_TYPES } from './pull.js';
import { isTag } from './reference.js';
import type { Place, Transport } from './transport.js';

const TAGS_PER_ANSWER = 1000;
/** A registry that goes on for ever is not listened to for ever. */
const ANSWERS = 1000;
const TAGS_BYTES = 1024 * 1024;

/** All tags of a repository; none when there is no such repository. */
export async function listTagsAt(
  transport: Transport,
  place: Place,
  signal?: AbortSignal,
): Promise<string[]> {
  const { registry, repository } = place;
  const where = `${registry}/${repository}`;
  const tags: string[] = [];
  let target = `tags/list?n=${TAGS_PER_ANSWER}`;
  for (let answers = 0; answers < ANSWERS; answers += 1) {
    const answer = await transport.request(
      {
        place: { registry, repository },
        method: 'GET',
        target,
        actions: 'pull',
        expect: [200, 404],
        where,
        maxBytes: TAGS_BYTES,
        signal,
      },
      transport.retries(signal),
    );
    if (answer.status === 404) return tags;
    const page = parseTags(answer.body, where);
    tags.push(...page);
    const last = page.at(-1);
    // The link names the same page by whatever address the registry has of itself.
    if (answer.header('link') === undefined || last === undefined) return tags;
    target = `tags/list?n=${TAGS_PER_ANSWER}&last=${encodeURIComponent(last)}`;
  }
  throw new SlipwayError('registry_denied', `the registry ${registry} names more tags than can be read`, {
    where,
  });
}

/** `refused`: this registry removes nothing. */
export type Removal = 'removed' | 'absent' | 'refused';

/**
 * Removes a manifest by its digest, with all tags that name it. Tried once: a removal that is late must not come when somebody
 * has pushed the image again. Throws `registry_push_not_allowed`, `registry_denied`, `registry_unavailable`.
 */
export async function deleteManifestAt(
  transport: Transport,
  place: Place,
  digest: Digest,
  signal?: AbortSignal,
): Promise<Removal> {
  const { registry, repository } = place;
  const where = `${registry}/${repository}@${digest}`;
  transport.checkWritable(registry, where);
  try {
    const answer = await transport.request(
      {
        place: { registry, repository },
        method: 'DELETE',
        target: `manifests/${digest}`,
        actions: 'pull,push,delete',
        expect: [200, 202, 404, 405],
        where,
        signal,
      },
      transport.retries(signal, 1),
    );
    if (answer.status === 405) return 'refused';
    return answer.status === 404 ? 'absent' : 'removed';
  } catch (error) {
    if (error instanceof RegistryFault && error.has('UNSUPPORTED')) return 'refused';
    throw error;
  }
}

/** The blobs that a manifest names, config included: digest to bytes. Undefined when it is not there. */
export async function blobsOfManifest(
  transport: Transport,
  place: Place,
  digest: Digest,
  signal?: AbortSignal,
): Promise<ReadonlyMap<Digest, number> | undefined> {
  const { registry, repository } = place;
  const where = `${registry}/${repository}@${digest}`;
  const answer = await transport.request(
    {
      place: { registry, repository },
      method: 'GET',
      target: `manifests/${digest}`,
      headers: { accept: MANIFEST_TYPES },
      actions: 'pull',
      expect: [200, 404],
      where,
      maxBytes: MANIFEST_BYTES,
      signal,
    },
    transport.retries(signal),
  );
  if (answer.status === 404) return undefined;
  const document = parseManifest(answer.body, answer.header('content-type'), where);
  // Platforms of an index are images of their own, which Slipway does not make.
  if (document.kind === 'index') return new Map();
  const { config, layers } = document.manifest;
  return new Map([config, ...layers].map(({ digest: blob, size }) => [blob, size]));
}

function parseTags(body: Buffer, where: string): string[] {
  try {
    const { tags } = JSON.parse(body.toString('utf8')) as { tags?: unknown };
    // Distribution writes null for none.
    if (tags === null || tags === undefined) return [];
    if (Array.isArray(tags))
      return tags.filter((tag): tag is string => typeof tag === 'string' && isTag(tag));
  } catch {
    // Another service's answer.
  }
  throw new SlipwayError('image_invalid', 'the list of tags cannot be read', { where });
}
