/** The rules of `docker build --check`, for `--check` and for every build. */

import type { BuildContext } from '../build/context/context.js';
import { ignoreFiles, parseIgnore } from '../dockerfile/ignore.js';
import type { LintResult } from '../dockerfile/lint/lint.js';
import { lintDockerfile } from '../dockerfile/lint/lint.js';
import type { ParseLimits } from '../dockerfile/types.js';

export interface Linted {
  readonly name: string;
  readonly text: Uint8Array;
  readonly ignoreText?: Uint8Array | undefined;
}

/** Throws `dockerfile_invalid` for what does not even parse. */
export async function lint(
  dockerfile: Linted,
  context: Pick<BuildContext, 'read'>,
  limits: ParseLimits,
): Promise<LintResult> {
  const ignored = await ignoreMatcher(dockerfile, context);
  return lintDockerfile(dockerfile.text, dockerfile.name, { limits, ...ignored });
}

/** A rule about ignored files is not checked where nothing is ignored, or where the ignore file itself is wrong. */
async function ignoreMatcher(
  { name, ignoreText }: Linted,
  context: Pick<BuildContext, 'read'>,
): Promise<{ isIgnored?: (path: string) => boolean }> {
  try {
    const texts = [async () => ignoreText, ...ignoreFiles(name).map((file) => () => context.read(file))];
    for (const read of texts) {
      const text = await read();
      if (text === undefined) continue;
      const matcher = parseIgnore(Buffer.from(text).toString('utf8'));
      return { isIgnored: (path) => matcher.ignores(path) };
    }
  } catch {
    // The build itself says what is wrong with it.
  }
  return {};
}
