/** A directory for one test, gone afterwards with everything mounted in it; and short ways to layers and lay-outs. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { applyLayer, removeTree, type ScannedEntry, scanTree, unmount } from '../../native/index.js';
import { sha256 } from './tar.js';

const made: string[] = [];

export function testDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'slipway-layers-'));
  made.push(path);
  return path;
}

afterEach(async () => {
  for (const path of made.splice(0)) {
    for (const mounted of mountsBelow(path)) await unmount(mounted);
    await removeTree(path);
  }
});

export function mountsBelow(path: string): string[] {
  const table = readFileSync('/proc/self/mountinfo', 'utf8');
  return table
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((mounted) => mounted === path || mounted.startsWith(`${path}/`))
    .reverse();
}

export function subdirectory(parent: string, name: string): string {
  const path = join(parent, name);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Runs a program; throws with its output when it fails. */
export function run(argv: readonly string[], input?: Buffer): string {
  const [program = '', ...args] = argv;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    ...(input ? { input } : {}),
    maxBuffer: 1 << 28,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${argv.join(' ')} failed: ${stderr.toString()}`);
  return stdout.toString();
}

/** A blob in a file, applied to a new directory of `parent`; returns that directory. */
export async function applied(
  parent: string,
  blob: Buffer,
  options: {
    diffId: string;
    digest?: string;
    lowers?: string[];
    maxBytes?: number;
    maxRatio?: number;
    maxEntries?: number;
    freshTimes?: boolean;
    signal?: AbortSignal;
  },
): Promise<string> {
  const target = mkdtempSync(join(parent, 'applied-'));
  const file = `${target}.blob`;
  writeFileSync(file, blob);
  await applyLayer({ blob: file, target, lowers: [], ...options });
  return target;
}

/** Applies an uncompressed archive. */
export function appliedTar(parent: string, archive: Buffer, lowers: string[] = []): Promise<string> {
  return applied(parent, archive, { diffId: sha256(archive), lowers });
}

/** A tree in a form that two trees can be compared in. Directories' times are left out unless asked for. */
export async function picture(root: string, times = true): Promise<Record<string, unknown>> {
  const entries = await scanTree({ root, path: '/', hash: true });
  return Object.fromEntries(
    entries.filter((entry) => entry.path !== '').map((entry) => [entry.path, look(entry, times)]),
  );
}

function look({ path: _, inode: __, xattrs, mtime, ...rest }: ScannedEntry, times: boolean): unknown {
  const attributes = Object.entries(xattrs ?? {}).map(
    ([name, value]) => `${name}=${Buffer.from(value).toString('hex')}`,
  );
  return { ...rest, attributes, ...(times && rest.type !== 'directory' ? { mtime } : {}) };
}

/** What this process holds open at and below a path, of the files there. */
export function openBelow(path: string): string[] {
  const held = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // the descriptor of the listing itself
    }
  });
  return held.filter((target) => target === path || target.startsWith(`${path}/`));
}

export const hasPython: boolean = spawnSync('python3', ['--version']).status === 0;
if (!hasPython) console.log('skipped: comparisons with python3, which is not installed');

/** All extended attributes of a path as `name=value\n`, as the system tar sees them. */
export function attributesOf(path: string): string {
  const argv = ['--xattrs', '--xattrs-include=*', '--no-recursion', '-P', '-cf', '-', path];
  const { stdout } = spawnSync('tar', argv, { maxBuffer: 1 << 28 });
  return [...stdout.toString('latin1').matchAll(/SCHILY\.xattr\.([^=]+=[\s\S]*?\n)/g)]
    .map((match) => match[1])
    .join('');
}

/** Makes files with extended attributes, by way of the system tar. */
export function extract(archive: Buffer, into: string): void {
  run(['tar', '--xattrs', '--xattrs-include=*', '-C', into, '-xpf', '-'], archive);
}
