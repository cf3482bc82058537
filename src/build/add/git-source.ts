/** ADD of a git repository: the files of a commit, with its submodules. What is the same tree is the same step. */
import { parseIgnore } from '../../dockerfile/ignore.js';
import type { GitSource } from '../../dockerfile/step.js';
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
  const context = await openGitContext(git, remotes, limits, signal);
  return context.source(parseIgnore(''), '.dockerignore', signal);
}
