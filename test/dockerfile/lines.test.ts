import { describe, expect, it } from 'vitest';
import { lexDockerfile } from '../../src/dockerfile/lines.js';
import { parseDockerfile } from '../../src/dockerfile/parse.js';
import { hint, LIMITS, parse, problem } from './support.js';

const lex = (text: string | Uint8Array) => lexDockerfile(text, 'Dockerfile', 1024 * 1024);
const texts = (text: string) => lex(text).instructions.map((each) => each.text);

describe('logical lines', () => {
  it.each([
    ['one a line', 'FROM a\nRUN b', ['FROM a', 'RUN b']],
    ['CRLF', 'FROM a\r\nRUN b\r\n', ['FROM a', 'RUN b']],
    ['blanks before an instruction', '  \tRUN b', ['RUN b']],
    ['blanks after one', 'RUN b  \t', ['RUN b']],
    ['a BOM', '\ufeffFROM a', ['FROM a']],
    ['comments', '# x\nRUN a # b\n  # c', ['RUN a # b']],
    ['a continuation joins with nothing', 'RUN a\\\nb', ['RUN ab']],
    ['blanks on a continuation line stay', 'RUN a \\\n    b', ['RUN a     b']],
    ['blanks after the escape', 'RUN a \\ \t \nb', ['RUN a b']],
    ['an escaped escape does not continue', 'RUN a \\\\\nRUN b', ['RUN a \\\\', 'RUN b']],
    ['an escape on its own line', 'RUN a \\\n\\\nb', ['RUN a b']],
    ['comments in a continuation', 'RUN a \\\n# c\n  # d\n b', ['RUN a  b']],
    ['empty lines in a continuation', 'RUN a \\\n\n   \n b', ['RUN a  b']],
    ['a comment that ends in an escape', '# a \\\nRUN b', ['RUN b']],
    ['a continuation at the end', 'RUN a \\', ['RUN a']],
    ['a continuation with CRLF', 'RUN a \\\r\n b\r\n', ['RUN a  b']],
    ['an escape before an instruction', '\\\nRUN a', ['RUN a']],
    ['a tab after the keyword', 'RUN\ta', ['RUN\ta']],
    ['empty lines', '\n\n\nRUN a\n\n', ['RUN a']],
    ['only an escape', '\\\n\\\n', []],
    ['a continuation over a heredoc mark', 'RUN a \\\n <<E\nx\nE\nRUN b', ['RUN a  <<E', 'RUN b']],
  ])('%s', (_, text, expected) => expect(texts(text)).toEqual(expected));

  it('know their physical lines', () => {
    const text = '# c\nFROM a\n\nRUN b \\\n# c\n  c\nCOPY <<E /\nx\nE\nRUN d \\\n';
    expect(lex(text).instructions.map((each) => each.lines)).toEqual([
      { start: 2, end: 2 },
      { start: 4, end: 6 },
      { start: 7, end: 9 },
      { start: 10, end: 10 },
    ]);
  });

  it('give keyword and rest, the keyword in upper case', () => {
    expect(lex('run  echo  a').instructions[0]).toMatchObject({ keyword: 'RUN', rest: 'echo  a', flags: [] });
  });
});

describe('flags', () => {
  it.each([
    ['COPY --from=a b c', ['--from=a'], 'b c'],
    ['COPY --from=a --link b c', ['--from=a', '--link'], 'b c'],
    ['RUN -- --x', [], '--x'],
    ['RUN --a=b -- --x', ['--a=b'], '--x'],
    ['RUN --mount=type=bind,source="a b" c', ['--mount=type=bind,source=a b'], 'c'],
    ["RUN --a='b c' d", ['--a=b c'], 'd'],
    ['RUN --a=b\\ c d', ['--a=b c'], 'd'],
    ['RUN --a="b\\"c" d', ['--a=b"c'], 'd'],
    ['RUN -x --y', [], '-x --y'],
    ['RUN a --y', [], 'a --y'],
    ['RUN --only', ['--only'], ''],
    ['RUN --a="open b', ['--a=open b'], ''],
  ])('%s', (text, flags, rest) => expect(lex(text).instructions[0]).toMatchObject({ flags, rest }));
});

describe('directives', () => {
  it.each([
    ['# escape=`\nFROM a', { escape: '`' }],
    ['# escape = `\nFROM a', { escape: '`' }],
    ['#ESCAPE=`\nFROM a', { escape: '`' }],
    ['  # escape=`\nFROM a', { escape: '`' }],
    ['# syntax=docker/dockerfile:1\n# escape=`\nFROM a', { escape: '`', syntax: 'docker/dockerfile:1' }],
    ['# check=skip=all;error=true\nFROM a', { escape: '\\', check: 'skip=all;error=true' }],
    ['# syntax=docker/dockerfile:1.7-labs\r\nFROM a', { escape: '\\', syntax: 'docker/dockerfile:1.7-labs' }],
    ['# plain\n# escape=`\nFROM a', { escape: '\\' }],
    ['# unknown=x\n# escape=`\nFROM a', { escape: '\\' }],
    ['\n# escape=`\nFROM a', { escape: '\\' }],
    ['FROM a\n# escape=`', { escape: '\\' }],
    ['# escape=\nFROM a', { escape: '\\' }],
    ['\ufeff# escape=`\nFROM a', { escape: '`' }],
    ['# syntax=docker/dockerfile-upstream:master\nFROM a', { syntax: 'docker/dockerfile-upstream:master' }],
    ['# syntax=registry.example.com:5000/docker/dockerfile@sha256:abc\nFROM a', {}],
  ])('%j', (text, expected) => expect(lex(text).directives).toMatchObject(expected));

  it('use the escape character everywhere', () => {
    expect(texts('# escape=`\nRUN a `\n b\nRUN c:\\\nRUN d')).toEqual(['RUN a  b', 'RUN c:\\', 'RUN d']);
  });

  it.each([
    ['# escape=x\nFROM a', 'dockerfile_invalid Dockerfile:1: "x" cannot be the escape character'],
    [
      '# escape=`\n# escape=`\nFROM a',
      'dockerfile_invalid Dockerfile:2: the directive escape is given twice',
    ],
    [
      '# syntax=a/b\nFROM a',
      'dockerfile_unsupported Dockerfile:1: the syntax "a/b" is not the Dockerfile syntax',
    ],
  ])('%j is refused', (text, message) => expect(problem(() => lex(text))).toBe(message));
});

describe('heredocs', () => {
  const heredocs = (text: string) => lex(text).instructions[0]?.heredocs;

  it.each([
    ['RUN <<E\na\n b\nE', [{ name: 'E', expand: true, chomp: false, content: 'a\n b\n' }]],
    ['RUN <<-E\n\ta\n\tE', [{ name: 'E', expand: true, chomp: true, content: '\ta\n' }]],
    ['RUN <<"E"\nE', [{ name: 'E', expand: false, chomp: false, content: '' }]],
    ["RUN <<'E'\nE", [{ name: 'E', expand: false, chomp: false, content: '' }]],
    ['RUN <<E"O"F\nEOF', [{ name: 'EOF', expand: false, chomp: false, content: '' }]],
    ["RUN <<'one two'\none two", [{ name: 'one two', expand: false, chomp: false, content: '' }]],
    ['RUN 3<<E\nE', [{ name: 'E', expand: true, chomp: false, content: '' }]],
    ['RUN << E\nE', [{ name: 'E', expand: true, chomp: false, content: '' }]],
    ['RUN <<$E\n$E', [{ name: '$E', expand: true, chomp: false, content: '' }]],
    [
      'RUN cat <<A <<B\na\nA\nb\nB',
      [
        { name: 'A', content: 'a\n' },
        { name: 'B', content: 'b\n' },
      ],
    ],
    ['RUN <<A cat >1 && <<B cat >2\na\nA\nb\nB', [{ name: 'A' }, { name: 'B' }]],
    ['RUN <<E\r\na\r\nE\r\n', [{ name: 'E', content: 'a\r\n' }]],
    ['RUN <<E\n# data\n\\\nE', [{ name: 'E', content: '# data\n\\\n' }]],
    [
      'COPY <<a <<b /\n1\na\n2\nb',
      [
        { name: 'a', content: '1\n' },
        { name: 'b', content: '2\n' },
      ],
    ],
    ['ONBUILD RUN <<E\na\nE', [{ name: 'E', content: 'a\n' }]],
  ])('%j', (text, expected) => expect(heredocs(text)).toMatchObject(expected));

  it.each([
    'RUN cat <<<word',
    'RUN cat<<E',
    'RUN echo "it is <<E',
    "RUN echo '<<E'",
    'RUN echo "<<E"',
    'RUN echo $((1<<2))',
    'RUN ["a", "<<E"]',
    'ENV a=<<E',
    'CMD <<E',
    'RUN a <<',
  ])('%j announces none', (text) => expect(heredocs(text)).toEqual([]));

  it('must end', () => {
    expect(problem(() => lex('FROM a\nRUN <<E\nx'))).toBe(
      'dockerfile_invalid Dockerfile:2: the heredoc <<E has no end',
    );
    expect(hint(() => lex('RUN <<E\nx'))).toContain('write E alone on a line');
  });

  it('leave the line after their end to the next instruction', () => {
    expect(texts('RUN <<E\nRUN inner\nE\nRUN outer')).toEqual(['RUN <<E', 'RUN outer']);
  });
});

describe('a file that cannot be read', () => {
  it.each([
    ['', 'Dockerfile: the Dockerfile has no instructions'],
    ['\n  \n# only a comment\n', 'Dockerfile: the Dockerfile has no instructions'],
    ['ARG a=1', 'Dockerfile: the Dockerfile has no FROM'],
    ['RUN a', 'Dockerfile:1: RUN stands before the first FROM'],
    ['ARG a\nENV b=c\nFROM d', 'Dockerfile:2: ENV stands before the first FROM'],
    [`FROM a\nRUN ${'x'.repeat(70_000)}`, 'Dockerfile:2: the line is longer than 65535 bytes'],
    ['FROM a\nRUN \0', 'Dockerfile:2: the line holds a NUL byte'],
    [Uint8Array.from([0x46, 0x0a, 0xff, 0xfe]), 'Dockerfile:2: the line is not UTF-8'],
  ])('%j', (text, message) => expect(problem(() => parse(text))).toBe(`dockerfile_invalid ${message}`));

  it('may be as long as the limits, and no longer', () => {
    const limits = { dockerfileBytes: 60, instructions: 3, stages: 2 };
    const check = (text: string) => parseDockerfile(text, 'D', limits);
    expect(check('FROM a\nRUN b\nRUN c').stages).toHaveLength(1);
    expect(check('FROM a\nFROM b').stages).toHaveLength(2);
    expect(problem(() => check(`FROM a${' '.repeat(60)}`))).toBe(
      'dockerfile_invalid D: the Dockerfile has 66 bytes; the limit is 60',
    );
    expect(problem(() => check('FROM a\nRUN b\nRUN c\nRUN d'))).toBe(
      'dockerfile_invalid D:4: the Dockerfile has 4 instructions; the limit is 3',
    );
    expect(problem(() => check('FROM a\nFROM b\nFROM c'))).toBe(
      'dockerfile_invalid D:3: the Dockerfile has more than 2 stages',
    );
  });

  it('does not take long to say so', () => {
    const spaces = ' '.repeat(65_000);
    const line = `RUN a${spaces}b\n`;
    expect(parseDockerfile(`FROM a\n${line.repeat(15)}`, 'D', LIMITS).stages[0]!.instructions).toHaveLength(
      15,
    );
    expect(parseDockerfile(`FROM a\nRUN a${'\r'.repeat(65_000)}b`, 'D', LIMITS).stages).toHaveLength(1);
  });
});
