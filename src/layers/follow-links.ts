/** Following symlinks inside a root, wherever the tree is: on disk, in a stack of lay-outs, or only planned. */

/** As many as Linux allows (path_resolution(7)). */
const MAX_LINKS = 40;

/**
 * The path without symlinks that `path` leads to, relative to the root, which nothing leaves. What does not exist is kept
 * as it is. `targetOf` gives the target of the symlink at exactly a relative path, undefined where there is none. Throws
 * what `tooMany` makes after 40 symlinks.
 */
export async function followLinks(
  path: string,
  targetOf: (path: string) => Promise<string | undefined>,
  tooMany: () => Error,
): Promise<string> {
  const left = parts(path);
  let at: string[] = [];
  let links = 0;
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    if (part === '..') {
      at.pop();
      continue;
    }
    const target = await targetOf([...at, part].join('/'));
    if (target === undefined) {
      at.push(part);
      continue;
    }
    if (++links > MAX_LINKS) throw tooMany();
    if (target.startsWith('/')) at = [];
    left.unshift(...parts(target));
  }
  return at.join('/');
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
