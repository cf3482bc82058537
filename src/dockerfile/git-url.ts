/**
 * `https://host/repository.git?tag=v1#ref:directory` → GitSource, as BuildKit takes a git URL apart. For ADD, and for
 * whoever takes a repository as a build's context.
 */
import { parseBool } from './mount-options.js';
import type { GitSource } from './step.js';

/** A repository that is written so, but not well: the message says how. */
export class BadGitUrl extends Error {}

const SCP = /^([a-zA-Z0-9_-]+)@([a-zA-Z0-9.-]+):([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;

/** Undefined when the text names no repository (`https://…` without `.git` is a file). Throws BadGitUrl. */
export function parseGitUrl(text: string): GitSource | undefined {
  const scp = SCP.exec(text);
  if (scp !== null) {
    const [, user, host, path, query = '', fragment = ''] = scp;
    return withOptions(`${user}@${host}:${path}`, query, fragment);
  }
  const match = /^(https?|ssh|git):\/\/([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/is.exec(text);
  if (match === null) return undefined;
  const [, scheme = '', rest = '', query = '', fragment = ''] = match;
  const protocol = scheme.toLowerCase();
  if (protocol.startsWith('http') && !rest.replace(/^[^/]*/, '').endsWith('.git')) return undefined;
  return withOptions(`${protocol}://${rest}`, query, decoded(fragment));
}

function withOptions(remote: string, query: string, fragment: string): GitSource {
  const colon = fragment.indexOf(':');
  const options: Options = {
    ref: colon < 0 ? fragment : fragment.slice(0, colon),
    subdirectory: colon < 0 ? '' : fragment.slice(colon + 1),
    checksum: '',
    submodules: true,
  };
  const named = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(query)) {
    if (named.has(key)) throw new BadGitUrl(`${key} is given twice`);
    named.set(key, value);
    apply(options, key, value);
  }
  nameRef(options, 'tag', named.get('tag'));
  nameRef(options, 'branch', named.get('branch'));
  const { ref, subdirectory, checksum, submodules, keepGitDir } = options;
  const wanted = ref || checksum;
  if (/^-|[\0-\x20\x7f]/.test(wanted)) throw new BadGitUrl(`${JSON.stringify(wanted)} cannot be a ref`);
  if (/[\0-\x20\x7f]/.test(remote) || remote.startsWith('-'))
    throw new BadGitUrl('the address holds a blank');
  return {
    remote,
    ...(wanted === '' ? {} : { ref: wanted }),
    ...(subdirectory === '' ? {} : { subdirectory }),
    ...(checksum === '' ? {} : { checksum }),
    submodules,
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
  };
}

interface Options {
  ref: string;
  subdirectory: string;
  checksum: string;
  submodules: boolean;
  keepGitDir?: boolean;
}

function apply(options: Options, key: string, value: string): void {
  const flag = (): boolean => {
    const parsed = value === '' ? true : parseBool(value);
    if (parsed === undefined) throw new BadGitUrl(`${key} must be true or false`);
    return parsed;
  };
  switch (key) {
    case 'ref':
      options.ref = agreed(key, options.ref, value);
      return;
    case 'subdir':
      options.subdirectory = agreed(key, options.subdirectory, value);
      return;
    case 'checksum':
    case 'commit':
      options.checksum = agreed(key, options.checksum, value);
      if (!/^[0-9a-f]{4,64}$/i.test(options.checksum)) throw new BadGitUrl(`${key} is no commit`);
      return;
    case 'submodules':
      options.submodules = flag();
      return;
    case 'keep-git-dir':
      options.keepGitDir = flag();
      return;
    case 'tag':
    case 'branch':
      if (value === '') throw new BadGitUrl(`${key} has no value`);
      return;
    case 'mtime':
      // Files of a commit have one time here, whatever is asked for.
      if (value === 'commit' || value === 'checkout') return;
      throw new BadGitUrl('mtime must be checkout or commit');
    default:
      throw new BadGitUrl(`there is no option ${JSON.stringify(key)}`);
  }
}

function agreed(key: string, before: string, value: string): string {
  if (value === '') throw new BadGitUrl(`${key} has no value`);
  if (before !== '' && before !== value) throw new BadGitUrl(`${key} is both ${before} and ${value}`);
  return value;
}

function nameRef(options: Options, key: 'tag' | 'branch', value: string | undefined): void {
  if (value === undefined) return;
  const ref = `refs/${key === 'tag' ? 'tags' : 'heads'}/${value}`;
  if (options.ref !== '' && options.ref !== ref) throw new BadGitUrl(`${key} and another ref are given`);
  options.ref = ref;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new BadGitUrl('a % stands before what is no code');
  }
}
