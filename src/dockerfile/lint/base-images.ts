/** Rules on FROM: the args in it, and its platform. Pure. */
import { nearest } from '../problems.js';
import type { LintedFile } from './linted-file.js';
import type { Finding } from './rules.js';
import { usedVariables } from './variables.js';

const PLATFORM_ARG = /^(?:BUILD|TARGET)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT)$|^TARGETSTAGE$/;

export function* checkFrom({ dockerfile }: LintedFile): Generator<Finding> {
  const escapeCharacter = dockerfile.directives.escape;
  const args = dockerfile.globalArgs.flatMap((each) => each.args);
  const names = new Set(args.map(({ key }) => key));
  const withDefault = new Map(args.map(({ key, value }) => [key, value ?? '']));
  for (const { from } of dockerfile.stages) {
    const line = from.lines.start;
    const inImage = usedVariables(from.image, escapeCharacter);
    const inPlatform = usedVariables(from.platform ?? '', escapeCharacter);
    for (const name of new Set([...inImage, ...inPlatform])) {
      if (names.has(name) || PLATFORM_ARG.test(name)) continue;
      const near = nearest(name, names);
      yield {
        rule: 'UndefinedArgInFrom',
        line,
        text: `FROM argument '${name}' is not declared${near === undefined ? '' : ` (did you mean ${near}?)`}`,
      };
    }
    if (
      inImage.length > 0 &&
      inImage.every((name) => names.has(name)) &&
      !isImage(substitute(from.image, withDefault))
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

/** The plain forms only: whoever writes `${x:-y}` has thought of the empty value. */
function substitute(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(
    /\$(?:\{(\w+)\}|(\w+))/g,
    (_, braced?: string, plain?: string) => values.get(braced ?? plain ?? '') ?? '',
  );
}

/** Loosely a reference (distribution's grammar): no empty part. */
function isImage(text: string): boolean {
  return (
    text.includes('${') ||
    /^[a-z0-9][\w.-]*(?::\d+)?(?:\/[\w.-]+)*(?::[\w][\w.-]*)?(?:@\w+:\w+)?$/i.test(text)
  );
}
