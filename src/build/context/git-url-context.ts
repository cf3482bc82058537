/** A git repository named on a command line, as a build context: `https://host/x.git#ref:directory`, `./x.git#HEAD`. */
import { resolve } from 'node:path';
import { BadGitUrl, parseGitUrl } from '../../dockerfile/git-url.js';
import type { GitSource } from '../../dockerfile/step.js';
import { SlipwayError } from '../../errors.js';
import type { BuildContext } from './context.js';
import type { ContextLimits } from './context-limits.js';
import { GitContext } from './git-context.js';
import type { GitRemotes } from './git-remotes.js';

/** A repository of this machine is a path or a file:// URL; `github.com/…` is short for its https URL. Throws `context_invalid`. */
export function parseGitContext(text: string, workingDirectory: string = process.cwd()): GitSource {
  const full = /^github\.com\/./.test(text)
    ? `https://${text.replace(/^([^#]*?)(?:\.git)?(#|$)/, '$1.git$2')}`
    : text;
  try {
    const known = parseGitUrl(full);
    if (known !== undefined) return known;
  } catch (error) {
    if (!(error instanceof BadGitUrl)) throw error;
    throw new SlipwayError('context_invalid', `${text}: ${error.message}`, { cause: error });
  }
  const [path = '', fragment = ''] = full.split(/#(.*)/s);
  const [ref = '', subdirectory = ''] = fragment.split(/:(.*)/s);
  const remote = path.startsWith('file://') ? path : `file://${resolve(workingDirectory, path)}`;
  return {
    remote,
    ...(ref === '' ? {} : { ref }),
    ...(subdirectory === '' ? {} : { subdirectory }),
    submodules: true,
  };
}

/** Fetches the commit and opens its tree. Throws `context_invalid` or `context_too_large`. */
export async function openGitContext(
  source: GitSource,
  remotes: GitRemotes,
  limits: ContextLimits,
  signal: AbortSignal,
): Promise<BuildContext> {
  const { commit, name, source: repository } = await remotes.fetch(source, signal);
  return GitContext.open(commit, repository, limits, signal, {
    ...(source.subdirectory === undefined ? {} : { subdirectory: source.subdirectory }),
    ...(source.submodules ? { submodules: remotes } : {}),
    ...(source.keepGitDir ? { keepGitDirectory: name === undefined ? {} : { name } } : {}),
  });
}
