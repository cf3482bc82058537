/** Rules on FROM: the args in it, and its platform. Pure. */
import { automaticArgs, globalArgs } from '../build-args.js';
import type { Platform } from '../build-plan.js';
import { ExpansionBudget, expandWord } from '../expand.js';
import { nearest } from '../problems.js';
import type { Dockerfile } from '../syntax.js';
import type { LintedFile } from './linted-file.js';
import type { Finding } from './rules.js';
import { usedVariables } from './variables.js';

const PLATFORM_ARG = /^(?:BUILD|TARGET)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT)$|^TARGETSTAGE$/;

/** For the automatic args; any other would do. */
const SOME_PLATFORM: Platform = { os: 'linux', architecture: 'amd64' };

const AUTOMATIC: readonly string[] = [...automaticArgs(SOME_PLATFORM, SOME_PLATFORM, 'default').keys()];

export function* checkFrom({ dockerfile }: LintedFile): Generator<Finding> {
  const escapeCharacter = dockerfile.directives.escape;
  const args = dockerfile.globalArgs.flatMap((each) => each.args);
  const names = new Set(args.map(({ key }) => key));
  const byDefault = expanderOfDefaults(dockerfile);
  for (const { from } of dockerfile.stages) {
    const line = from.lines.start;
    const inImage = usedVariables(from.image, escapeCharacter);
    const inPlatform = usedVariables(from.platform ?? '', escapeCharacter);
    for (const name of new Set([...inImage, ...inPlatform])) {
      if (names.has(name) || PLATFORM_ARG.test(name)) continue;
      const near = nearest(name, [...names, ...AUTOMATIC]);
      yield {
        rule: 'UndefinedArgInFrom',
        line,
        text: `FROM argument '${name}' is not declared${near === undefined ? '' : ` (did you mean ${near}?)`}`,
      };
    }
    if (
      inImage.length > 0 &&
      inImage.every((name) => names.has(name)) &&
      !isImage(byDefault(from.image) ?? 'unknown')
    ) {
      yield {
        rule: 'InvalidDefaultArgInFrom',
        line,
        text: `Default value for ARG ${from.image} results in empty or invalid base image name`,
      };
    }
    const platform = from.platform;
    if (platform === undefined) continue;
    if (/^\$(?:TARGETPLATFORM|\{TARGETPLATFORM\})$/.test(platform)) {
      yield {
        rule: 'RedundantTargetPlatform',
        line,
        text: `Setting platform to predefined ${platform} in FROM is redundant as this is the default behavior`,
      };
    }
    const isNamedSo = platform
      .toLowerCase()
      .split('/')
      .some((part) => from.stageName?.includes(part) === true);
    if (!platform.includes('$') && !isNamedSo) {
      yield {
        rule: 'FromPlatformFlagConstDisallowed',
        line,
        text: `FROM --platform flag should not use constant value "${platform}"`,
      };
    }
  }
}

/** What FROM names when no build arg is given; undefined for `${x:?}` and what is wrong otherwise: the build tells. */
function expanderOfDefaults(dockerfile: Dockerfile): (image: string) => string | undefined {
  const where = dockerfile.name;
  let env: ReadonlyMap<string, string>;
  return (image) => {
    try {
      env ??= globalArgs(dockerfile, automaticArgs(SOME_PLATFORM, SOME_PLATFORM, 'default'), {});
      const budget = new ExpansionBudget(where);
      return expandWord(image, { env, escape: dockerfile.directives.escape, where, budget });
    } catch {
      return undefined;
    }
  };
}

/** Loosely a reference (distribution's grammar): no empty part. */
function isImage(text: string): boolean {
  return /^[a-z0-9][\w.-]*(?::\d+)?(?:\/[\w.-]+)*(?::[\w][\w.-]*)?(?:@\w+:\w+)?$/i.test(text);
}
