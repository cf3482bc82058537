/** Puts the executable `proc-receive` where git looks for hooks. */
import { chmod, mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { SlipwayError } from '../errors.js';

/** execve(2) reads 255 bytes of a `#!` line (127 before Linux 5.1) and ends the interpreter's name at white space. */
const LONGEST_INTERPRETER_BYTES = 125;

/** The program beside this file, as it is compiled. */
export function hookProgram(): string {
  return fileURLToPath(new URL('./proc-receive.js', import.meta.url));
}

/**
 * Writes `<directory>/proc-receive`, which runs `program` with the Node that runs us: no shell and no PATH is asked.
 * Throws `invalid_config` when one of the two cannot be run that way.
 */
export async function installHook(
  directory: string,
  program: string,
  node: string = process.execPath,
): Promise<void> {
  if (/\s/.test(node) || Buffer.byteLength(node) > LONGEST_INTERPRETER_BYTES) {
    throw new SlipwayError('invalid_config', `hooks cannot be started with ${JSON.stringify(node)}`, {
      hint: `install Node where its path has no spaces and at most ${LONGEST_INTERPRETER_BYTES} bytes`,
    });
  }
  const found = await stat(program).catch(() => undefined);
  if (!found?.isFile()) {
    throw new SlipwayError('invalid_config', `the hook program ${program} is missing`, {
      hint: 'run `npm run build`',
    });
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, 'proc-receive');
  const fresh = `${path}.${process.pid}`;
  // A file without an extension is CommonJS to Node, so the module is imported instead of being the script itself.
  await writeFile(fresh, `#!${node}\nimport(${JSON.stringify(pathToFileURL(program).href)});\n`);
  await chmod(fresh, 0o700);
  await rename(fresh, path);
}
