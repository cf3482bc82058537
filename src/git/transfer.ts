/** A commit from one repository of this platform into another: only the objects that the other lacks, as one pack. */
import type { ChildProcess } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { SlipwayError } from '../errors.js';
import { type Git, stopProcess } from './git.js';

const TIMEOUT_MS = 10 * 60_000;
const WORDS_BYTES = 4000;

/** On disk when it returns; nothing names it in the other one yet. */
export async function transferCommit(git: Git, from: string, to: string, commit: string): Promise<void> {
  const has = await git.result(['cat-file', '-e', `${commit}^{commit}`], { gitDir: to });
  // With all that it needs: only whole packs come in.
  if (has.exitCode === 0) return;
  const known = await commonCommits(git, from, to);
  const pack = git.spawn(['pack-objects', '--revs', '--stdout', '--thin', '--quiet', '--delta-base-offset'], {
    gitDir: from,
  });
  const index = git.spawn(['index-pack', '--stdin', '--fix-thin'], { gitDir: to });
  const timer = setTimeout(() => [pack, index].forEach((child) => void stopProcess(child)), TIMEOUT_MS);
  try {
    const ended = Promise.all([ending('pack-objects', pack), ending('index-pack', index)]);
    pack.stdin?.end([commit, ...known.map((oid) => `^${oid}`), ''].join('\n'));
    // What one of them says when it fails is better than that a pipe broke.
    if (pack.stdout !== null && index.stdin !== null)
      await pipeline(pack.stdout, index.stdin).catch(() => undefined);
    await ended;
  } finally {
    clearTimeout(timer);
    for (const child of [pack, index]) if (child.exitCode === null) child.kill('SIGKILL');
  }
}

/** What the tips of the other one are, as far as the first has them: their history need not be sent. */
async function commonCommits(git: Git, from: string, to: string): Promise<string[]> {
  const refs = ['refs/heads/', 'refs/slipway/pushes/'];
  const tips = await git.text(['for-each-ref', '--format=%(objectname)', '--count=50', ...refs], {
    gitDir: to,
  });
  if (tips === '') return [];
  const found = await git.text(['cat-file', '--batch-check=%(objectname) %(objecttype)'], {
    gitDir: from,
    input: `${tips}\n`,
  });
  return found.split('\n').flatMap((line) => (line.endsWith(' commit') ? [line.split(' ')[0] ?? ''] : []));
}

function ending(name: string, child: ChildProcess): Promise<void> {
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    if (words.length < WORDS_BYTES) words += chunk.toString('utf8');
  });
  child.stdin?.on('error', () => undefined);
  // index-pack prints the name of its pack.
  if (name === 'index-pack') child.stdout?.resume();
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve();
      else
        reject(
          new SlipwayError(
            'unavailable',
            `git ${name} ended with ${code ?? signal}: ${words.trim().slice(0, 500)}`,
            {
              temporary: true,
            },
          ),
        );
    });
  });
}
