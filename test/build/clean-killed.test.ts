/** A cleaning that is killed at any moment, and one that another process does while a build runs. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openBuilderStore } from '../../src/build/builder-store.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { TestBuilder } from '../support/builder.js';

const root = resolve(import.meta.dirname, '../..');
const LINES = [
  'FROM busybox AS first',
  'WORKDIR /w',
  'COPY a b /w/',
  'RUN cat a b > c && touch -d @0 c .',
  'FROM busybox',
  'COPY --from=first /w /w',
  'RUN cp /w/c /d && touch -d @0 /d',
  '',
];

let builder: TestBuilder;
let compiled: string;
beforeAll(async () => {
  builder = await TestBuilder.start();
  compiled = await mkdtemp(join(tmpdir(), 'clean-victim-'));
  await writeFile(join(compiled, 'package.json'), '{"type":"module"}');
  await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), [
    ...['--ignoreConfig', '--noCheck', '--target', 'es2023', '--module', 'nodenext', '--types', 'node'],
    ...['--rootDir', root, '--outDir', compiled, join(root, 'test/build/clean-victim.ts')],
  ]);
  await symlink(join(root, 'node_modules'), join(compiled, 'node_modules'));
  await symlink(join(root, 'native/build'), join(compiled, 'native/build'));
}, 60_000);
afterAll(async () => {
  await rm(compiled, { recursive: true, force: true });
  await builder?.stop();
});

async function startCleaning(): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [join(compiled, 'test/build/clean-victim.js'), builder.store.directory],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: root,
    },
  );
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error('it ended'))),
  ]);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

it('leaves whole entries only, whenever it is killed, and builds are right afterwards', async () => {
  const commit = await builder.commit({ Dockerfile: LINES.join('\n'), a: '1', b: '2' });
  const { image } = await builder.build(commit, { noCache: true });
  for (const waitMs of [0, 2, 10, 50, 200]) {
    const child = await startCleaning();
    await new Promise((done) => setTimeout(done, waitMs));
    await kill(child);
    const store = await openBuilderStore(builder.store.directory, DEFAULT_LIMITS);
    for (const part of ['layers', 'blobs'])
      expect(await readdir(join(store.directory, part, 'tmp'))).toEqual([]);
    const built = await builder.build(commit, { store });
    expect(built.image.digest).toBe(image.digest);
    for (const layer of built.image.layers) await built.bases.blob(layer);
    await store.layers.layout(built.image.layers);
  }
}, 60_000);

it('never takes what a build of another process uses', async () => {
  const child = await startCleaning();
  try {
    for (const a of ['1', '2', '3']) {
      const commit = await builder.commit({ Dockerfile: LINES.join('\n'), a, b: '2' });
      const built = await builder.build(commit);
      const clean = await builder.build(commit, { noCache: true });
      expect(built.image.digest).toBe(clean.image.digest);
    }
    expect(child.exitCode).toBeNull();
  } finally {
    await kill(child);
  }
}, 60_000);
