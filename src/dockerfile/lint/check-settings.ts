/** `# check=skip=RuleA,RuleB;error=true;experimental=all`: for the file at its top, for one instruction above it. */
import { EXPERIMENTAL, type LintRule } from './rules.js';

export interface CheckSettings {
  readonly skip: ReadonlySet<string> | 'all';
  readonly experimental: ReadonlySet<string> | 'all';
  /** Warnings are errors. */
  readonly error: boolean;
}

const NO_SETTINGS: CheckSettings = { skip: new Set(), experimental: new Set(), error: false };

/** Names that are no rules are passed over, as in BuildKit: they may be rules of a newer one. */
export function parseCheck(text: string | undefined): CheckSettings {
  let settings = NO_SETTINGS;
  for (const field of (text ?? '').split(';')) {
    const [key = '', value = ''] = field.split('=', 2).map((part) => part.trim());
    if (key === 'skip') settings = { ...settings, skip: names(value) };
    else if (key === 'experimental') settings = { ...settings, experimental: names(value) };
    else if (key === 'error') settings = { ...settings, error: /^(1|t|true)$/i.test(value) };
  }
  return settings;
}

/** What one instruction skips is skipped besides what the file skips. Who asks for an experimental rule gets it, whatever is skipped. */
export function isReported(rule: LintRule, ...settings: readonly CheckSettings[]): boolean {
  if (EXPERIMENTAL.has(rule)) return settings.some(({ experimental }) => includes(experimental, rule));
  return !settings.some(({ skip }) => includes(skip, rule));
}

function includes(named: ReadonlySet<string> | 'all', rule: LintRule): boolean {
  return named === 'all' || named.has(rule.toLowerCase());
}

function names(value: string): ReadonlySet<string> | 'all' {
  const listed = value.split(',').map((name) => name.trim().toLowerCase());
  return listed.includes('all') ? 'all' : new Set(listed.filter((name) => name !== ''));
}
