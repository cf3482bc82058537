/**
 * The `.git` of a commit, for those who keep it: what a clone of that one commit has, without its times, so that the same
 * commit gives the same bytes. HEAD is detached at the commit, as BuildKit has it; the index is that of the commit.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { removeTree } from '../../../native/index.js';
import { hashOf } from '../cache/keys.js';
import { parentPath } from '../copy/copy-source.js';
import type { ContextEntry } from './context.js';
import { shownRemote } from './git-address.js';
import type { ContextSource, FileContent, Special } from './git-tree.js';

export interface GitDirectory {
  /** Names all that is in it. */
  readonly oid: string;
  /** `.git`, and what is in it, each directory directly before that. */
  readonly entries: readonly ContextEntry[];
  readonly specials: ReadonlyMap<string, Special>;
}

const TIMEOUT_MS = 10 * 60_000;
/** The ids of a commit's objects. */
const IDS_BYTES = 1024 ** 3;
const SHA256_DIGITS = 64;

/** `name` is the branch or tag (`refs/…`) that the commit was asked for by. */
export async function gitDirectory(
  commit: string,
  source: ContextSource,
  name?: string,
  signal?: AbortSignal,
): Promise<GitDirectory> {
  const files = new Map<string, string | { readonly path: string }>();
  files.set('HEAD', `${commit}\n`);
  files.set('config', configOf(commit, source.remote));
  const made = await madeFiles(commit, source, signal);
  files.set('index', { path: join(made, 'index') });
  for (const file of await readdir(made))
    if (file.startsWith('pack-')) files.set(`objects/pack/${file}`, { path: join(made, file) });
  if (name !== undefined && /^refs\/(heads|tags)\//.test(name)) files.set(name, `${commit}\n`);
  if (await hasParents(commit, source)) files.set('shallow', `${commit}\n`);
  const remote = source.remote === undefined ? '' : shownRemote(source.remote);
  return laidOut(hashOf(['a git directory', 1, commit, remote, name ?? '']), files);
}

async function laidOut(
  id: string,
  files: ReadonlyMap<string, string | { readonly path: string }>,
): Promise<GitDirectory> {
  const entries: ContextEntry[] = [];
  const specials = new Map<string, Special>();
  const directories = new Set(['', 'objects', 'refs', 'refs/heads', 'refs/tags']);
  for (const path of files.keys())
    for (let at = parentPath(path); at !== ''; at = parentPath(at)) directories.add(at);
  for (const path of [...directories, ...files.keys()].sort()) {
    const file = files.get(path);
    const full = path === '' ? '.git' : `.git/${path}`;
    const oid = `${id} ${path}`;
    if (file === undefined) {
      entries.push({ path: full, type: 'directory', mode: 0o755, oid, sizeBytes: 0 });
      continue;
    }
    const sizeBytes = typeof file === 'string' ? Buffer.byteLength(file) : (await stat(file.path)).size;
    entries.push({ path: full, type: 'file', mode: 0o644, oid, sizeBytes });
    specials.set(full, {
      read: () =>
        typeof file === 'string' ? Promise.resolve({ data: Buffer.from(file) }) : onDisk(file.path),
    });
  }
  return { oid: id, entries, specials };
}

async function onDisk(file: string): Promise<FileContent> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return { file, sha256: hash.digest('hex') };
}

/** The pack and the index: made once for a repository, beside its objects. Returns their directory. */
async function madeFiles(
  commit: string,
  { git, gitDir }: ContextSource,
  signal?: AbortSignal,
): Promise<string> {
  const place = join(gitDir, `slipway-kept-${commit}`);
  if ((await stat(place).catch(() => undefined)) !== undefined) return place;
  const temporary = `${place}.${randomBytes(6).toString('hex')}`;
  const call = { gitDir, timeoutMs: TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
  await mkdir(temporary);
  try {
    const listing = ['rev-list', '--objects', '--no-walk', '--no-object-names', '--end-of-options', commit];
    const ids = await git.run(listing, { ...call, maxOutputBytes: IDS_BYTES });
    // Nothing of how this repository happens to hold its objects: no deltas, nothing that is already compressed.
    const packing = [
      ...['-c', 'pack.writeReverseIndex=false', '-c', 'pack.indexVersion=2'],
      ...['pack-objects', '--quiet', '--threads=1', '--window=0', '--compression=6'],
      ...['--no-reuse-delta', '--no-reuse-object', join(temporary, 'pack')],
    ];
    await git.run(packing, { ...call, input: ids });
    const index = { GIT_INDEX_FILE: join(temporary, 'index') };
    await git.run(['-c', 'index.version=2', 'read-tree', commit], { ...call, env: index });
    await rename(temporary, place).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await removeTree(temporary);
  }
  return place;
}

/** What the commit itself says: the repository that holds it may have been fetched without its history. */
async function hasParents(commit: string, { git, gitDir }: ContextSource): Promise<boolean> {
  const text = await git.text(['cat-file', 'commit', commit], { gitDir });
  return /^parent /m.test(text.split('\n\n', 1)[0] ?? '');
}

/** A repository of the machine that builds is not named: the image would say where it was built. */
function configOf(commit: string, remote: string | undefined): string {
  const isSha256 = commit.length === SHA256_DIGITS;
  const lines = [
    '[core]',
    `\trepositoryformatversion = ${isSha256 ? 1 : 0}`,
    '\tfilemode = true',
    '\tbare = false',
    ...(isSha256 ? ['[extensions]', '\tobjectformat = sha256'] : []),
  ];
  if (remote !== undefined && !remote.startsWith('file://')) {
    const url = shownRemote(remote).replace(/[\\"]/g, '\\$&');
    lines.push('[remote "origin"]', `\turl = "${url}"`, '\tfetch = +refs/heads/*:refs/remotes/origin/*');
  }
  return `${lines.join('\n')}\n`;
}
