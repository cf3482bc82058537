/** A mirror of a platform's repositories: what is found in a directory, and its state as it says itself. Nothing is written there. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno, SlipwayError } from '../errors.js';
import { isAppName } from '../model/app.js';

export interface Mirror {
  /** Where `<app>.git` are. */
  readonly apps: string;
  readonly names: readonly string[];
  readonly platform: string | undefined;
  /** Beside the repositories, where the mirror is a copy of a home. */
  readonly secretKey: string | undefined;
  readonly platformId: string | undefined;
  readonly record: string | undefined;
  /** What opens the hosts. */
  readonly hosts: string | undefined;
  /** What the platform is known by over SSH. */
  readonly ssh: string | undefined;
}

/** `git/apps` and `git/platform.git` below the directory, as in a home, or `apps` and `platform.git`. Throws `not_found`. */
export async function findMirror(directory: string): Promise<Mirror> {
  for (const root of [join(directory, 'git'), directory]) {
    const apps = join(root, 'apps');
    const names = await directoriesIn(apps);
    const platform = await ifThere(join(root, 'platform.git'));
    if (names === undefined && platform === undefined) continue;
    return {
      apps,
      names: (names ?? [])
        .map((name) => (name.endsWith('.git') ? name.slice(0, -4) : ''))
        .filter(isAppName)
        .sort(),
      platform,
      secretKey: await ifThere(join(directory, 'secret.key')),
      platformId: await ifThere(join(directory, 'platform.id')),
      record: await ifThere(join(directory, 'platform.json')),
      hosts: await ifThere(join(directory, 'hosts')),
      ssh: await ifThere(join(directory, 'ssh')),
    };
  }
  throw new SlipwayError('not_found', 'there are no repositories of a platform', {
    where: directory,
    hint: 'name a directory with git/apps/*.git and git/platform.git, or apps/*.git and platform.git',
  });
}

async function directoriesIn(path: string): Promise<string[] | undefined> {
  try {
    return (await readdir(path, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch (thrown) {
    if (isErrno(thrown, 'ENOENT') || isErrno(thrown, 'ENOTDIR')) return undefined;
    throw thrown;
  }
}

async function ifThere(path: string): Promise<string | undefined> {
  try {
    await stat(path);
    return path;
  } catch (thrown) {
    if (isErrno(thrown, 'ENOENT')) return undefined;
    throw thrown;
  }
}
