/** Which arguments name a git repository rather than a directory: docker's rules, and `PATH#REF` for one on this machine. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** `git@host:path`, `ssh://`, `git://`, `file://`, `github.com/…`, `http(s)://….git`, each with an optional `#REF[:DIR]`. */
export function isGitUrl(text: string, directory: string): boolean {
  if (/^(git|ssh|file):\/\//.test(text) || /^github\.com\/./.test(text)) return true;
  const [path = '', fragment] = text.split(/#(.*)/s);
  if (/^https?:\/\//.test(path)) return (path.split('?')[0] ?? '').endsWith('.git');
  if (/^[a-zA-Z0-9_.-]+@[^:/\s]+:/.test(path)) return true;
  return fragment !== undefined && !existsSync(resolve(directory, text));
}
