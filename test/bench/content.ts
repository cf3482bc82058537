/** What is in an image that was pushed, whatever its layers are: every path with mode, owner, content or target; and its config. */
import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import { type FileSystem, flatten } from '../conformance/flatten.js';
import type { PublishedImage } from './peers/contender.js';

export interface ImageContent {
  readonly files: FileSystem;
  readonly config: Readonly<Record<string, unknown>>;
}

interface Document {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

const ACCEPT = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');
/** What the container sees of the config; how it was built says nothing. */
const FIELDS = ['User', 'Env', 'Entrypoint', 'Cmd', 'WorkingDir', 'ExposedPorts', 'Volumes', 'Labels'];
const SHOWN = 10;

export async function pushedContent(
  registry: string,
  { repository, reference }: PublishedImage,
): Promise<ImageContent> {
  const get = async (path: string): Promise<Buffer> => {
    const response = await fetch(`http://${registry}/v2/${repository}/${path}`, {
      headers: { accept: ACCEPT },
    });
    if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  };
  const manifest = JSON.parse((await get(`manifests/${reference}`)).toString()) as Document;
  const document = JSON.parse((await get(`blobs/${manifest.config.digest}`)).toString()) as {
    config?: Record<string, unknown>;
  };
  const layers: Buffer[] = [];
  for (const { digest } of manifest.layers) layers.push(inflate(await get(`blobs/${digest}`)));
  const config = FIELDS.map((field): [string, unknown] => [field, document.config?.[field]]);
  return {
    files: flatten(layers),
    config: Object.fromEntries(config.filter(([, value]) => !isEmpty(value))),
  };
}

/** Lines that say what differs; empty where nothing does. */
export function differences(ours: ImageContent, theirs: ImageContent): string[] {
  const lines: string[] = [];
  for (const path of new Set([...ours.files.keys(), ...theirs.files.keys()])) {
    const [a, b] = [ours.files.get(path), theirs.files.get(path)];
    if (a !== b) lines.push(`${path}: ${a ?? 'nothing'}, not ${b ?? 'nothing'}`);
  }
  for (const field of FIELDS) {
    const [a, b] = [JSON.stringify(ours.config[field]), JSON.stringify(theirs.config[field])];
    if (a !== b) lines.push(`${field}: ${a}, not ${b}`);
  }
  return lines.length > SHOWN ? [...lines.slice(0, SHOWN), `and ${lines.length - SHOWN} more`] : lines;
}

function inflate(blob: Buffer): Buffer {
  if (blob[0] === 0x1f && blob[1] === 0x8b) return gunzipSync(blob);
  // RFC 8878 §3.1.1: the magic number of a zstd frame.
  if (blob.length >= 4 && blob.readUInt32LE(0) === 0xfd2fb528)
    return execFileSync('zstd', ['-dc'], { input: blob, maxBuffer: 2 ** 32 });
  return blob;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || JSON.stringify(value).length === 2;
}
