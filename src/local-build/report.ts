/** What a build says at its end: the result on stdout, the files that options ask for, a failure on stderr. */
import { writeFile } from 'node:fs/promises';
import { EXIT, type ExitCode } from '../cli/usage.js';
import { DEFAULT_LIMITS } from '../config.js';
import { excerpt } from '../dockerfile/excerpt.js';
import { describeError, type SlipwayError } from '../errors.js';
import { buildMetadata } from '../images/metadata.js';
import { isWrittenWrong } from './failure.js';
import type { LocalDockerfile } from './local-dockerfile.js';
import type { LocalBuild } from './options.js';
import type { LocalResult } from './run.js';

/** The fields of buildx's `--metadata-file`, and of `--json`. */
export function metadataOf({ descriptor, configDigest, names, steps }: LocalResult): Record<string, unknown> {
  const exported = { root: descriptor, names, ...(configDigest === undefined ? {} : { configDigest }) };
  return { ...buildMetadata(exported), 'slipway.steps': steps };
}

/** Throws what the disk says. */
export async function writeResultFiles(build: LocalBuild, result: LocalResult): Promise<void> {
  if (build.iidFile !== undefined) await writeFile(build.iidFile, result.descriptor.digest);
  if (build.metadataFile !== undefined)
    await writeFile(build.metadataFile, `${JSON.stringify(metadataOf(result), null, 2)}\n`);
}

export interface Failure {
  readonly error: SlipwayError;
  /** As far as it is known. */
  readonly dockerfile: LocalDockerfile | undefined;
  /** The last lines that the failed step wrote, unless they can be read above. */
  readonly output: readonly string[];
}

/** The failed step's output, the Dockerfile around its line, what went wrong, and what to do. */
export function failureLines({ error, dockerfile, output }: Failure): string[] {
  const rule = '------';
  const [message = '', ...hint] = describeError(error);
  return [
    ...(output.length === 0 ? [] : [rule, ...output, rule]),
    ...(dockerfile === undefined ? [] : excerpt(error.where, dockerfile, DEFAULT_LIMITS)),
    ...[`ERROR: ${message}`, ...hint].flatMap((text) => text.split('\n')),
  ];
}

export function exitCodeOf(error: SlipwayError): ExitCode {
  return isWrittenWrong(error) ? EXIT.usage : EXIT.failed;
}
