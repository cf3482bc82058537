// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { type LintOptions, lintDockerfile } from '../../src/dockerfile/lint/lint.js';
import { RULES, ruleUrl } from '../../src/dockerfile/lint/rules.js';
import { SlipwayError } from '../../src/errors.js';

function lint(text: string, options: Partial<LintOptions> = {}): string[] {
  const { warnings } = lintDockerfile(text, 'Dockerfile', {
    limits: DEFAULT_LIMITS,
    baseVariables: () => ['PATH'],
    ...options,
  });
  return warnings.map(({ rule, line, text: said }) => `${line} ${rule}: ${said}`);
}

/** Examples of https://docs.docker.com/reference/build-checks/ where it has them. */
const FOUND: readonly [string, string, readonly string[]][] = [
  ['a clean file', 'FROM alpine\nRUN true\nCMD ["sh"]\n', []],
  [
    'mixed casing, most of it upper',
    'FROM alpine\nrun echo a\nRUN echo b\nRun echo c\n',
    [
      "2 ConsistentInstructionCasing: Command 'run' should match the case of the command majority (uppercase)",
      "4 ConsistentInstructionCasing: Command 'Run' should match the case of the command majority (uppercase)",
    ],
  ],
  [
    'mixed casing, most of it lower',
    'from alpine\nrun echo a\nRUN echo b\n',
    [
      "3 ConsistentInstructionCasing: Command 'RUN' should match the case of the command majority (lowercase)",
    ],
  ],
  ['lower case throughout', 'from alpine as b\nrun echo a\n', []],
  [
    'FROM and as',
    'FROM alpine as builder\n',
    ["1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match"],
  ],
  [
    'as beside a FROM in both cases',
    'From alpine as b\nFROM alpine AS c\n',
    [
      "1 ConsistentInstructionCasing: Command 'From' should match the case of the command majority (uppercase)",
    ],
  ],
  [
    'a stage name in upper case',
    'FROM alpine AS BuilderBase\n',
    ["1 StageNameCasing: Stage name 'BuilderBase' should be lowercase"],
  ],
  [
    'a stage name twice',
    'FROM alpine AS b\nFROM alpine AS B\n',
    [
      '2 DuplicateStageName: Duplicate stage name "b", stage names should be unique',
      "2 StageNameCasing: Stage name 'B' should be lowercase",
    ],
  ],
  [
    'a reserved stage name',
    'FROM alpine AS scratch\n',
    ['1 ReservedStageName: Stage name should not use the same name as reserved stage "scratch"'],
  ],
  [
    'an empty line in a continuation',
    'FROM alpine\nRUN echo a && \\\n\n  echo b\n',
    ['4 NoEmptyContinuation: Empty continuation line'],
  ],
  ['a comment in a continuation', 'FROM alpine\nRUN echo a && \\\n# why\n  echo b\n\nRUN true\n', []],
  ['an empty line after a heredoc', 'FROM alpine\nRUN <<E\necho a\n\necho b \\\n\nE\n', []],
  [
    'shell forms',
    'FROM alpine\nENTRYPOINT my-program start\nCMD x\n',
    [
      '2 JSONArgsRecommended: JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals',
      '3 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals',
    ],
  ],
  ['a shell form after SHELL', 'FROM alpine\nSHELL ["bash", "-c"]\nCMD x\n', []],
  ['a shell form after a parent’s SHELL', 'FROM alpine AS a\nSHELL ["bash", "-c"]\nFROM a\nCMD x\n', []],
  [
    'MAINTAINER',
    'FROM alpine\nMAINTAINER me\n',
    ['2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label'],
  ],
  [
    'undeclared args in FROM',
    'ARG VERSION=1\nFROM alpine:$VERSOIN AS a\nFROM --platform=$TARGETPLATFROM alpine\n',
    [
      "2 UndefinedArgInFrom: FROM argument 'VERSOIN' is not declared (did you mean VERSION?)",
      "3 UndefinedArgInFrom: FROM argument 'TARGETPLATFROM' is not declared (did you mean TARGETPLATFORM?)",
    ],
  ],
  [
    'relative workdirs',
    'FROM alpine AS a\nWORKDIR app\nWORKDIR sub\nFROM alpine AS b\nWORKDIR /x\nFROM b\nWORKDIR y\n',
    ['2 WorkdirRelativePath: Relative workdir "app" can have unexpected results if the base image changes'],
  ],
  [
    'undefined variables',
    "FROM alpine AS a\nARG foo\nCOPY $foo .\nCOPY $fooo ${bar} ${x:-y} .\nENV P=$PATH Q=\\$no R='$no'\n",
    [
      "4 UndefinedVar: Usage of undefined variable '$fooo' (did you mean $foo?)",
      "4 UndefinedVar: Usage of undefined variable '$bar'",
    ],
  ],
  ['variables of a parent stage', 'FROM alpine AS a\nENV v=1\nFROM a\nLABEL x=$v\n', []],
  [
    'what only its last counts',
    'FROM alpine\nCMD ["a"]\nHEALTHCHECK CMD a\nCMD ["b"]\nHEALTHCHECK NONE\n',
    [
      '2 MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used',
      '3 MultipleInstructionsDisallowed: Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used',
    ],
  ],
  [
    'the old key value form',
    'FROM alpine\nENV a b\nLABEL c d\nENV e=f\n',
    [
      '2 LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format',
      '3 LegacyKeyValueFormat: "LABEL key=value" should be used instead of legacy "LABEL key value" format',
    ],
  ],
  [
    'a platform that is the default',
    'FROM --platform=$TARGETPLATFORM alpine\n',
    [
      '1 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
    ],
  ],
  [
    'a constant platform',
    'FROM --platform=linux/amd64 alpine AS a\nFROM --platform=linux/arm64 alpine AS build_arm64\n',
    ['1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"'],
  ],
  [
    'secrets in ARG and ENV',
    'ARG NPM_TOKEN\nFROM alpine\nENV AWS_SECRET_ACCESS_KEY=x PUBLIC_KEY=y MONKEY=z SECRET_FILE=f AUTH_VERSION=1\n',
    [
      '1 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "NPM_TOKEN")',
      '3 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "AWS_SECRET_ACCESS_KEY")',
    ],
  ],
  [
    'a default that is no image',
    'ARG TAG\nFROM busybox:${TAG}\n',
    [
      '2 InvalidDefaultArgInFrom: Default value for ARG busybox:${TAG} results in empty or invalid base image name',
    ],
  ],
  ['a default that is an image', 'ARG TAG=1.2\nFROM busybox:${TAG}\n', []],
  [
    'defaults in quotes, and of other ARGs',
    'ARG OS="linux"\nARG ARCH=\'amd64\'\nARG BASE=mirror/tool-${OS}-${ARCH}:${TAG:-1}\nFROM $BASE AS build\nFROM build-\\x$OS AS x\n',
    [],
  ],
  ['a FROM that asks for a build arg', 'ARG IMAGE\nFROM ${IMAGE:?missing}\n', []],
  [
    'a quoted default that is empty, through another ARG',
    'ARG NAME=""\nARG IMAGE=$NAME\nFROM ${IMAGE} AS a\nFROM ${IMAGE:-busybox}\n',
    ['3 InvalidDefaultArgInFrom: Default value for ARG ${IMAGE} results in empty or invalid base image name'],
  ],
  [
    'EXPOSE',
    'FROM alpine\nEXPOSE 80/TCP 127.0.0.1:80:80\n',
    [
      "2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
      "2 ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
    ],
  ],
  [
    'a description, when asked for',
    '# check=experimental=InvalidDefinitionDescription\n\n# Base of all\nFROM alpine AS base\n# version of it\nARG version\n# both\nARG a b\n# apart\n#\nARG c\n',
    [
      '4 InvalidDefinitionDescription: Comment for FROM should follow the format: `# base <description>`',
      '8 InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>`',
    ],
  ],
  ['a description, when not asked for', '# the base\nFROM alpine AS base\n', []],
  ['a skipped rule', '# check=skip=MaintainerDeprecated\nFROM alpine\nMAINTAINER me\n', []],
  ['all skipped', '# check=skip=all\nFROM alpine as B\nmaintainer me\n', []],
  [
    'a rule skipped above one instruction',
    'FROM alpine\n# check=skip=MaintainerDeprecated\nMAINTAINER me\n',
    [],
  ],
];

describe('the linter', () => {
  it.each(FOUND)('looks at %s', (_, text, expected) => {
    expect(lint(text)).toEqual(expected);
  });

  it('names files that the ignore file excludes', () => {
    const isIgnored = (path: string): boolean => path === 'node_modules';
    const text = 'FROM alpine AS a\nCOPY ./node_modules/ /m\nCOPY src /s\nCOPY --from=a /node_modules /x\n';
    expect(lint(text, { isIgnored })).toEqual([
      '2 CopyIgnoredFile: Attempting to Copy file "./node_modules/" that is excluded by .dockerignore',
    ]);
    expect(lint(`# check=skip=CopyIgnoredFile\n${text}`, { isIgnored })).toEqual([]);
  });

  it('takes a reason after what is skipped above an instruction, and skips no rule that it is asked for', () => {
    expect(lint('FROM a\n# check=skip=SecretsUsedInArgOrEnv // a default\nENV password=x\n')).toEqual([]);
    const text = '# check=skip=all;experimental=InvalidDefinitionDescription\n\n# x\nFROM a AS base\n';
    expect(lint(text)).toHaveLength(1);
  });

  it('follows what is given instead of what the file asks for', () => {
    const text = '# check=error=true\nFROM alpine\nMAINTAINER me\n';
    expect(lint(text, { check: 'skip=all' })).toEqual([]);
    expect(lint(text.replace('error=true', 'skip=all'), { check: '' })).toHaveLength(1);
    expect(lint('# check=skip=all\nFROM a as b\nMAINTAINER me\n', { check: '' })).toHaveLength(2);
  });

  it('does not guess at variables of an image that it does not know', () => {
    expect(lint('FROM alpine\nCOPY $x .\n', { baseVariables: () => undefined })).toEqual([]);
  });

  it('fails the build only where the file asks for it', () => {
    const text = 'FROM alpine\nMAINTAINER me\n';
    const of = (source: string): boolean =>
      lintDockerfile(source, 'Dockerfile', { limits: DEFAULT_LIMITS }).failsBuild;
    expect(of(text)).toBe(false);
    expect(of(`# check=error=true\n${text}`)).toBe(true);
    expect(of('# check=error=true\nFROM alpine\n')).toBe(false);
    expect(of(`# check=error=true;skip=MaintainerDeprecated\n${text}`)).toBe(false);
  });

  it('links every rule to its page', () => {
    expect(RULES.map(ruleUrl)).toContain('https://docs.docker.com/go/dockerfile/rule/json-args-recommended/');
    expect(ruleUrl('SecretsUsedInArgOrEnv')).toBe(
      'https://docs.docker.com/go/dockerfile/rule/secrets-used-in-arg-or-env/',
    );
  });

  it('takes any text', () => {
    const word = fc.constantFrom(
      'FROM a',
      '#',
      'check=',
      '\\',
      '\n',
      ' ',
      '$',
      '${',
      '"',
      "'",
      'ENV ',
      'COPY ',
      'AS b',
      '<<E',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.string()), { maxLength: 30 }), (words) => {
        try {
          lint(`FROM alpine\n${words.join('')}`);
        } catch (error) {
          expect(error).toBeInstanceOf(SlipwayError);
        }
      }),
    );
  });
});
