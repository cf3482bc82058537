/**
 * Text that is to a compressor what real source code is: gzip makes it about four times smaller, at about the speed at which
 * it takes TypeScript. So there are many different words, and lines that come again as they were.
 */
import { Random } from './random.js';

const WORDS = vocabulary(6000);
const INDENTS = ['', '  ', '  ', '    ', '    ', '      '];
/** Of the lines, so many in a hundred were there before. */
const REPEATED = 45;
/** How far back. */
const REACH = 120;

/** `bytes` of it; the last line is cut. */
export function sourceText(random: Random, bytes: number): string {
  const lines: string[] = [];
  for (let length = 0; length < bytes; ) {
    const isRepeated = lines.length > 8 && random.below(100) < REPEATED;
    const line = isRepeated ? earlier(random, lines) : newLine(random);
    lines.push(line);
    length += line.length;
  }
  return lines.join('').slice(0, bytes);
}

function earlier(random: Random, lines: readonly string[]): string {
  const back = 1 + random.below(Math.min(REACH, lines.length));
  return lines[lines.length - back] ?? '\n';
}

function newLine(random: Random): string {
  return `${INDENTS[random.below(INDENTS.length)]}${statement(random)}\n`;
}

function statement(random: Random): string {
  const name = (): string => WORDS[random.skewed(WORDS.length)] ?? '';
  switch (random.below(9)) {
    case 0:
      return `import { ${name()}, ${name()} } from './${name()}/${name()}.js';`;
    case 1:
      return `const ${name()} = await ${name()}(${name()}, ${random.below(10_000)});`;
    case 2:
      return `if (${name()}.${name()} === undefined) return ${name()};`;
    case 3:
      return `/** The ${name()} of a ${name()}, by its ${name()}; ${random.bits().toString(16)}. */`;
    case 4:
      return `export function ${name()}(${name()}: ${name()}, ${name()}: string): ${name()} {`;
    case 5:
      return `for (const ${name()} of ${name()}.${name()}()) ${name()}.push(${name()});`;
    case 6:
      return `throw new Error(\`${name()}: \${${name()}} has no ${name()}\`);`;
    case 7:
      return `return { ${name()}, ${name()}: ${name()}.${name()}, ${name()}: '${random.bits().toString(36)}' };`;
    default:
      return '}';
  }
}

function vocabulary(count: number): string[] {
  const random = new Random(1);
  const letter = (of: string): string => of[random.below(of.length)] ?? '';
  const syllable = (): string =>
    letter('bcdfghjklmnprstvwz') + letter('aeiou') + (random.below(2) === 0 ? letter('lmnrst') : '');
  const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
  const word = (): string => Array.from({ length: 1 + random.below(3) }, syllable).join('');
  return Array.from({ length: count }, () => (random.below(2) === 0 ? word() : word() + capital(word())));
}
