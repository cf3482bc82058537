/**
 * What `--parents` and `--exclude` leave of a directory that is copied: patterns as in an ignore file, relative to the
 * directory. A directory that only leads to something that is copied stays, as `implied`.
 */
import { type IgnoreMatcher, parsePatterns } from '../../dockerfile/ignore.js';
import { hasWildcard, type PathSelector, parentPath, splitWildcard } from './copy-source.js';

/** A selector taken apart: which directory is looked at, and what of it is wanted. */
export interface PathFilter {
  /** The directory that is copied, or the path itself without `--parents`. May hold wildcards. */
  readonly from: string;
  /** With `--parents`: what is wanted below `from`; absent: all of it. */
  readonly wanted?: string;
  /** Nothing was asked to be left out. */
  readonly takesAll: boolean;
  /** `path` is relative to the directory that is copied. */
  takes(path: string): boolean;
}

/** Throws `dockerfile_invalid` for a malformed pattern. */
export function pathFilter({ path, pivot = '', parents, exclude }: PathSelector): PathFilter {
  const wanted = parents && path !== '.' ? withoutPivot(path, pivot) : '';
  // A leading ! would be an exception; here it is part of a name.
  const included = wanted === '' ? undefined : parsePatterns([wanted.replace(/^!/, '\\!')], '--parents');
  const excluded = exclude.length === 0 ? undefined : parsePatterns(exclude, '--exclude');
  return {
    from: parents ? pivot : path,
    ...(wanted === '' ? {} : { wanted }),
    takesAll: included === undefined && excluded === undefined,
    takes: (at) => matches(included, at, true) && !matches(excluded, at, false),
  };
}

/** A path without wildcards must be there. */
export function isLiteral({ from, wanted = '' }: PathFilter): boolean {
  return !hasWildcard(from) && !hasWildcard(wanted);
}

/** A file that a wildcard found: `--exclude` leaves it out by its name, or by its path below what is written without wildcards. */
export function isExcluded(filter: PathFilter, path: string, pattern: string): boolean {
  if (filter.wanted !== undefined) return false;
  const { literal } = splitWildcard(pattern);
  const below = literal === '' ? path : path.slice(literal.length + 1);
  return !filter.takes(below) || !filter.takes(path.slice(path.lastIndexOf('/') + 1));
}

/** Of entries in tree order. `pathOf` is relative to the directory that is copied, which itself stays. */
export function filtered<T extends { readonly path: string; readonly type: string }>(
  entries: readonly T[],
  filter: PathFilter,
  pathOf: (entry: T) => string = ({ path }) => path,
): readonly (T & { readonly implied?: true })[] {
  if (filter.takesAll) return entries;
  const kept: (T & { readonly implied?: true })[] = [];
  const waiting = new Map<string, T>();
  const keepAbove = (path: string): void => {
    const above = parentPath(path);
    const directory = waiting.get(above);
    if (directory === undefined) return;
    waiting.delete(above);
    keepAbove(above);
    kept.push({ ...directory, implied: true });
  };
  for (const entry of entries) {
    const path = pathOf(entry);
    if (path === '') kept.push(entry);
    else if (filter.takes(path)) {
      keepAbove(path);
      kept.push(entry);
    } else if (entry.type === 'directory') waiting.set(path, entry);
  }
  return kept;
}

function withoutPivot(path: string, pivot: string): string {
  if (pivot === '') return path;
  return path === pivot ? '' : path.slice(pivot.length + 1);
}

function matches(matcher: IgnoreMatcher | undefined, path: string, otherwise: boolean): boolean {
  return matcher === undefined ? otherwise : matcher.ignores(path);
}
