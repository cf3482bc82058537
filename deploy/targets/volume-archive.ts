/**
 * What is in a Docker volume as a tar stream, out of it and into it, by the engine's archive calls (Engine API, ContainerArchive and
 * PutContainerArchive). They want a container, and none that runs: so one is made of an empty image, which is on every engine or made
 * there, has nothing but the volume, and is never started. No image of the app's needs a tool for it, nor even to be there.
 */
import { Readable } from 'node:stream';
import { LABELS, oneOffContainerName } from '../names.js';
import { type CallOptions, type Engine, statusOf } from './engine.js';

/** What to open, and who answers for the container: the reconciler removes it when they are gone (decision 40). */
export interface ContentWish {
  readonly app: string;
  readonly volume: string;
  readonly content: string;
  /** `volume.482913`, as the name of a one-off command. */
  readonly name: string;
  readonly by: string;
  readonly follower: string;
}

export interface OpenContent {
  /** All that it holds, as a tar. */
  read(signal: AbortSignal): Promise<Readable>;
  /** Unpacks the tar into it. */
  write(tar: Readable, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

const EMPTY_IMAGE = 'slipway-volumes:1';
const PLACE = '/volume';
/** Two blocks of zeros are a tar without a file. */
const EMPTY_TAR: Buffer = Buffer.alloc(1024);
/** For terabytes; the host is asked meanwhile whether it is still there. */
const COPY_MS = 24 * 60 * 60_000;

export async function openContent(
  engine: Engine,
  wish: ContentWish & { readonly platform: string; readonly dockerVolume: string },
  options: CallOptions,
): Promise<OpenContent> {
  await ensureEmptyImage(engine, options);
  const name = oneOffContainerName(wish.platform, wish.app, wish.name);
  const body = {
    Image: EMPTY_IMAGE,
    // It has to name one.
    Cmd: ['none'],
    Labels: {
      [LABELS.platform]: wish.platform,
      [LABELS.app]: wish.app,
      [LABELS.run]: wish.name,
      [LABELS.by]: wish.by,
      [LABELS.follower]: wish.follower,
    },
    HostConfig: {
      NetworkMode: 'none',
      Mounts: [{ Type: 'volume', Source: wish.dockerVolume, Target: PLACE, VolumeOptions: { NoCopy: true } }],
    },
  };
  const { Id: id } = await engine.call(
    'create a container',
    (api, signal) =>
      api.json<{ Id: string }>({ method: 'POST', path: '/containers/create', query: { name }, body, signal }),
    options,
  );
  const path = `/containers/${id}/archive`;
  return {
    read: (signal) =>
      // The signal of the call ends with the answer's head; what comes after it is the caller's to end.
      engine.call('read a volume', (api) => api.stream({ path, query: { path: `${PLACE}/.` }, signal }), {
        signal,
      }),
    write: async (tar, signal) => {
      await engine.call(
        'write a volume',
        (api, until) =>
          api.bytes({ method: 'PUT', path, query: { path: PLACE }, upload: tar, signal: until }),
        { signal, timeoutMs: COPY_MS },
      );
    },
    close: async () => {
      await engine
        .call('remove a container', (api, signal) =>
          api.json({ method: 'DELETE', path: `/containers/${id}`, query: { force: true, v: false }, signal }),
        )
        .catch((error: unknown) => {
          if (statusOf(error) !== 404) throw error;
        });
    },
  };
}

async function ensureEmptyImage(engine: Engine, options: CallOptions): Promise<void> {
  try {
    await engine.call(
      'inspect an image',
      (api, signal) => api.bytes({ path: `/images/${EMPTY_IMAGE}/json`, signal }),
      options,
    );
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
    const [repo, tag] = EMPTY_IMAGE.split(':') as [string, string];
    const query = { fromSrc: '-', repo, tag };
    await engine.call(
      'make an image',
      (api, signal) => {
        const upload = Readable.from([EMPTY_TAR]);
        return api.bytes({ method: 'POST', path: '/images/create', query, upload, signal });
      },
      options,
    );
  }
}
