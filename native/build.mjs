/**
 * Builds native/build/slipway.node and the small programs of native/programs by calling the compiler directly. Silent and quick when nothing changed. Needs no
 * network: Node's headers come from beside the node binary, or from the package node-api-headers.
 */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, 'build');
const addon = join(out, 'slipway.node');
const libraries = ['isal', 'zstd', 'crypto'];

/** Programs are started for every push: without a dynamic linker they are there in a millisecond. */
const programFlags = ['-std=c++20', '-O2', '-Wall', '-Wextra', '-Werror', '-static', '-s'];

/** Header → the Debian package that has it. */
const systemHeaders = {
  'isa-l/igzip_lib.h': 'libisal-dev',
  'zstd.h': 'libzstd-dev',
  'openssl/evp.h': 'libssl-dev',
};

function nodeHeaders() {
  const beside = join(dirname(dirname(process.execPath)), 'include', 'node');
  return existsSync(join(beside, 'node_api.h')) ? beside : require('node-api-headers').include_dir;
}

function flags() {
  const addonApi = dirname(require.resolve('node-addon-api/package.json'));
  return [
    ...['-std=c++20', '-O2', '-Wall', '-Wextra', '-Werror', '-fPIC', '-pthread'],
    ...['-fvisibility=hidden', '-DNAPI_VERSION=8'],
    ...['-isystem', nodeHeaders(), '-isystem', addonApi],
  ];
}

/** Runs the compiler; resolves to its standard error, rejects with it when it fails. */
function compile(args) {
  return new Promise((resolve, reject) => {
    const child = spawn('g++', args, { stdio: ['ignore', 'inherit', 'pipe'] });
    let text = '';
    child.stderr.on('data', (chunk) => {
      text += chunk;
    });
    child.on('error', (error) => {
      reject(error.code === 'ENOENT' ? new Error('g++ is missing: install the package g++') : error);
    });
    child.on('close', (code) => (code === 0 ? resolve(text) : reject(new Error(text))));
  });
}

function explain(error) {
  const header = Object.keys(systemHeaders).find((name) => error.message.includes(`${name}: No such file`));
  if (header) return `the header ${header} is missing: install the package ${systemHeaders[header]}`;
  const library = libraries.find((name) => error.message.includes(`cannot find -l${name}`));
  return library
    ? `lib${library} is missing: install the package lib${library === 'crypto' ? 'ssl' : library}-dev`
    : error.message;
}

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

/** Written beside and renamed: two builds at once leave one whole file. */
async function produce(path, args) {
  const temporary = `${path}.${process.pid}`;
  try {
    await compile([...args, '-o', temporary]);
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Each is one file with the headers beside it; an old one is built anew when any of these or this one is newer. */
async function buildPrograms() {
  const directory = join(here, 'programs');
  const files = readdirSync(directory);
  const shared = files.filter((name) => name.endsWith('.h')).map((name) => modified(join(directory, name)));
  const age = (name) => modified(join(out, basename(name, '.cc')));
  const newest = (name) =>
    Math.max(modified(join(directory, name)), modified(fileURLToPath(import.meta.url)), ...shared);
  const stale = files.filter((name) => name.endsWith('.cc') && age(name) < newest(name));
  for (const name of stale)
    await produce(join(out, basename(name, '.cc')), [...programFlags, join(directory, name)]);
}

async function build() {
  mkdirSync(out, { recursive: true });
  await buildPrograms();
  const options = flags();
  const stamp = join(out, 'flags');
  const used = JSON.stringify([options, process.arch]);
  const sameFlags = existsSync(stamp) && readFileSync(stamp, 'utf8') === used;
  const files = readdirSync(here);
  const sources = files.filter((name) => name.endsWith('.cc')).sort();
  const newestHeader = Math.max(
    ...files.filter((name) => name.endsWith('.h')).map((name) => modified(join(here, name))),
  );

  const objects = sources.map((name) => join(out, `${basename(name, '.cc')}.o`));
  const stale = sources.filter((name, i) => {
    const built = modified(objects[i]);
    return !sameFlags || built < modified(join(here, name)) || built < newestHeader;
  });
  const waiting = [...stale];
  const work = async () => {
    for (let name = waiting.shift(); name; name = waiting.shift()) {
      await produce(join(out, `${basename(name, '.cc')}.o`), [...options, '-c', join(here, name)]);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  if (stale.length > 0 || objects.some((object) => modified(object) > modified(addon))) {
    await produce(addon, ['-shared', '-pthread', ...objects, ...libraries.map((name) => `-l${name}`)]);
  }
  if (!sameFlags) writeFileSync(stamp, used);
}

try {
  await build();
} catch (error) {
  console.error(`native: ${explain(error)}`);
  process.exitCode = 1;
}
