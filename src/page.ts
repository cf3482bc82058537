/**
 * Serves the web page of src/ui, as it was built. The few files are read once: so a request can name no other file, and a page that is
 * open stays whole while a new version is being installed beside it.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isErrno } from './errors.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};
/** What the build has compressed beside each file, the smallest first. */
const ENCODINGS = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;
/** Where the page shows something; what is there, it asks the API for. */
const PLACES = ['/', '/apps/*', '/hosts', '/queue', '/events', '/keys'];

/** Nothing from elsewhere, nothing inline, no text that becomes markup, and in nobody's frame (CSP Level 3; Trusted Types). */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');
const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
};

interface PageFile {
  readonly type: string;
  readonly tag: string;
  /** By content-encoding; `identity` is the file itself. */
  readonly bodies: ReadonlyMap<string, Buffer>;
}

/** By path below the directory. */
export type Page = ReadonlyMap<string, PageFile>;

/** Undefined when the page was not built. */
export async function loadPage(directory: string): Promise<Page | undefined> {
  const names: string[] = await readdir(directory, { recursive: true }).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  });
  const page = new Map<string, PageFile>();
  for (const name of names) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const body = await readFile(join(directory, name));
    const bodies = new Map([['identity', body]]);
    for (const [encoding, ending] of ENCODINGS)
      if (names.includes(`${name}${ending}`))
        bodies.set(encoding, await readFile(join(directory, `${name}${ending}`)));
    const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    page.set(name, { type, tag, bodies });
  }
  return page.has('index.html') ? page : undefined;
}

export function pageRoutes(server: FastifyInstance, page: Page): void {
  for (const [name, file] of page) {
    if (name === 'index.html') continue;
    // Their names change with what they hold.
    const lasts = name.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
    server.get(`/${name}`, (request, reply) => send(request, reply, file, lasts));
  }
  const index = page.get('index.html');
  if (index === undefined) return;
  for (const place of PLACES) server.get(place, (request, reply) => send(request, reply, index, 'no-cache'));
}

function send(request: FastifyRequest, reply: FastifyReply, file: PageFile, lasts: string): FastifyReply {
  reply.headers({ ...HEADERS, 'cache-control': lasts, etag: file.tag, vary: 'accept-encoding' });
  if (request.headers['if-none-match'] === file.tag) return reply.code(304).send();
  const accepted = String(request.headers['accept-encoding'] ?? '')
    .split(',')
    .map((one) => one.split(';')[0]?.trim());
  const encoding =
    ENCODINGS.map(([name]) => name).find((name) => file.bodies.has(name) && accepted.includes(name)) ??
    'identity';
  if (encoding !== 'identity') reply.header('content-encoding', encoding);
  return reply.type(file.type).send(file.bodies.get(encoding));
}
