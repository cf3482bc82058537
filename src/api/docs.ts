/** The document of the API for programs, /v1/openapi.json, and for people, /docs/api: a page without scripts or anything from outside. */
import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Config } from '../config.js';
import { typeText } from './json-types.js';
import { type ApiDocument, apiDocument, type JsonSchema, type Operation } from './openapi.js';
import type { RouteDescription, Routes } from './route.js';

/** Made when it is asked for first: the table is complete then. */
export function lazyDocument(
  table: readonly RouteDescription[],
  { publicUrl }: Pick<Config, 'publicUrl'>,
): () => ApiDocument {
  let made: ApiDocument | undefined;
  return () => {
    made ??= apiDocument(table, publicUrl);
    return made;
  };
}

export function documentRoute(routes: Routes, document: () => ApiDocument): void {
  routes.add({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document',
    tag: 'Platform',
    access: 'public',
    answers: { 200: z.looseObject({ openapi: z.string() }) },
    handle: async () => ({ ...document() }),
  });
}

export function documentPage(server: FastifyInstance, document: () => ApiDocument): void {
  let page: string | undefined;
  server.get('/docs/api', async (_request, reply) => {
    page ??= pageOf(document());
    return reply
      .type('text/html; charset=utf-8')
      .headers({
        'content-security-policy': `default-src 'none'; style-src '${STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      })
      .send(page);
  });
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --line: #8886; --soft: #8882; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem 1.25rem 4rem; }
h2 { margin: 3rem 0 0; border-bottom: 1px solid var(--line); }
nav ul { columns: 16rem; padding-left: 1.2rem; }
summary { cursor: pointer; padding: .35rem 0; }
details { border-bottom: 1px solid var(--soft); }
details > div { padding: 0 0 1rem 1.2rem; }
code, pre { font: .875rem/1.5 ui-monospace, monospace; }
summary code { display: inline-block; min-width: 24rem; }
summary b { display: inline-block; min-width: 4.5rem; }
pre { background: var(--soft); padding: .6rem .8rem; overflow-x: auto; border-radius: .3rem; }
table { border-collapse: collapse; } td { padding: .15rem 1.2rem .15rem 0; vertical-align: top; }
.more { opacity: .75; }
@media (max-width: 40rem) { summary code { min-width: 0; } }
`;
const STYLE_HASH = `sha256-${createHash('sha256').update(STYLE).digest('base64')}`;

function pageOf({ info, tags, paths, components }: ApiDocument): string {
  const names = new RegExp(`\\b(${Object.keys(components.schemas).join('|')})\\b`, 'g');
  const typeHtml = (schema: JsonSchema): string =>
    `<pre>${escapeHtml(typeText(schema)).replaceAll(names, (name) => `<a href="#schema-${anchor(name)}">${name}</a>`)}</pre>`;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const chapters = tags.map(({ name }) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(name));
    const parts = own.map(({ path, method, operation }) => operationHtml(method, path, operation, typeHtml));
    return `<h2 id="${anchor(name)}">${escapeHtml(name)}</h2>\n${parts.join('\n')}`;
  });
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details id="schema-${anchor(name)}"><summary><code>${escapeHtml(name)}</code></summary><div>${typeHtml(schema)}</div></details>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>The API of Slipway</title>
<style>${STYLE}</style>
</head>
<body>
<h1>The API of Slipway</h1>
<p>${codeHtml(String(info.description))} A request says who asks with <code>Authorization: Bearer TOKEN</code>.
For programs there is <a href="/v1/openapi.json">the same as OpenAPI 3.1</a>.</p>
<nav><ul>${tags.map(({ name }) => `<li><a href="#${anchor(name)}">${escapeHtml(name)}</a></li>`).join('')}<li><a href="#schemas">Schemas</a></li></ul></nav>
<main>
${chapters.join('\n')}
<h2 id="schemas">Schemas</h2>
${schemas.join('\n')}
</main>
</body>
</html>
`;
}

function operationHtml(
  method: string,
  path: string,
  operation: Operation,
  /** Names of schemas are links in it. */
  typeHtml: (schema: JsonSchema) => string,
): string {
  const { operationId, summary, description, parameters, requestBody, responses } = operation;
  const rows = parameters.map(
    ({ name, in: where, required, schema, description: says = '' }) =>
      `<tr><td><code>${escapeHtml(name)}</code></td><td>${where}${required ? '' : ', optional'}</td><td><code>${escapeHtml(typeText(schema))}</code></td><td>${codeHtml(says)}</td></tr>`,
  );
  const body = Object.values(requestBody?.content ?? {}).map(
    ({ schema }) => `<p>Body${requestBody?.required ? '' : ', optional'}:</p>${typeHtml(schema)}`,
  );
  const answers = Object.entries(responses)
    .filter(([status]) => status !== 'default')
    .map(([status, { description: says = '', content = {} }]) => {
      const types = Object.entries(content).map(([type, { schema }]) =>
        type === 'application/json' ? typeHtml(schema) : `<p><code>${escapeHtml(type)}</code></p>`,
      );
      return `<p>${status}: ${codeHtml(says)}</p>${types.join('')}`;
    });
  return `<details id="${operationId}"><summary><b>${method.toUpperCase()}</b> <code>${escapeHtml(path)}</code> <span>${escapeHtml(summary)}</span></summary><div>
<p class="more">${ACCESS[operation['x-access']] ?? ''}</p>
${description === undefined ? '' : `<p>${codeHtml(description)}</p>`}
${rows.length === 0 ? '' : `<table>${rows.join('')}</table>`}
${body.join('')}${answers.join('')}
</div></details>`;
}

const ACCESS: Readonly<Record<string, string>> = {
  public: 'Without a token.',
  self: 'With any token.',
  view: 'For viewers of the app.',
  deploy: 'For developers of the app.',
  admin: 'For admins of the app.',
  platform: 'For administrators of the platform.',
};

/** What stands between backticks is code. */
function codeHtml(text: string): string {
  return escapeHtml(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}

function anchor(text: string): string {
  return text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}

function escapeHtml(text: string): string {
  return text.replaceAll(
    /[&<>"']/g,
    (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char] ?? '&#39;',
  );
}
