/** ADD of a git repository: the files of a commit, with its submodules. What is the same tree is the same step. */
import { parseIgnore } from '../../dockerfile/ignore.js';
import type { GitSource } from '../../dockerfile/types.js';
import { SlipwayError } from '../../errors.js';
import type { ContextLimits } from '../context/context-limits.js';
import type { GitRemotes } from '../context/git-remotes.js';
import { openGitContext } from '../context/git-url-context.js';
import type { CopySource } from '../copy/copy-source.js';

/** No ignore file counts here. Throws `context_invalid`, `forbidden`, `source_missing` or `context_too_large`. */
export async function openGitSource(
  git: GitSource,
  remotes: GitRemotes,
  limits: ContextLimits,
  signal: AbortSignal,
): Promise<CopySource> {
  if (git.keepGitDir) {
    throw new SlipwayError('dockerfile_unsupported', 'ADD --keep-git-dir is not supported', {
      hint: 'leave it out: the files of the commit are added without .git; clone in a RUN where history is needed',
    });
  }
  const context = await openGitContext(git, remotes, limits, signal);
  return context.source(parseIgnore(''), '.dockerignore', signal);
}
