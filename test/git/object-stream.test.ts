import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type LayerEntry, openLayerWriter, type WrittenLayer } from '../../native/index.js';
import { Git } from '../../src/git/git.js';
import { type ObjectStream, openObjectStream } from '../../src/git/object-stream.js';
import { temporaryDirectory } from '../support/directories.js';
import { bareRepository, writeObject } from './support/repositories.js';

const git = new Git();
const common = { type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: 1 } as const;

async function layer(entries: readonly LayerEntry[]): Promise<WrittenLayer> {
  const writer = openLayerWriter({ path: join(await temporaryDirectory(), 'layer'), compression: 'none' });
  try {
    // In two batches: the stream goes on where the first ended.
    await writer.write(entries.slice(0, 3));
    await writer.write(entries.slice(3));
    return await writer.finish();
  } finally {
    await writer.abort();
  }
}

const fromGit = (stream: ObjectStream, oids: readonly string[]): LayerEntry[] =>
  oids.map((oid, i) => ({ path: `f${i}`, object: { pipe: stream.pipe, oid }, ...common }));

const never = (): AbortSignal => new AbortController().signal;

/** Ids of the processes that this one started. */
function children(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(`) S ${process.pid} `);
      } catch {
        return false;
      }
    })
    .map(Number);
}

test('blobs of any size come into a layer in the order of the questions, the same one twice', async () => {
  const gitDir = await bareRepository();
  const sizes = [0, 1, 17, 65_536, 262_143, 262_144, 262_145, 3_000_000, 512 * 1024 - 512, 0];
  const contents = sizes.map((size) => randomBytes(size));
  const written = await Promise.all(contents.map((data) => writeObject(gitDir, 'blob', data)));
  const oids = [...written, ...written.slice().reverse()];
  await using stream = openObjectStream({ git, gitDir }, oids, never());
  const bytes = [...contents, ...contents.slice().reverse()];
  const plain = bytes.map((data, i): LayerEntry => ({ path: `f${i}`, data, ...common }));
  expect(await layer(fromGit(stream, oids))).toEqual(await layer(plain));
});

test('an object that is missing, of another type, or another than was asked for is refused by name', async () => {
  const gitDir = await bareRepository();
  const blob = await writeObject(gitDir, 'blob', 'hello');
  const other = await writeObject(gitDir, 'blob', 'other');
  const tree = await writeObject(gitDir, 'tree', Buffer.alloc(0));
  const missing = 'e'.repeat(40);
  const cases = [
    { asked: [blob, missing], wanted: [blob, missing], code: 'not_found', message: missing },
    { asked: [blob, tree], wanted: [blob, tree], code: 'unavailable', message: `${tree} tree 0` },
    { asked: [blob, other], wanted: [blob, blob], code: 'unavailable', message: `${other} blob 5` },
    { asked: [blob], wanted: [blob, other], code: 'unavailable', message: 'git ended early' },
  ];
  for (const { asked, wanted, code, message } of cases) {
    await using stream = openObjectStream({ git, gitDir }, asked, never());
    const error = await layer(fromGit(stream, wanted)).then(
      () => undefined,
      (thrown: unknown) => stream.failure(thrown),
    );
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
  }
});

test('no repository and no git are told apart from a missing object', async () => {
  for (const source of [
    { git, gitDir: '/nonexistent.git' },
    { git: new Git('/nonexistent/git'), gitDir: await bareRepository() },
  ]) {
    await using stream = openObjectStream(source, ['e'.repeat(40)], never());
    const error = await layer(fromGit(stream, ['e'.repeat(40)])).catch((thrown) => stream.failure(thrown));
    expect(error).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/not a git repository|cannot start git/i),
    });
  }
});

test('an abort ends git and the layer, with its own reason; nothing is left running or open', async () => {
  const gitDir = await bareRepository();
  const blob = await writeObject(gitDir, 'blob', randomBytes(8_000_000));
  const before = children();
  const held = readdirSync('/proc/self/fd').length;
  const abort = new AbortController();
  {
    // More is asked for than anybody takes: git waits with a full pipe.
    await using stream = openObjectStream({ git, gitDir }, [blob, blob], abort.signal);
    const { pipe } = stream;
    const writing = layer([
      { path: 'a', object: { pipe, oid: blob }, ...common },
      // Never asked for: the writer waits until git has ended.
      ...[1, 2].map((i): LayerEntry => ({ path: `b${i}`, object: { pipe, oid: blob }, ...common })),
    ]);
    setTimeout(() => abort.abort(new Error('enough')), 1);
    const error = await writing.catch((thrown) => stream.failure(thrown));
    expect(error).toMatchObject({ message: 'enough' });
  }
  expect(children()).toEqual(before);
  expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(held);
  expect(() => openObjectStream({ git, gitDir }, [blob], abort.signal)).toThrow('enough');
});
