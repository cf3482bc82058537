import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ignoreFiles, parseIgnore } from '../../src/dockerfile/ignore.js';
import { hint, problem } from './support.js';

describe('one pattern', () => {
  it.each([
    ['**', 'file', true],
    ['**/', 'file', true],
    ['**', 'dir/file', true],
    ['**/**', 'dir/file', true],
    ['dir/**', 'dir/file', true],
    ['dir/**', 'dir/dir2/file', true],
    ['dir/**', 'dir', false],
    ['**/dir', 'dir', true],
    ['**/dir', 'dir/file', true],
    ['**/dir', 'mydir', false],
    ['**/dir2/*', 'dir/dir2/file', true],
    ['**/dir2/**', 'dir/dir2/dir3/file', true],
    ['**file', 'file', true],
    ['**file', 'dir/file', true],
    ['**file', 'dir/myfile', true],
    ['**/file', 'dir/dir/file', true],
    ['**/file*', 'dir/dir/file.txt', true],
    ['**/file*txt', 'dir/dir/file.txt', true],
    ['**/file*.txt*', 'dir/dir/file.txt', true],
    ['**/**/*.txt', 'dir/dir/file.txt', true],
    ['**/**/*.txt2', 'dir/dir/file.txt', false],
    ['**/*.txt', 'file.txt', true],
    ['**/**/*.txt', 'file.txt', true],
    ['a**/*.txt', 'a/file.txt', true],
    ['a**/*.txt', 'a/dir/dir/file.txt', true],
    ['a/*.txt', 'a/dir/file.txt', false],
    ['a/*.txt', 'a/file.txt', true],
    ['a/*.txt**', 'a/file.txt', true],
    ['a[b-d]e', 'ae', false],
    ['a[b-d]e', 'ace', true],
    ['a[b-d]e', 'aae', false],
    ['a[^b-d]e', 'aze', true],
    ['a[!b]e', 'abe', true],
    ['.*', '.foo', true],
    ['.*', 'foo', false],
    ['abc.def', 'abcZdef', false],
    ['abc?def', 'abcZdef', true],
    ['abc?def', 'abcdef', false],
    ['abc?def', 'abc/def', false],
    ['**/foo/bar', 'dir/dir2/foo/bar', true],
    ['abc/**', 'abc', false],
    ['**/.foo', 'bar.foo', false],
    ['a(b)c/def', 'a(b)c/def', true],
    ['a.|)$(}+{bc', 'a.|)$(}+{bc', true],
    ['dist/*.whl', 'dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl', true],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'aab', false],
    ['node_modules', 'node_modules', true],
    ['node_modules', 'node_modules/a/b.js', true],
    ['node_modules', 'web/node_modules/a.js', false],
    ['*', 'a', true],
    ['*', 'a/b', true],
    ['*.md', 'docs/a.md', false],
    ['/build', 'build/x', true],
    ['./build/', 'build', true],
    ['a//b/../c', 'a/c', true],
    ['../x', 'x', false],
    ['/', 'x', false],
    ['.', 'x', false],
    ['a?b', 'a☺b', true],
    ['[a-ζ]*', 'α', true],
    ['*c', 'abc', true],
    ['a*b*c*d*e*/f', 'axbxcxdxe/f', true],
    ['a*b*c*d*e*/f', 'axbxcxdxe/xxx/f', false],
    ['a*b?c*x', 'abxbbxdbxebxczzx', true],
    ['[\\]a]', ']', true],
    ['[x\\-]', '-', true],
  ])('%j and %j: %j', (pattern, path, expected) => expect(parseIgnore(pattern).ignores(path)).toBe(expected));

  it.each(['[', '[^', '[^bc', 'a[', '[]a]', '[-]', '[x-]', '[-x]', '[a-b-c]', '\\', 'a\\', '[z-a]'])(
    '%j is refused with its line',
    (pattern) => {
      expect(problem(() => parseIgnore(`ok\n${pattern}`))).toMatch(
        /^dockerfile_invalid \.dockerignore:2: .*not a pattern/,
      );
    },
  );
});

describe('a whole file', () => {
  it.each([
    ['the last match decides', '*.md\n!README.md', 'README.md', false],
    ['an exception before its pattern is lost', '!README.md\n*.md', 'README.md', true],
    ['a directory takes what is below', 'docs', 'docs/README.md', true],
    ['an exception brings back from a directory', 'docs\n!docs/README.md', 'docs/README.md', false],
    ['and leaves its neighbours out', 'docs\n!docs/README.md', 'docs/other', true],
    ['an excepted directory takes what is below', '**\n!util/docker/web', 'util/docker/web/foo', false],
    ['until a later pattern', '**\n!util/docker/web\nutil/docker/web/foo', 'util/docker/web/foo', true],
    ['a comment is no pattern', '# a\n#b', '#b', false],
    ['an indented # is one', '  #b', '#b', true],
    ['blanks around are cut', '  a  ', 'a', true],
    ['blanks after ! are cut', 'a*\n!  ab', 'ab', false],
    ['line ends may be CRLF', 'a\r\nb\r\n', 'b', true],
    ['a BOM is cut', '\ufeffa', 'a', true],
    ['empty lines do nothing', '\n\n\n', 'a', false],
    ['an exception with a slash', '**\n!/src/', 'src/a', false],
  ])('%s', (_, text, path, expected) => expect(parseIgnore(text).ignores(path)).toBe(expected));

  it('never ignores the root', () => expect(parseIgnore('**').ignores('')).toBe(false));

  it('refuses a lone !', () => {
    expect(problem(() => parseIgnore('a\n!\n'))).toBe(
      'dockerfile_invalid .dockerignore:2: a ! without a pattern',
    );
  });

  it('says how a bracket is meant', () => expect(hint(() => parseIgnore('['))).toContain('\\['));

  it("is the Dockerfile's own before the common one", () => {
    expect(ignoreFiles('deploy/web.Dockerfile')).toEqual([
      'deploy/web.Dockerfile.dockerignore',
      '.dockerignore',
    ]);
  });
});

describe('a directory as a whole', () => {
  it.each([
    ['no pattern', '', 'src', false],
    ['a name elsewhere', 'node_modules', 'src', false],
    ['a name at the root', 'node_modules', '', true],
    ['any depth', '**/node_modules', 'src', true],
    ['a wildcard at the root', '*.md', 'src', false],
    ['a wildcard in it', 'src/*.md', 'src', true],
    ['a wildcard below it', 'src/*/x', 'src/a', true],
    ['not that deep', 'src/*', 'src/a', false],
    ['a longer path', 'src/a/b', 'src', true],
    ['another name with the same start', 'src2/a', 'src', false],
    ['a wholly ignored one', 'src', 'src', false],
    ['a wholly ignored one with an exception', 'src\n!src/keep', 'src', true],
    ['an exception elsewhere', 'src\n!lib/keep', 'src', false],
    ['an exception before', '!src/keep\nsrc', 'src', false],
    ['all but one', '**\n!src', 'src', false],
    ['all but one, seen from outside', '**\n!src', 'lib', false],
    ['all but one, seen from the root', '**\n!src', '', true],
    ['a pattern that says what holds anyway', '**\n!src\n!src/a', 'src', false],
  ])('%s: %j may differ below %j: %j', (_, text, directory, expected) => {
    expect(parseIgnore(text).canMatchBelow(directory)).toBe(expected);
  });

  it('is taken by its id only if every path below has its answer', () => {
    const name = fc.constantFrom('a', 'b', 'ab', 'c.md');
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    const piece = fc.constantFrom('a', 'b', '*', '**', '?', 'a*', '*.md', '[ab]', '[^a]');
    const pattern = fc
      .tuple(fc.constantFrom('', '!'), fc.array(piece, { minLength: 1, maxLength: 4 }))
      .map(([sign, parts]) => sign + parts.join('/'));
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 5 }), path, path, (patterns, directory, below) => {
        const matcher = parseIgnore(patterns.join('\n'));
        if (matcher.canMatchBelow(directory)) return;
        expect(matcher.ignores(`${directory}/${below}`)).toBe(matcher.ignores(directory));
      }),
      { numRuns: 3000 },
    );
  });
});

describe('agreement with a regular expression', () => {
  /** moby/patternmatcher's own way: the pattern as a regular expression, on the path and each directory above it. */
  function expected(pattern: string, path: string): boolean {
    const source = pattern
      .replaceAll(/[.+()|{}$]/g, '\\$&')
      .replaceAll(/\*\*\/?|\*|\?/g, (wildcard, at: number) => {
        if (wildcard === '*') return '[^/]*';
        if (wildcard === '?') return '[^/]';
        return at + wildcard.length === pattern.replaceAll(/[.+()|{}$]/g, '\\$&').length ? '.*' : '(.*/)?';
      });
    const parts = path.split('/');
    return parts.some((_, index) => new RegExp(`^${source}$`).test(parts.slice(0, index + 1).join('/')));
  }

  it('holds for patterns made of names and wildcards', () => {
    const piece = fc.constantFrom('a', 'b', 'ab', '*', '?', 'a*', '*b', '**', 'a.b');
    const pattern = fc.array(piece, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
    const name = fc.constantFrom('a', 'b', 'ab', 'aab', 'a.b', 'axb');
    const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
    fc.assert(
      fc.property(pattern, path, (text, file) => {
        expect(parseIgnore(text).ignores(file)).toBe(expected(text, file));
      }),
      { numRuns: 3000 },
    );
  });
});
