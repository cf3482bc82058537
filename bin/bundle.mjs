// Puts each program of Slipway into few files, dist/run: node loads one file of a megabyte in a third of the time and with ten
// megabytes less memory than the five hundred that it was compiled to.
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const compiled = (path) => join(root, 'dist', path);

await rm(compiled('run'), { recursive: true, force: true });
await build({
  entryPoints: {
    slipway: compiled('src/cli/main.js'),
    web: compiled('src/main.js'),
    builder: compiled('workers/builder.js'),
    deployer: compiled('workers/deployer.js'),
    janitor: compiled('workers/janitor.js'),
  },
  outdir: compiled('run'),
  bundle: true,
  splitting: true,
  minifyWhitespace: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  logLevel: 'warning',
  legalComments: 'linked',
  // Packages that are CommonJS ask for node's own modules with require, which an ES module has not got.
  banner: {
    js: "import { createRequire as requireOfBundle } from 'node:module'; const require = requireOfBundle(import.meta.url);",
  },
});

await import('./bundle-page.mjs');
