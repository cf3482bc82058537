/** Temporary directories, work trees and hand-made git objects for the tests of this room. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { Git } from '../../../src/git/git.js';

export const git: Git = new Git();
const run = promisify(execFile);

export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'slipway-git-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

export async function bareRepository(): Promise<string> {
  const path = join(await temporaryDirectory(), 'repo.git');
  await git.run(['init', '--quiet', '--bare', '--template=', path]);
  return path;
}

/** Writes any bytes as an object, valid or not. Returns its id. */
export function writeObject(gitDir: string, type: string, data: string | Uint8Array): Promise<string> {
  return git.text(['hash-object', '-t', type, '-w', '--stdin', '--literally'], { gitDir, input: data });
}

export function treeBytes(
  entries: readonly { mode: string; name: string | Uint8Array; oid: string }[],
): Buffer {
  return Buffer.concat(
    entries.flatMap(({ mode, name, oid }) => [
      Buffer.from(`${mode} `),
      Buffer.from(name as string),
      Buffer.from([0]),
      Buffer.from(oid, 'hex'),
    ]),
  );
}

export const AUTHOR = {
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
};

export function writeCommit(
  gitDir: string,
  tree: string,
  parents: readonly string[] = [],
  message = 'a commit',
): Promise<string> {
  const args = ['commit-tree', tree, '-m', message, ...parents.flatMap((parent) => ['-p', parent])];
  return git.text(args, { gitDir, env: AUTHOR });
}

/** A work tree with a real client's git: user settings are not read, but everything else is as users have it. */
export class WorkTree {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(
    files: Record<string, string | Uint8Array> = { Dockerfile: 'FROM scratch\n' },
  ): Promise<WorkTree> {
    const tree = new WorkTree(await temporaryDirectory());
    await tree.git('init', '--quiet', '--initial-branch=main');
    await tree.commit(files);
    return tree;
  }

  async commit(files: Record<string, string | Uint8Array>, message = 'change'): Promise<string> {
    for (const [name, data] of Object.entries(files)) {
      await mkdir(dirname(join(this.path, name)), { recursive: true });
      await writeFile(join(this.path, name), data);
    }
    await this.git('add', '-A');
    await this.git('commit', '--quiet', '--allow-empty', '-m', message);
    return this.git('rev-parse', 'HEAD');
  }

  /** Runs git in the work tree and returns its trimmed output; throws when it exits with anything but 0. */
  async git(...args: string[]): Promise<string> {
    const { stdout } = await run('git', args, { cwd: this.path, env: clientEnvironment() });
    return stdout.trim();
  }
}

export function clientEnvironment(): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    ...AUTHOR,
  };
}
