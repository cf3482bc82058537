/** The rules of `docker build --check`, by BuildKit's names: https://docs.docker.com/reference/build-checks/. Pure data. */

export const RULES = [
  'ConsistentInstructionCasing',
  'CopyIgnoredFile',
  'DuplicateStageName',
  'ExposeInvalidFormat',
  'ExposeProtoCasing',
  'FromAsCasing',
  'FromPlatformFlagConstDisallowed',
  'InvalidBaseImagePlatform',
  'InvalidDefaultArgInFrom',
  'InvalidDefinitionDescription',
  'JSONArgsRecommended',
  'LegacyKeyValueFormat',
  'MaintainerDeprecated',
  'MultipleInstructionsDisallowed',
  'NoEmptyContinuation',
  'RedundantTargetPlatform',
  'ReservedStageName',
  'SecretsUsedInArgOrEnv',
  'StageNameCasing',
  'UndefinedArgInFrom',
  'UndefinedVar',
  'WorkdirRelativePath',
] as const;

export type LintRule = (typeof RULES)[number];

/** Off unless `# check=experimental=…` asks for them. */
export const EXPERIMENTAL: ReadonlySet<LintRule> = new Set(['InvalidDefinitionDescription']);

export interface LintWarning {
  readonly rule: LintRule;
  readonly text: string;
  /** Of the Dockerfile, from 1. */
  readonly line: number;
  /** Where the rule is explained. */
  readonly url: string;
}

/** What a check finds; the linter adds the rest. */
export interface Finding {
  readonly rule: LintRule;
  readonly text: string;
  readonly line: number;
}

/** `JSONArgsRecommended` → `…/json-args-recommended/`. */
export function ruleUrl(rule: LintRule): string {
  const words = rule.replace(/([a-z])([A-Z])|([A-Z]+)([A-Z][a-z])/g, '$1$3-$2$4').toLowerCase();
  return `https://docs.docker.com/go/dockerfile/rule/${words}/`;
}
