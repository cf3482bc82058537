/** The `--name=value` words before an instruction's arguments: taking them off the line, and checking them. */
import { invalid, quoted, suggest } from './problems.js';
import { isSpace } from './text.js';

/**
 * Leading words that begin with `--`, quotes and escapes removed, and what follows them. A bare `--` ends them. As in
 * BuildKit the escape is the backslash, in quotes of both kinds and whatever the directive says.
 */
export function takeFlags(text: string): { flags: readonly string[]; rest: string } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isSpace(text.charAt(at))) at++;
    if (!text.startsWith('--', at)) return { flags, rest: text.slice(at) };
    let word = '';
    let quote: string | undefined;
    for (; at < text.length; at++) {
      const char = text.charAt(at);
      if (quote === undefined && isSpace(char)) break;
      if (char === quote) quote = undefined;
      else if (quote === undefined && (char === "'" || char === '"')) quote = char;
      else if (char === '\\') word += text.charAt(++at);
      else word += char;
    }
    if (word === '--') return { flags, rest: text.slice(at) };
    flags.push(word);
  }
}

/** `list` may be given more than once. */
export type FlagKind = 'string' | 'boolean' | 'list';

export class Flags {
  private readonly values = new Map<string, string[]>();

  /** Throws `dockerfile_invalid` for an unknown, repeated or malformed flag. */
  constructor(
    flags: readonly string[],
    kinds: Readonly<Record<string, FlagKind>>,
    keyword: string,
    where: string,
  ) {
    for (const flag of flags) {
      const equals = flag.indexOf('=');
      const name = flag.slice(2, equals < 0 ? undefined : equals);
      const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
      if (kind === undefined) {
        const known = Object.keys(kinds).map((each) => `--${each}`);
        throw invalid(
          where,
          `${keyword} has no flag ${quoted(`--${name}`)}`,
          known.length === 0
            ? `${keyword} takes no flags`
            : suggest(`--${name}`, known, `flags of ${keyword}`),
        );
      }
      const given = this.values.get(name);
      if (given !== undefined && kind !== 'list') throw invalid(where, `the flag --${name} is given twice`);
      if (equals < 0 && kind !== 'boolean') {
        throw invalid(
          where,
          `the flag --${name} needs a value`,
          `write --${name}=VALUE, with an equals sign`,
        );
      }
      const value = equals < 0 ? 'true' : flag.slice(equals + 1);
      if (kind === 'boolean' && !/^(true|false)$/i.test(value)) {
        throw invalid(where, `--${name} must be true or false, not ${quoted(value)}`);
      }
      this.values.set(name, [...(given ?? []), value]);
    }
  }

  /** Absent and empty are the same, as in Docker. */
  text(name: string): string | undefined {
    return this.values.get(name)?.[0] || undefined;
  }

  /** All values, empty ones too. */
  list(name: string): readonly string[] {
    return this.values.get(name) ?? [];
  }

  /** Undefined when the flag is not there. */
  boolean(name: string): boolean | undefined {
    const value = this.values.get(name)?.[0];
    return value === undefined ? undefined : value.toLowerCase() === 'true';
  }

  isSet(name: string): boolean {
    const values = this.values.get(name);
    return values !== undefined && values[0]?.toLowerCase() !== 'false';
  }
}
