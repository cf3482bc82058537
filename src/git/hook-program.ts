/** Puts the executable `proc-receive` (native/programs) where git looks for hooks. */
import { chmod, copyFile, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { SlipwayError } from '../errors.js';
import { projectRoot } from '../root.js';

/** Where it is built. */
export function hookProgram(): string {
  return join(projectRoot(), 'native/build/proc-receive');
}

/** Puts `program` to `<directory>/proc-receive`: a copy, so that a checkout may go. Throws `invalid_config` when there is none. */
export async function installHook(directory: string, program: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, 'proc-receive');
  const fresh = `${path}.${process.pid}`;
  try {
    await copyFile(program, fresh);
  } catch (cause) {
    throw new SlipwayError('invalid_config', `the hook program ${program} is missing`, {
      hint: 'run `npm run build`',
      cause,
    });
  }
  await chmod(fresh, 0o700);
  await rename(fresh, path);
}
