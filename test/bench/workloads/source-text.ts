/** Text that looks like a program's source, and that gzip makes three to four times smaller, as it does with real source. */
import { Random } from './random.js';

const SYLLABLES =
  'read write open close list find make send take hold path file line name node tree size time'.split(' ');
const NAMES = vocabulary(5000);
const INDENTS = ['', '  ', '  ', '    ', '    ', '      '];

/** `bytes` of it; the last line is cut. */
export function sourceText(random: Random, bytes: number): string {
  const lines: string[] = [];
  for (let length = 0; length < bytes; ) {
    const line = `${INDENTS[random.below(INDENTS.length)]}${statement(random)}\n`;
    lines.push(line);
    length += line.length;
  }
  return lines.join('').slice(0, bytes);
}

function statement(random: Random): string {
  const name = (): string => NAMES[random.skewed(NAMES.length)] ?? '';
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
  const syllable = (): string => SYLLABLES[random.below(SYLLABLES.length)] ?? '';
  const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
  return Array.from({ length: count }, (_, index) =>
    index % 3 === 0
      ? syllable() + capital(syllable())
      : syllable() + capital(syllable()) + capital(syllable()),
  );
}
