/**
 * A file's bytes as a checkout would write them: line ends, `$Id$` and encodings, converted by git. No filter driver can
 * run: git is given the attributes of the conversion alone, and reads no others.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Git } from '../../../git/git.js';

/** Processes of git that convert at once; one takes some 3 ms. */
const AT_ONCE = 4;
let running = 0;
const waiting: (() => void)[] = [];

/** `conversion` is from `attributesOf`; `sizeBytes` is the size in the repository. */
export async function converted(
  oid: string,
  conversion: string,
  sizeBytes: number,
  { git, gitDir }: { readonly git: Git; readonly gitDir: string },
): Promise<Buffer> {
  if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  running++;
  const scratch = await mkdtemp(join(tmpdir(), 'slipway-convert-'));
  try {
    const file = join(scratch, 'attributes');
    await writeFile(file, `* ${conversion}\n`);
    const settings = [`core.attributesFile=${file}`, 'core.eol=lf', 'core.autocrlf=false'];
    const args = ['cat-file', '--filters', '--path=file', oid];
    // The widest encoding takes four bytes for each, and a mark; the shortest $Id$ becomes 60.
    const maxOutputBytes = 16 * sizeBytes + 1024;
    return await git.run([...settings.flatMap((each) => ['-c', each]), ...args], { gitDir, maxOutputBytes });
  } finally {
    running--;
    waiting.shift()?.();
    await rm(scratch, { recursive: true, force: true });
  }
}
