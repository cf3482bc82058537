/** The images that an engine holds, as far as they come from the platform's registry (Engine API, GET /images/json and /system/df). */
import type { ReleaseImage } from '../../src/model/release.js';
import type { CallOptions, Engine } from './engine.js';

export interface HeldImage {
  readonly image: ReleaseImage;
  /** Of layers that no other image on the engine has. */
  readonly ownBytes: number;
  /** How many containers use it, running or not. */
  readonly containers: number;
}

export interface HeldOptions extends CallOptions {
  readonly isWanted: (image: ReleaseImage) => boolean;
}

interface ImageSummary {
  readonly Id: string;
  readonly RepoDigests?: readonly string[] | null;
}

interface DiskUsage {
  readonly Images?:
    | readonly {
        readonly Id: string;
        readonly Size?: number;
        readonly SharedSize?: number;
        readonly Containers?: number;
      }[]
    | null;
}

/** How an engine is asked for what takes it long: it looks at every layer. */
const USAGE_MS = 5 * 60_000;

/** `nameOf` says how this engine calls an image. */
export async function heldImages(
  engine: Engine,
  nameOf: (image: ReleaseImage) => string,
  { isWanted, ...options }: HeldOptions,
): Promise<HeldImage[]> {
  const query = { digests: true };
  const list = await engine.call(
    'list images',
    (api, signal) => api.json<ImageSummary[]>({ path: '/images/json', query, signal }),
    options,
  );
  const wanted = list.flatMap(({ Id, RepoDigests }) =>
    (RepoDigests ?? []).flatMap((reference) => {
      const [, repository, digest] = /^[^/]+\/([^@]+)@(sha256:[0-9a-f]{64})$/.exec(reference) ?? [];
      if (repository === undefined || digest === undefined) return [];
      const image: ReleaseImage = { repository, digest };
      return nameOf(image) === reference && isWanted(image) ? [{ Id, image }] : [];
    }),
  );
  if (wanted.length === 0) return [];
  const { Images } = await engine.call(
    'measure its images',
    (api, signal) => api.json<DiskUsage>({ path: '/system/df', query: { type: 'image' }, signal }),
    { ...options, timeoutMs: USAGE_MS },
  );
  const usage = new Map((Images ?? []).map((one) => [one.Id, one]));
  return wanted.map(({ Id, image }) => {
    const { Size = 0, SharedSize = 0, Containers = 0 } = usage.get(Id) ?? {};
    return {
      image,
      ownBytes: Math.max(0, Size - Math.max(0, SharedSize)),
      containers: Math.max(0, Containers),
    };
  });
}
