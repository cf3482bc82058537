/** The registry room's door: one client per process, for all registries it speaks to. */
import type { Config } from '../config.js';
import { SlipwayError } from '../errors.js';
import type { Logger } from '../log.js';
import { type Artifact, type ArtifactRequest, fetchArtifact, hasBlobAt } from './artifact.js';
import { fetchBlobFrom } from './blob.js';
import { blobsOfManifest, deleteManifestAt, listTagsAt, type Removal } from './holdings.js';
import { asDigest, type Descriptor, type Digest, digestOf, isDigest } from './image.js';
import {
  askInTurn,
  hostPlatform,
  type ImageSource,
  KnownConfigs,
  MANIFEST_BYTES,
  MANIFEST_TYPES,
  type Mirror,
  type ResolvedImage,
  resolveImage,
  type WantedPlatform,
} from './pull.js';
import {
  type ImagePush,
  type ImageTag,
  type PushedImage,
  type PushLayer,
  pushImageTo,
  tagImageAt,
  uploadLayerTo,
} from './push.js';
import { type ImageReference, isTag } from './reference.js';
import { type Place, Transport, type TransportOptions } from './transport.js';
import type { Uploaded } from './upload.js';

export interface RegistryClientOptions extends TransportOptions {
  /** Asked before the registry itself, in order. */
  readonly mirrors?: readonly Mirror[];
}

export class RegistryClient {
  readonly #transport: Transport;
  readonly #mirrors: readonly Mirror[];
  readonly #configs = new KnownConfigs();

  constructor(options: RegistryClientOptions) {
    this.#transport = new Transport(options);
    this.#mirrors = options.mirrors ?? [];
  }

  /** With the credentials, mirrors and push guard of the settings. */
  static fromConfig(config: Config, log?: Logger): RegistryClient {
    const { host, username, password } = config.registry;
    return new RegistryClient({
      credentials: username === undefined ? {} : { [host]: { username, password: password ?? '' } },
      insecure: config.insecureRegistries,
      mirrors: config.mirrors,
      pushAllowed: config.pushRegistries,
      ...(log === undefined ? {} : { log }),
    });
  }

  /** Closes kept-alive connections; requests under way fail. */
  close(): void {
    this.#transport.close();
  }

  /**
   * The image that a reference names now, for this machine's platform unless another is asked for. Throws
   * `image_not_found`, `image_invalid`, `registry_denied`, `registry_unavailable` (temporary), or the signal's reason.
   */
  resolve(
    reference: ImageReference,
    options: { readonly platform?: WantedPlatform; readonly signal?: AbortSignal } = {},
  ): Promise<ResolvedImage> {
    const asking = { transport: this.#transport, mirrors: this.#mirrors, configs: this.#configs };
    return resolveImage(asking, reference, options.platform ?? hostPlatform(), options.signal);
  }

  /**
   * A blob into a file, which appears only when it is whole and verified; see {@link BlobFetch} for `growing`. Errors as of
   * `resolve`, and whatever the disk says.
   */
  fetchBlob(
    source: ImageSource,
    descriptor: Descriptor,
    toFile: string,
    signal?: AbortSignal,
    growing?: string,
  ): Promise<void> {
    const { mirrorTries } = this.#transport.timing;
    return askInTurn(
      source,
      `${source.registry}/${source.repository}@${descriptor.digest}`,
      signal,
      (place) =>
        fetchBlobFrom(this.#transport, place, descriptor, toFile, {
          signal,
          tries: place.otherwise && mirrorTries,
          growing,
        }),
    );
  }

  /** The digest of what a tag or digest names in one repository, or undefined when it is not there. No mirror is asked. */
  async headManifest(place: Place, digestOrTag: string, signal?: AbortSignal): Promise<Digest | undefined> {
    if (!isDigest(digestOrTag) && !isTag(digestOrTag)) {
      throw new SlipwayError('invalid_name', `${JSON.stringify(digestOrTag)} is neither a tag nor a digest`);
    }
    const retries = this.#transport.retries(signal);
    const where = `${place.registry}/${place.repository}${isDigest(digestOrTag) ? '@' : ':'}${digestOrTag}`;
    const request = {
      place: { registry: place.registry, repository: place.repository },
      target: `manifests/${digestOrTag}`,
      headers: { accept: MANIFEST_TYPES },
      actions: 'pull',
      expect: [200, 404],
      where,
      maxBytes: MANIFEST_BYTES,
      signal,
    };
    const head = await this.#transport.request({ ...request, method: 'HEAD' }, retries);
    if (head.status === 404) return undefined;
    const digest = head.header('docker-content-digest');
    if (digest !== undefined) return asDigest(digest);
    // The header is a SHOULD of the distribution-spec.
    const whole = await this.#transport.request({ ...request, method: 'GET' }, retries);
    return whole.status === 404 ? undefined : digestOf(whole.body);
  }

  /** See `fetchArtifact`. */
  artifact(request: ArtifactRequest): Promise<Artifact | undefined> {
    return fetchArtifact(this.#transport, request);
  }

  /** See `hasBlobAt`. */
  hasBlob(place: Place, digest: Digest, signal?: AbortSignal): Promise<boolean> {
    return hasBlobAt(this.#transport, place, digest, signal);
  }

  /** See `listTagsAt`. */
  listTags(place: Place, signal?: AbortSignal): Promise<string[]> {
    return listTagsAt(this.#transport, place, signal);
  }

  /** See `deleteManifestAt`. */
  deleteManifest(place: Place, digest: Digest, signal?: AbortSignal): Promise<Removal> {
    return deleteManifestAt(this.#transport, place, digest, signal);
  }

  /** See `blobsOfManifest`. */
  blobsOf(
    place: Place,
    digest: Digest,
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<Digest, number> | undefined> {
    return blobsOfManifest(this.#transport, place, digest, signal);
  }

  /** See `pushImageTo`. */
  pushImage(push: ImagePush): Promise<PushedImage> {
    return pushImageTo(this.#transport, push);
  }

  /** See `uploadLayerTo`. */
  uploadLayer(place: Place, layer: PushLayer, signal?: AbortSignal): Promise<Uploaded> {
    return uploadLayerTo(this.#transport, place, layer, signal);
  }

  /** See `tagImageAt`. */
  tag(image: ImageTag): Promise<void> {
    return tagImageAt(this.#transport, image);
  }
}
