/** Commits in bare repositories, made with git itself. */
import { Git } from '../../src/git/git.js';

export const git: Git = new Git();

/** A commit of one file, on no branch; returns its id. */
export async function commitFile(
  gitDir: string,
  path: string,
  content: string,
  message = 'a change',
): Promise<string> {
  return commitFiles(gitDir, { [path]: content }, message);
}

/** As `commitFile`, of several files; all at the root. */
export async function commitFiles(
  gitDir: string,
  files: Readonly<Record<string, string>>,
  message = 'a change',
): Promise<string> {
  const lines: string[] = [];
  for (const [path, content] of Object.entries(files)) {
    const blob = await git.text(['hash-object', '-w', '--stdin'], { gitDir, input: content });
    lines.push(`100644 blob ${blob}\t${path}\n`);
  }
  const tree = await git.text(['mktree'], { gitDir, input: lines.join('') });
  const who = {
    GIT_AUTHOR_NAME: 'alice',
    GIT_AUTHOR_EMAIL: 'alice',
    GIT_COMMITTER_NAME: 'alice',
    GIT_COMMITTER_EMAIL: 'a',
  };
  return git.text(['commit-tree', tree, '-m', message], { gitDir, env: who });
}
