/** Where the Dockerfile is: `-f` means a path from here first, then one in the context, as docker has it. */
import { readFile, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, resolve } from 'node:path';
import { SlipwayError } from '../errors.js';
import type { ContextPlace } from './options.js';

export interface DockerfileSource {
  /** Its path in the context, or what it is called in errors. */
  readonly name: string;
  /** Its text, where it is not in the context. */
  readonly text?: Uint8Array;
  /** Of the ignore file beside it, where it is not in the context. */
  readonly ignoreText?: Uint8Array;
}

export interface DockerfileWish {
  readonly context: ContextPlace;
  /** `-f` as given. */
  readonly given: string | undefined;
  readonly directory: string;
  /** The Dockerfile's text, where it is what stdin holds. */
  readonly stdin: () => Promise<Uint8Array>;
}

const DEFAULT_NAME = 'Dockerfile';

/** Throws `dockerfile_missing`. What is in a git repository or in a tar is only looked for when it is read. */
export async function findDockerfile({
  context,
  given,
  directory,
  stdin,
}: DockerfileWish): Promise<DockerfileSource> {
  if (given === '-') return { name: DEFAULT_NAME, text: await stdin() };
  if (context.kind !== 'directory') return { name: given ?? DEFAULT_NAME };
  if (given === undefined) return { name: await defaultName(context.path) };
  const here = resolve(directory, given);
  if (await isFile(here)) {
    const inside = relative(context.path, here);
    if (!isAbsolute(inside) && inside !== '..' && !inside.startsWith('../')) return { name: inside };
    const ignore = `${here}.dockerignore`;
    return {
      name: basename(here),
      text: await readFile(here),
      ...((await isFile(ignore)) ? { ignoreText: await readFile(ignore) } : {}),
    };
  }
  if (!isAbsolute(given) && (await isFile(join(context.path, given)))) return { name: relative('.', given) };
  throw new SlipwayError('dockerfile_missing', `there is no Dockerfile ${here}`, {
    hint: 'name it with -f FILE: a path from here, or in the context',
  });
}

/** Docker takes `dockerfile` where there is no `Dockerfile`. */
async function defaultName(context: string): Promise<string> {
  if (!(await isFile(join(context, DEFAULT_NAME))) && (await isFile(join(context, 'dockerfile'))))
    return 'dockerfile';
  return DEFAULT_NAME;
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => !found.isDirectory(),
    () => false,
  );
}
