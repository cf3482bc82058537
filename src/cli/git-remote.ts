/** The git side of the user's working copy: which app its remote names, and setting the remote up. */
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

export interface WorkingCopy {
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
}

/** git in the user's directory; undefined when it fails, for example outside of a repository. */
async function git({ directory, env }: WorkingCopy, args: readonly string[]): Promise<string | undefined> {
  // Most commands start no process: they need not wait for this module.
  const { execFile } = await import('node:child_process');
  try {
    return (await promisify(execFile)('git', [...args], { cwd: directory, env, timeout: 10_000 })).stdout;
  } catch {
    return undefined;
  }
}

/** The app that a remote of this repository names, the remote `slipway` first. */
export async function appOfRemote(here: WorkingCopy, platformUrl: string): Promise<string | undefined> {
  const listed = (await git(here, ['config', '--get-regexp', '^remote\\..*\\.url$'])) ?? '';
  const remotes = listed
    .split('\n')
    .map((line) => /^remote\.(.+)\.url (.+)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, name = '', url = '']) => ({ name, app: appOfUrl(url, platformUrl) }))
    .filter((remote) => remote.app !== undefined);
  return (remotes.find((remote) => remote.name === 'slipway') ?? remotes[0])?.app;
}

/**
 * `http://host/git/hello.git` or `ssh://git@host:2222/hello` → `hello`, when it is on that platform. User names in the URL do not matter,
 * nor does the port of SSH, which the platform's URL does not say.
 */
export function appOfUrl(url: string, platformUrl: string): string | undefined {
  if (url.startsWith('ssh://') && URL.canParse(url)) {
    const { hostname, pathname } = new URL(url);
    if (hostname !== new URL(platformUrl).hostname) return undefined;
    return /^\/([a-z0-9-]+?)(\.git)?\/?$/.exec(pathname)?.[1];
  }
  const bare = url.replace(/^(https?:\/\/)[^/@]*@/, '$1');
  const prefix = `${platformUrl.replace(/\/+$/, '')}/git/`;
  if (!bare.startsWith(prefix)) return undefined;
  return /^([a-z0-9-]+?)(\.git)?\/?$/.exec(bare.slice(prefix.length))?.[1];
}

/**
 * Adds the remote `slipway` to the repository here, with this CLI as its credential helper, so that `git push slipway`
 * asks for nothing. `helper` is the program that answers in its place where that needs no thought, if it was built. False when
 * there is no repository here or it has such a remote already.
 */
export async function addRemote(
  here: WorkingCopy,
  gitUrl: string,
  platformUrl: string,
  launcher: string,
  helper: string,
): Promise<boolean> {
  if ((await git(here, ['rev-parse', '--git-dir'])) === undefined) return false;
  if ((await git(here, ['remote', 'add', '--', 'slipway', gitUrl])) === undefined) return false;
  const command = existsSync(helper)
    ? `${quoted(helper)} ${quoted(launcher)}`
    : `${quoted(launcher)} git:credential`;
  // git takes a path by itself for a program, and hands everything else to the user's own shell (gitcredentials(7)).
  const value = command.startsWith('/') ? command : `!${command}`;
  await git(here, ['config', '--local', `credential.${platformUrl}.helper`, value]);
  return true;
}

function quoted(path: string): string {
  return /^[A-Za-z0-9/._-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
