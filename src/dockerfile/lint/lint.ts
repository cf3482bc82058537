/** What `docker build --check` would say of a Dockerfile, by the same rules. Pure: what needs images or files is given. */
import { parseDockerfile } from '../parse.js';
import type { ParseLimits } from '../syntax.js';
import { checkFrom } from './base-images.js';
import { isReported, parseCheck } from './check-settings.js';
import type { LintedFile } from './linted-file.js';
import { checkMeaning } from './meaning.js';
import { checkNames } from './names.js';
import { type Finding, type LintWarning, ruleUrl } from './rules.js';
import { SourceLines } from './source-lines.js';

export type { LintRule, LintWarning } from './rules.js';

export interface LintOptions extends Pick<LintedFile, 'isIgnored' | 'baseVariables'> {
  readonly limits: ParseLimits;
  /** BUILDKIT_DOCKERFILE_CHECK: takes the place of the file's `# check=`. */
  readonly check?: string;
}

export interface LintResult {
  /** In the order of the file. */
  readonly warnings: readonly LintWarning[];
  /** `# check=error=true`: warnings are to fail the build. */
  readonly failsBuild: boolean;
}

/** Throws `dockerfile_invalid` for what does not even parse. */
export function lintDockerfile(source: Uint8Array | string, name: string, options: LintOptions): LintResult {
  const dockerfile = parseDockerfile(source, name, options.limits);
  const lines = new SourceLines(source, dockerfile.directives.escape);
  const ofFile = parseCheck(options.check ?? dockerfile.directives.check);
  const file: LintedFile = { ...options, dockerfile, lines };
  const warnings = [...checkNames(file), ...checkFrom(file), ...checkMeaning(file)]
    .filter(({ rule, line }) => isReported(rule, ofFile, ofInstruction(lines, line)))
    .sort((a, b) => a.line - b.line || a.rule.localeCompare(b.rule))
    .map((finding: Finding): LintWarning => ({ ...finding, url: ruleUrl(finding.rule) }));
  return { warnings, failsBuild: ofFile.error && warnings.length > 0 };
}

function ofInstruction(lines: SourceLines, line: number): ReturnType<typeof parseCheck> {
  const settings = lines
    .commentsAbove(line)
    .map((comment) => /^check\s*=\s*(.*)$/i.exec(comment)?.[1])
    .filter((text) => text !== undefined)
    // A reason may follow.
    .map((text) => text.replace(/\s+\/\/.*$/, ''));
  return parseCheck(settings.join(';'));
}
