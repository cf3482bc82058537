/** SSH keys made by ssh-keygen. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from './directories.js';

export interface MadeKey {
  /** Of the private key. */
  readonly path: string;
  /** The line of the public one. */
  readonly line: string;
  readonly fingerprint: string;
}

const run = promisify(execFile);

/** `args` as ssh-keygen takes them: `-t rsa -b 2048`. */
export async function makeSshKey(args: readonly string[] = ['-t', 'ed25519']): Promise<MadeKey> {
  const path = join(await temporaryDirectory(), 'key');
  await run('ssh-keygen', ['-q', ...args, '-N', '', '-C', 'alice@laptop', '-f', path]);
  const { stdout } = await run('ssh-keygen', ['-lf', `${path}.pub`]);
  return {
    path,
    line: (await readFile(`${path}.pub`, 'utf8')).trim(),
    fingerprint: stdout.split(' ')[1] ?? '',
  };
}
