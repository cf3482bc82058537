/** A registry that does what a test says, for the faults that a real one does not show when asked. */
import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Descriptor } from '../../src/registry/image.js';
import { digestOf, MEDIA_TYPES } from '../../src/registry/image.js';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  /** Filled in as it arrives. */
  body: Buffer;
}

export interface Scripted {
  readonly host: string;
  readonly port: number;
  readonly seen: Seen[];
  /** What was asked, as `GET /v2/…`. */
  readonly asked: string[];
  stop(): Promise<void>;
}

export type Script = (request: IncomingMessage, response: ServerResponse, seen: Seen) => void | Promise<void>;

/** `early`: the script runs before the body has arrived. */
export async function startScripted(
  script: Script,
  options: { readonly early?: boolean } = {},
): Promise<Scripted> {
  const seen: Seen[] = [];
  const server: Server = http.createServer((request, response) => {
    const entry: Seen = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: Buffer.alloc(0),
    };
    seen.push(entry);
    request.on('error', () => {});
    const run = (): void => {
      Promise.resolve(script(request, response, entry)).catch((error: unknown) =>
        response.destroy(error as Error),
      );
    };
    if (options.early) {
      run();
      return;
    }
    const parts: Buffer[] = [];
    request.on('data', (chunk: Buffer) => parts.push(chunk));
    request.on('end', () => {
      entry.body = Buffer.concat(parts);
      run();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    host: `127.0.0.1:${port}`,
    port,
    seen,
    get asked() {
      return seen.map(({ method, url }) => `${method} ${url}`);
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve)); // Also when it is closed already.
    },
  };
}

export interface MadeImage {
  readonly config: Buffer;
  readonly manifest: Buffer;
  readonly digest: string;
  readonly layers: readonly { readonly descriptor: Descriptor; readonly bytes: Buffer }[];
}

/** An image that is right in all that a registry sees; its layers need not be tars. */
export function makeImage(
  contents: readonly Buffer[],
  platform: { os: string; architecture: string; variant?: string } = { os: 'linux', architecture: 'amd64' },
  kind: 'oci' | 'docker' = 'oci',
): MadeImage {
  const layers = contents.map((bytes) => ({
    bytes,
    descriptor: {
      mediaType: kind === 'oci' ? MEDIA_TYPES.ociLayerGzip : MEDIA_TYPES.dockerLayerGzip,
      digest: digestOf(bytes),
      size: bytes.length,
    },
  }));
  const config = Buffer.from(
    JSON.stringify({
      ...platform,
      config: { Env: ['PATH=/bin'], Cmd: ['/bin/sh'], Volumes: null },
      rootfs: { type: 'layers', diff_ids: layers.map(({ descriptor }) => descriptor.digest) },
      'x.unknown': { kept: true },
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: kind === 'oci' ? MEDIA_TYPES.ociManifest : MEDIA_TYPES.dockerManifest,
      config: {
        mediaType: kind === 'oci' ? MEDIA_TYPES.ociConfig : MEDIA_TYPES.dockerConfig,
        digest: digestOf(config),
        size: config.length,
      },
      layers: layers.map(({ descriptor }) => descriptor),
    }),
  );
  return { config, manifest, digest: digestOf(manifest), layers };
}

/** Serves images by digest and by the given tags, as a registry does. Undefined: it is not one of its paths. */
export function servesImages(
  images: readonly MadeImage[],
  tags: Readonly<Record<string, Buffer>> = {},
): (request: IncomingMessage, response: ServerResponse) => void {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, Buffer>(Object.entries(tags));
  for (const image of images) {
    blobs.set(digestOf(image.config), image.config);
    manifests.set(image.digest, image.manifest);
    for (const { descriptor, bytes } of image.layers) blobs.set(descriptor.digest, bytes);
  }
  for (const bytes of Object.values(tags)) manifests.set(digestOf(bytes), bytes);
  return (request, response) => {
    const [, kind, name = ''] = /\/(manifests|blobs)\/([^/?]+)$/.exec(request.url ?? '') ?? [];
    const bytes = (kind === 'manifests' ? manifests : blobs).get(name);
    if (bytes === undefined) {
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }] }));
      return;
    }
    const type =
      kind === 'manifests'
        ? (JSON.parse(bytes.toString()) as { mediaType: string }).mediaType
        : 'application/octet-stream';
    response.writeHead(200, {
      'content-type': type,
      'content-length': bytes.length,
      'docker-content-digest': digestOf(bytes),
    });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  };
}
