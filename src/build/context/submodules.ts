/** Where the submodules of a commit are fetched from: .gitmodules, read as git reads it. */
import type { Git } from '../../git/git.js';
import type { ContextSource } from './git-tree.js';

export interface SubmoduleFetcher {
  fetch(
    source: { readonly remote: string; readonly ref: string; readonly from?: string },
    signal: AbortSignal,
  ): Promise<{ readonly source: ContextSource }>;
}

/** Addresses by path; a relative one (`../other.git`) is taken from the address of the repository itself. */
export async function submoduleAddresses(
  commit: string,
  { git, gitDir, remote }: { readonly git: Git; readonly gitDir: string; readonly remote?: string },
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const args = [
    'config',
    '--blob',
    `${commit}:.gitmodules`,
    '-z',
    '--get-regexp',
    '^submodule\\..*\\.(path|url)$',
  ];
  const listed = await git.result(args, { gitDir, ...(signal === undefined ? {} : { signal }) });
  const paths = new Map<string, string>();
  const urls = new Map<string, string>();
  for (const item of listed.exitCode === 0 ? listed.stdout.toString('utf8').split('\0') : []) {
    const [key = '', value = ''] = item.split(/\n(.*)/s);
    const match = /^submodule\.(.*)\.(path|url)$/s.exec(key);
    if (match?.[2] === 'path') paths.set(match[1] ?? '', value.replace(/\/+$/, ''));
    else if (match?.[2] === 'url') urls.set(match[1] ?? '', value);
  }
  const addresses = new Map<string, string>();
  for (const [name, path] of paths) {
    const address = absoluteAddress(urls.get(name), remote);
    if (address !== undefined) addresses.set(path, address);
  }
  return addresses;
}

/**
 * As git resolves it: each `../` takes the last part of the remote away. A repository of this machine is named by one that
 * is itself of this machine alone: what comes from elsewhere must not choose among the files here.
 */
export function absoluteAddress(url: string | undefined, remote: string | undefined): string | undefined {
  const isLocal = remote?.startsWith('file://') ?? false;
  if (url?.startsWith('/')) return isLocal ? `file://${url}` : undefined;
  if (url?.startsWith('file://')) return isLocal ? url : undefined;
  if (url === undefined || !/^\.\.?\//.test(url)) return url;
  let base = remote?.replace(/\/+$/, '');
  let rest = url;
  for (let step = /^\.\.?\//.exec(rest); step !== null && base !== undefined; step = /^\.\.?\//.exec(rest)) {
    rest = rest.slice(step[0].length);
    if (step[0] === './') continue;
    const cut = Math.max(base.lastIndexOf('/'), base.lastIndexOf(':'));
    // Nothing is above the host.
    base =
      cut <= base.indexOf('://') + 2 && base.includes('://')
        ? undefined
        : base.slice(0, cut + (base[cut] === ':' ? 1 : 0));
  }
  if (base === undefined) return undefined;
  return base.endsWith(':') ? `${base}${rest}` : `${base}/${rest}`;
}
