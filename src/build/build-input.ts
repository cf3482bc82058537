/** What a build reads from its context before it does anything: the Dockerfile as a plan, and the ignore file. */
import type { Limits } from '../config.js';
import type { BuildPlan } from '../dockerfile/build-plan.js';
import { type IgnoreMatcher, ignoreFiles, parseIgnore } from '../dockerfile/ignore.js';
import { parseDockerfile } from '../dockerfile/parse.js';
import { planBuild } from '../dockerfile/plan.js';
import { SlipwayError } from '../errors.js';
import { hostPlatform } from '../registry/pull.js';
import type { BuildRequest } from './build-request.js';
import { hashOf } from './cache/keys.js';
import type { BuildContext } from './context/context.js';
import type { CopySource } from './copy/copy-source.js';

export interface BuildInput {
  /** Of the Dockerfile. */
  readonly text: Uint8Array;
  readonly plan: BuildPlan;
  readonly ignore: IgnoreMatcher;
  /** As errors name it. */
  readonly ignoreFile: string;
  /** Of the ignore file. */
  readonly ignoreText: string;
}

/** Throws `dockerfile_missing`, `dockerfile_invalid` or `dockerfile_unsupported`. */
export async function readInput(request: BuildRequest, limits: Limits): Promise<BuildInput> {
  const { context, dockerfile: name, dockerfileText, ignoreText } = request;
  const reading = readIgnore(name, context, ignoreText);
  // The Dockerfile's own mistakes are told first.
  reading.catch(() => undefined);
  const text = dockerfileText ?? (await context.read(name));
  if (text === undefined) {
    throw new SlipwayError('dockerfile_missing', `there is no ${name} in the commit`, {
      hint: 'add one to the root of the repository, commit it and push again',
    });
  }
  const plan = planBuild(parseDockerfile(text, name, limits), {
    buildArgs: await withContextTime(request.buildArgs, context),
    platform: request.platform,
    buildPlatform: hostPlatform(),
    ...(request.target === undefined ? {} : { target: request.target }),
    ...(request.contexts === undefined ? {} : { contexts: request.contexts }),
  });
  return { text, plan, ...(await reading) };
}

/** The same name, the same Dockerfile, ignore file and files in sight; undefined where nothing is out of sight, or not known so quickly. */
export function inputName(
  { text, ignoreFile, ignoreText }: BuildInput,
  source: CopySource,
): string | undefined {
  const files = source.name?.();
  if (files === undefined) return undefined;
  return `files ${hashOf([Buffer.from(text).toString('base64'), ignoreFile, ignoreText, files])}`;
}

/** SOURCE_DATE_EPOCH=context is the time of the commit; a directory has none, and the image is made as without. */
export async function withContextTime(
  buildArgs: Readonly<Record<string, string>>,
  context: BuildContext,
): Promise<Readonly<Record<string, string>>> {
  if (buildArgs.SOURCE_DATE_EPOCH !== 'context' || context.time === undefined) return buildArgs;
  return { ...buildArgs, SOURCE_DATE_EPOCH: String(await context.time()) };
}

/** More lines make more work for each of the context's paths than anybody means to ask for. */
const IGNORE_LINES = 1000;

/** The ignore file beside the Dockerfile goes before the one at the root; `given` goes before both. */
async function readIgnore(
  dockerfile: string,
  context: BuildContext,
  given?: Uint8Array,
): Promise<Pick<BuildInput, 'ignore' | 'ignoreFile' | 'ignoreText'>> {
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
    return { ignore: parseIgnore(text, file), ignoreFile: file, ignoreText: text };
  }
  return { ignore: parseIgnore(''), ignoreFile: '.dockerignore', ignoreText: '' };
}

/** A context that is not the build's main one, without what its own ignore file takes out. */
export async function visibleContext(context: BuildContext, signal: AbortSignal): Promise<CopySource> {
  const { ignore, ignoreFile } = await readIgnore('', context);
  return context.source(ignore, ignoreFile, signal);
}
