/** Repositories for tests that fetch: made by git, and put on disk again as a checkout would. */
import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type CopySource, plainSelector } from '../../src/build/copy/copy-source.js';

const SETTINGS = [
  'user.name=t',
  'user.email=t@example.com',
  'protocol.file.allow=always',
  'init.defaultBranch=main',
  'advice.detachedHead=false',
];

/** git as nobody has configured it; its output. */
export function plainGit(args: readonly string[], cwd: string): string {
  const env = { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
  const all = [...SETTINGS.flatMap((each) => ['-c', each]), ...args];
  return execFileSync('git', all, { cwd, env, encoding: 'utf8', stdio: 'pipe' }).trimEnd();
}

export async function newRepository(work: string, files: Readonly<Record<string, string>>): Promise<string> {
  plainGit(['init', '--quiet', work], '/');
  await commitFiles(work, files);
  return work;
}

export async function commitFiles(work: string, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(work, path)), { recursive: true });
    await writeFile(join(work, path), text);
  }
  plainGit(['add', '--all'], work);
  plainGit(['commit', '--quiet', '--allow-empty', '-m', 'x'], work);
  return plainGit(['rev-parse', 'HEAD'], work);
}

/** Writes all that `argument` selects into a directory. */
export async function layOut(source: CopySource, directory: string, argument = '.'): Promise<void> {
  for (const selection of await source.select(plainSelector(argument)))
    for (const entry of await selection.entries()) {
      const at = join(directory, entry.path);
      if (entry.type === 'directory') await mkdir(at, { recursive: true });
      else if (entry.type === 'symlink') await symlink(entry.linkname ?? '', at);
      else {
        const content = await source.content(entry);
        if ('data' in content) await writeFile(at, content.data);
        else await copyFile(content.file, at);
        await chmod(at, entry.mode);
      }
    }
}
