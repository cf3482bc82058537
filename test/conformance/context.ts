/** Writes the files of a case to a directory, with the modes, links and special files that it names. */
import { execFileSync } from 'node:child_process';
import { chmod, link, lutimes, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Case, FileSpec } from './case.js';

/** All files and directories get this time, in seconds: it is compared nowhere, but differs from now. */
const TIME = 1_234_567_890;

export interface CaseContext {
  /** What is built. */
  readonly directory: string;
  /** Relative to it. */
  readonly dockerfile: string;
  /** By secret id, the file that holds it. */
  readonly secrets: ReadonlyMap<string, string>;
  /** By name: a directory, or `docker-image://…`. */
  readonly contexts: ReadonlyMap<string, string>;
}

/** `home` is a new empty directory. `registry` is what `REGISTRY/` stands for. */
export async function writeContext(home: string, registry: string, one: Case): Promise<CaseContext> {
  const directory = join(home, 'context');
  const dockerfile = one.options?.file ?? 'Dockerfile';
  const name = (text: string): string => text.replaceAll('REGISTRY/', `${registry}/`);
  const text = typeof one.dockerfile === 'string' ? name(one.dockerfile) : one.dockerfile;
  await writeFiles(directory, { ...one.files, [dockerfile]: text });
  const secrets = new Map<string, string>();
  for (const [id, value] of Object.entries(one.options?.secrets ?? {})) {
    const path = join(home, `secret-${id}`);
    await writeFile(path, value);
    secrets.set(id, path);
  }
  const contexts = new Map<string, string>();
  for (const [id, given] of Object.entries(one.options?.contexts ?? {})) {
    if (isImage(given)) {
      contexts.set(id, `docker-image://${name(given.image)}`);
      continue;
    }
    const path = join(home, `context-${id}`);
    await writeFiles(path, given);
    contexts.set(id, path);
  }
  return { directory, dockerfile, secrets, contexts };
}

function isImage(given: object): given is { image: string } {
  return Object.keys(given).join() === 'image' && typeof (given as { image: unknown }).image === 'string';
}

async function writeFiles(directory: string, files: Readonly<Record<string, FileSpec>>): Promise<void> {
  await mkdir(directory, { recursive: true });
  const directories = new Map<string, number>();
  const paths = Object.keys(files);
  for (const [path, spec] of Object.entries(files)) {
    const at = join(directory, path);
    await mkdir(dirname(at), { recursive: true });
    await writeOne(directory, at, spec);
    if (typeof spec === 'object' && 'directory' in spec) directories.set(at, spec.directory);
  }
  for (const [at, mode] of directories) await chmod(at, mode);
  for (const path of [...paths, ...paths.map((one) => dirname(one))]) {
    await lutimes(join(directory, path), TIME, TIME);
  }
}

async function writeOne(root: string, at: string, spec: FileSpec): Promise<void> {
  if (typeof spec === 'string' || spec instanceof Uint8Array) return writeMode(at, spec, 0o644);
  if ('text' in spec) return writeMode(at, spec.text, spec.mode ?? 0o644);
  if ('link' in spec) return symlink(spec.link, at);
  if ('hardlink' in spec) return link(join(root, spec.hardlink), at);
  if ('directory' in spec) {
    await mkdir(at, { recursive: true });
    return;
  }
  execFileSync('mkfifo', [at]);
  await chmod(at, spec.fifo);
}

async function writeMode(at: string, text: string | Uint8Array, mode: number): Promise<void> {
  await writeFile(at, text);
  await chmod(at, mode);
}
