/** Which arguments name a git repository rather than a directory: docker's rules. Pure. */

/** `git@host:path`, `ssh://`, `git://`, `github.com/…`, and `http(s)://….git` with an optional `#ref[:dir]`. */
export function isGitUrl(text: string): boolean {
  if (/^(git|ssh):\/\//.test(text) || /^github\.com\/./.test(text)) return true;
  const path = text.split('#')[0]?.split('?')[0] ?? '';
  if (/^https?:\/\//.test(path)) return path.endsWith('.git');
  if (/^file:\/\//.test(path)) return true;
  return /^[a-zA-Z0-9_.-]+@[^:/\s]+:/.test(text);
}
