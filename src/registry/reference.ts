/**
 * Image references as people write them, per the reference grammar of CNCF Distribution
 * (`[domain[:port]/]path[:tag][@digest]`), with Docker's defaults for the domain. Pure.
 */
import { SlipwayError } from '../errors.js';
import { type Digest, isDigest } from './image.js';

export interface ImageReference {
  /** `docker.io`, or `host`, or `host:port`. */
  readonly registry: string;
  /** `library/busybox` */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const HOST = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::\\d{1,5})?$`);
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const NAME_CHARS = 255;

const DEFAULT_REGISTRY = 'docker.io';
const DEFAULT_TAG = 'latest';

export function isRegistryHost(text: string): boolean {
  // The URL parser refuses what no address can be, such as 999.1.1.1 or port 70000.
  return HOST.test(text) && text.length <= NAME_CHARS && URL.canParse(`https://${text}`);
}

export function isRepository(text: string): boolean {
  return text.length <= NAME_CHARS && text.split('/').every((component) => COMPONENT.test(component));
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** Throws `invalid_name` that says which part is wrong. No part that passes can begin with `-`. */
export function parseReference(text: string): ImageReference {
  const [beforeDigest = '', digest, ...more] = text.split('@');
  if (more.length > 0) throw invalid(text, 'it has more than one @');
  // A colon after the last slash begins the tag; one before it, a port.
  const slash = beforeDigest.lastIndexOf('/');
  const colon = beforeDigest.indexOf(':', slash + 1);
  const name = colon < 0 ? beforeDigest : beforeDigest.slice(0, colon);
  const tag = colon < 0 ? undefined : beforeDigest.slice(colon + 1);

  const { registry, repository } = splitName(name);
  if (!isRegistryHost(registry))
    throw invalid(text, `${quote(registry)} is not a registry's host or host:port`);
  if (repository === '') throw invalid(text, 'the name is missing');
  if (repository !== repository.toLowerCase()) throw invalid(text, 'the name must be in lower case');
  if (!isRepository(repository)) throw invalid(text, `${quote(repository)} is not a repository's name`);
  if (tag !== undefined && !isTag(tag)) throw invalid(text, `${quote(tag)} is not a tag`);
  if (digest !== undefined && !isDigest(digest)) {
    throw invalid(text, `${quote(digest)} is not a digest (sha256: and 64 hexadecimal digits)`);
  }
  return {
    registry,
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** In full: `docker.io/library/busybox:latest`. The default tag is written out when nothing else names the image. */
export function formatReference(reference: ImageReference): string {
  const { registry, repository, digest } = reference;
  const tag = reference.tag ?? (digest === undefined ? DEFAULT_TAG : undefined);
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** What a manifest is asked for by: the digest if there is one, since it decides. */
export function manifestName(reference: ImageReference): string {
  return reference.digest ?? reference.tag ?? DEFAULT_TAG;
}

/** Docker's rule: the first component is a domain if it looks like one. */
function splitName(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isDomain = /[.:]/.test(first) || first === 'localhost';
  const registry = isDomain
    ? first === 'index.docker.io'
      ? DEFAULT_REGISTRY
      : first.toLowerCase()
    : DEFAULT_REGISTRY;
  const repository = isDomain ? name.slice(slash + 1) : name;
  const official = registry === DEFAULT_REGISTRY && repository !== '' && !repository.includes('/');
  return { registry, repository: official ? `library/${repository}` : repository };
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function invalid(text: string, why: string): SlipwayError {
  return new SlipwayError('invalid_name', `${quote(text)} does not name an image: ${why}`, {
    hint: 'write it as [registry/]name[:tag] or [registry/]name@sha256:…, for example node:22-slim',
  });
}
