/** What a build reads from the commit before it does anything: the Dockerfile as a plan, and the ignore file. */
import type { Limits } from '../config.js';
import { ignoreFiles, parseIgnore } from '../dockerfile/ignore.js';
import { parseDockerfile } from '../dockerfile/parse.js';
import { planBuild } from '../dockerfile/plan.js';
import type { BuildPlan } from '../dockerfile/types.js';
import { SlipwayError } from '../errors.js';
import { hostPlatform } from '../registry/pull.js';
import type { BuildRequest } from './build.js';
import type { BuildContext } from './context/context.js';
import type { CopySource } from './copy/copy-source.js';

/** Throws `dockerfile_missing`, `dockerfile_invalid` or `dockerfile_unsupported`. */
export async function readPlan(request: BuildRequest, limits: Limits): Promise<BuildPlan> {
  const text = request.dockerfileText ?? (await request.context.read(request.dockerfile));
  if (text === undefined) {
    throw new SlipwayError('dockerfile_missing', `there is no ${request.dockerfile} in the commit`, {
      hint: 'add one to the root of the repository, commit it and push again',
    });
  }
  const dockerfile = parseDockerfile(text, request.dockerfile, limits);
  return planBuild(dockerfile, {
    buildArgs: request.buildArgs,
    platform: request.platform,
    buildPlatform: hostPlatform(),
    ...(request.target === undefined ? {} : { target: request.target }),
    ...(request.contexts === undefined ? {} : { contexts: request.contexts }),
  });
}

/** More lines make more work for each of the context's paths than anybody means to ask for. */
const IGNORE_LINES = 1000;

/** The context without what is ignored. The ignore file beside the Dockerfile goes before the one at the root. */
export async function visibleSource(
  dockerfile: string,
  context: BuildContext,
  signal: AbortSignal,
  given?: Uint8Array,
): Promise<CopySource> {
  for (const file of ignoreFiles(dockerfile)) {
    const text = (given === undefined ? await context.read(file) : Buffer.from(given))?.toString('utf8');
    if (text === undefined) continue;
    const lines = text.split('\n', IGNORE_LINES + 1).length;
    if (lines > IGNORE_LINES || text.length > IGNORE_LINES * 255) {
      throw new SlipwayError(
        'dockerfile_invalid',
        `${file} has more than ${IGNORE_LINES} lines of patterns`,
        {
          where: file,
          hint: 'ignore directories as a whole, or ignore all with * and bring back with ! what the image needs',
        },
      );
    }
    return context.source(parseIgnore(text, file), file, signal);
  }
  return context.source(parseIgnore(''), '.dockerignore', signal);
}
