/** A bare repository for commits of given files, made quickly: for tests that need many of them. */
import { execFileSync } from 'node:child_process';
import type { ContextSource } from '../../src/build/context/git-tree.js';
import { Git } from '../../src/git/git.js';
import { ObjectReader } from '../../src/git/objects.js';
import { temporaryDirectory } from './directories.js';

export type Mode = '100644' | '100755' | '120000' | '160000';
/** By path; the text of a submodule does not matter. */
export type GitFiles = ReadonlyMap<string, { readonly mode: Mode; readonly text: string }>;

export class GitTrees {
  readonly gitDir: string;
  readonly objects: ObjectReader;
  readonly source: ContextSource;

  private constructor(gitDir: string) {
    this.gitDir = gitDir;
    this.objects = new ObjectReader(gitDir);
    this.source = { git: new Git(), gitDir, objects: this.objects };
  }

  static async open(): Promise<GitTrees> {
    const gitDir = await temporaryDirectory();
    execFileSync('git', ['init', '--bare', '--quiet', gitDir]);
    return new GitTrees(gitDir);
  }

  close(): void {
    this.objects.close();
  }

  /** The id of a commit of these files, or of its tree. */
  add(files: GitFiles, what: 'commit' | 'tree'): string {
    const changes = [...files].map(([path, { mode, text }]) =>
      mode === '160000'
        ? `M 160000 ${'1'.repeat(40)} ${path}\n`
        : `M ${mode} inline ${path}\ndata ${Buffer.byteLength(text)}\n${text}\n`,
    );
    const commit = `commit refs/heads/x\ncommitter t <t@example.com> 0 +0000\ndata 0\ndeleteall\n${changes.join('')}\n`;
    this.#git(['fast-import', '--quiet', '--force'], commit);
    return this.#git(['rev-parse', `refs/heads/x^{${what}}`]);
  }

  #git(args: readonly string[], input?: string): string {
    return execFileSync('git', [`--git-dir=${this.gitDir}`, ...args], { input, encoding: 'utf8' }).trim();
  }
}

/** Where one path is a directory of another, the later one of them is dropped. */
export function withoutClashes<T>(pairs: readonly (readonly [string, T])[]): Map<string, T> {
  const kept = new Map<string, T>();
  for (const [at, content] of pairs) {
    const clashes = [...kept.keys()].some(
      (other) => other.startsWith(`${at}/`) || at.startsWith(`${other}/`),
    );
    if (!clashes) kept.set(at, content);
  }
  return kept;
}
