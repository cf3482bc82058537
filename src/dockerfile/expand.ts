/**
 * Variables in an instruction's words: `$x`, `${x:-w}` and the other forms, with quotes and escapes. The same lexer, set
 * to keep everything, splits a line into shell words to find heredocs (heredoc.ts). Follows BuildKit's shell lexer,
 * with two differences: a replacement in `${x//p/r}` is literal (there `$1` has a meaning of its own by accident),
 * and what an instruction expands to is bounded.
 */
import { invalid, quoted } from './problems.js';
import { parsePattern, replace, type StepBudget, trimPrefix, trimSuffix } from './substitute.js';
import type { EscapeCharacter } from './syntax.js';
import { isSpace } from './text.js';

/** A step of `ENV a=$a$a` doubles; without a bound a short file fills the memory. */
const MAX_EXPANDED_CHARS = 1024 * 1024;
const MAX_STEPS = 2_000_000;
const MAX_NESTING = 50;

/** What one instruction may still produce. Make one for each instruction. */
export class ExpansionBudget implements StepBudget {
  private chars = MAX_EXPANDED_CHARS;
  private steps = MAX_STEPS;
  private readonly where: string;

  constructor(where: string) {
    this.where = where;
  }

  spend(steps: number): void {
    this.steps -= steps;
    if (this.steps < 0) throw invalid(this.where, 'a pattern in a substitution takes too long to match');
  }

  produce(text: string): string {
    this.chars -= text.length;
    if (this.chars < 0) {
      throw invalid(
        this.where,
        'the variables of this instruction expand to more than 1 MiB',
        'shorten the values',
      );
    }
    return text;
  }
}

export interface Expansion {
  readonly env: ReadonlyMap<string, string>;
  readonly escape: EscapeCharacter;
  /** `Dockerfile:7`, for errors. */
  readonly where: string;
  readonly budget: ExpansionBudget;
  /** Heredoc bodies: quotes are data. */
  readonly keepQuotes?: boolean;
}

/** Expands to one word, whatever blanks the values hold. Throws `dockerfile_invalid`. */
export function expandWord(word: string, expansion: Expansion): string {
  return expanding(word, expansion).run().text;
}

/** Expands and splits at blanks that are not quoted: EXPOSE. Throws `dockerfile_invalid`. */
export function expandWords(word: string, expansion: Expansion): readonly string[] {
  return expanding(word, expansion).run().words;
}

function expanding(word: string, expansion: Expansion): WordLexer {
  return new WordLexer(word, {
    escape: expansion.escape,
    lookUp: (name) => expansion.env.get(name),
    budget: expansion.budget,
    fail: (message) => invalid(expansion.where, `${message} in ${quoted(word)}`),
    keepQuotes: expansion.keepQuotes ?? false,
  });
}

export interface LexerSettings {
  readonly escape: EscapeCharacter;
  readonly lookUp: (name: string) => string | undefined;
  readonly budget: ExpansionBudget;
  readonly fail: (message: string) => Error;
  /** Quotes are ordinary characters. */
  readonly keepQuotes?: boolean;
  /** Quotes quote, and stay in the result. */
  readonly rawQuotes?: boolean;
  /** Escapes escape, and stay in the result. */
  readonly rawEscapes?: boolean;
  /** `$x` without a value stays `$x`. */
  readonly keepUnset?: boolean;
  /** Blanks after an unquoted `<<` belong to the word. */
  readonly heredocs?: boolean;
}

class Words {
  readonly done: string[] = [];
  private word = '';

  /** Unquoted text: a blank ends the word. */
  add(text: string): void {
    for (const char of text) {
      if (!isSpace(char)) this.word += char;
      else this.end();
    }
  }

  addRaw(text: string): void {
    this.word += text;
  }

  end(): readonly string[] {
    if (this.word !== '') this.done.push(this.word);
    this.word = '';
    return this.done;
  }
}

const NAME = /[\p{L}\p{Nd}_]+/uy;
const DIGITS = /\p{Nd}+/uy;
const SPECIAL_PARAMETERS = '@*#?-$!0';

export class WordLexer {
  private readonly source: string;
  private readonly settings: LexerSettings;
  private at = 0;
  private rawEscapes: boolean;
  private depth = 0;

  constructor(source: string, settings: LexerSettings) {
    this.source = source;
    this.settings = settings;
    this.rawEscapes = settings.rawEscapes ?? false;
  }

  run(): { readonly text: string; readonly words: readonly string[] } {
    return this.until(undefined, this.rawEscapes);
  }

  /** Reads up to an unquoted `stop` and past it, or to the end when there is none to look for. */
  private until(stop: string | undefined, rawEscapes: boolean): { text: string; words: readonly string[] } {
    if (++this.depth > MAX_NESTING)
      throw this.settings.fail(`substitutions are nested deeper than ${MAX_NESTING}`);
    const outer = this.rawEscapes;
    this.rawEscapes = rawEscapes;
    const words = new Words();
    let text = '';
    for (;;) {
      const char = this.peek();
      if (char === '') {
        if (stop !== undefined) throw this.settings.fail(`a ${stop} is missing`);
        break;
      }
      if (char === stop) {
        this.at++;
        break;
      }
      if (char === '$') {
        const value = this.dollar();
        text += value;
        words.add(value);
      } else if (!this.settings.keepQuotes && (char === "'" || char === '"')) {
        const value = char === "'" ? this.singleQuotes() : this.doubleQuotes();
        text += value;
        words.addRaw(value);
      } else if (char === '<' && this.settings.heredocs && this.source.startsWith('<<', this.at)) {
        const start = this.at;
        this.at += 2;
        while (isSpace(this.peek())) this.at++;
        const value = this.source.slice(start, this.at);
        text += value;
        words.addRaw(value);
      } else if (char === this.settings.escape) {
        const value = this.escaped();
        text += value;
        words.addRaw(value);
      } else {
        this.at++;
        text += char;
        words.add(char);
      }
    }
    this.rawEscapes = outer;
    this.depth--;
    return { text, words: words.end() };
  }

  private escaped(): string {
    const character = this.next();
    return (this.rawEscapes ? character : '') + this.next();
  }

  private singleQuotes(): string {
    const end = this.source.indexOf("'", this.at + 1);
    if (end < 0) throw this.settings.fail("a closing ' is missing");
    const inside = this.source.slice(this.at + 1, end);
    this.at = end + 1;
    return this.settings.rawQuotes ? `'${inside}'` : inside;
  }

  private doubleQuotes(): string {
    const quote = this.settings.rawQuotes ? '"' : '';
    this.at++;
    let text = quote;
    for (;;) {
      const char = this.peek();
      if (char === '') throw this.settings.fail('a closing " is missing');
      if (char === '"') {
        this.at++;
        return text + quote;
      }
      if (char === '$') {
        text += this.dollar();
        continue;
      }
      this.at++;
      if (char !== this.settings.escape) {
        text += char;
        continue;
      }
      if (this.rawEscapes) text += char;
      const after = this.peek();
      // An escape at the very end is dropped; the missing quote is reported next.
      if (after === '') continue;
      text += after === '"' || after === '$' || after === this.settings.escape ? this.next() : char;
    }
  }

  /** A substitution's value. Paid for at once: a line of references to a long value never becomes a string. */
  private dollar(): string {
    return this.settings.budget.produce(this.substitution());
  }

  private substitution(): string {
    this.at++;
    if (this.peek() !== '{') {
      const name = this.name();
      if (name === '') return '$';
      return this.settings.lookUp(name) ?? (this.settings.keepUnset ? `$${name}` : '');
    }
    this.at++;
    const first = this.peek();
    if (first === '') throw this.settings.fail('a } is missing');
    if (first === '{' || first === '}' || first === ':') throw this.settings.fail('bad substitution');
    const name = this.name();
    const operator = this.next();
    switch (operator) {
      case '}':
        return this.settings.lookUp(name) ?? (this.settings.keepUnset ? `\${${name}}` : '');
      case ':':
        return this.modified(name, this.next(), true);
      case '/':
        return this.replaced(name);
      default:
        return this.modified(name, operator, false);
    }
  }

  private modified(name: string, modifier: string, nullIsUnset: boolean): string {
    const shown = `${nullIsUnset ? ':' : ''}${modifier}`;
    const trims = modifier === '#' || modifier === '%';
    if (modifier === '' || !'+-?#%'.includes(modifier) || (trims && nullIsUnset)) {
      throw this.settings.fail(modifier === '' ? 'a } is missing' : `unsupported modifier (${shown})`);
    }
    const word = this.until('}', trims).text;
    const value = this.settings.lookUp(name);
    if (value === undefined && this.settings.keepUnset) return `\${${name}${shown}${word}}`;
    const missing = value === undefined || (nullIsUnset && value === '');
    switch (modifier) {
      case '-':
        return missing ? word : value;
      case '+':
        return missing ? '' : word;
      case '?':
        if (!missing) return value;
        throw this.settings.fail(`${name}: ${word || (value === undefined ? 'is not set' : 'is empty')}`);
      default: {
        const longest = word.startsWith(modifier);
        const pattern = this.pattern(longest ? word.slice(1) : word);
        return (modifier === '#' ? trimPrefix : trimSuffix)(
          value ?? '',
          pattern,
          longest,
          this.settings.budget,
        );
      }
    }
  }

  private replaced(name: string): string {
    const all = this.peek() === '/';
    if (all) this.at++;
    const pattern = this.until('/', true).text;
    const replacement = this.until('}', true).text;
    const value = this.settings.lookUp(name);
    if (value === undefined && this.settings.keepUnset)
      return `\${${name}/${all ? '/' : ''}${pattern}/${replacement}}`;
    // As in BuildKit, escapes stay in a replacement; but for the one that keeps a `$` from being a variable's.
    const literal = replacement.replaceAll('\\$', () => '$');
    return replace(value ?? '', this.pattern(pattern), literal, all, this.settings.budget);
  }

  private pattern(text: string): NonNullable<ReturnType<typeof parsePattern>> {
    const pattern = parsePattern(text);
    if (pattern === undefined) throw this.settings.fail(`invalid escape in the pattern ${quoted(text)}`);
    return pattern;
  }

  private name(): string {
    const char = this.peek();
    const digits = this.take(DIGITS);
    if (digits !== '') return digits;
    if (char !== '' && SPECIAL_PARAMETERS.includes(char)) return this.next();
    return this.take(NAME);
  }

  private take(expression: RegExp): string {
    expression.lastIndex = this.at;
    const found = expression.exec(this.source)?.[0] ?? '';
    this.at += found.length;
    return found;
  }

  /** The character here, '' at the end. Every character that means something is one code unit long. */
  private peek(): string {
    return this.source.charAt(this.at);
  }

  private next(): string {
    const code = this.source.codePointAt(this.at);
    if (code === undefined) return '';
    const char = String.fromCodePoint(code);
    this.at += char.length;
    return char;
  }
}
