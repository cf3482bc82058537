/**
 * Any tree, any ignore file: what is left of a context is what moby/patternmatcher leaves (written down here anew, by its
 * own way of regular expressions), and it is the same whether the files come from a commit or from a directory.
 */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildContext } from '../../src/build/context/context.js';
import { openDirectoryContext } from '../../src/build/context/directory-context.js';
import { GitContext } from '../../src/build/context/git-context.js';
import { plainSelector } from '../../src/build/copy/copy-source.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { parseIgnore } from '../../src/dockerfile/ignore.js';
import { ObjectReader } from '../../src/git/objects.js';
import { temporaryDirectory } from '../support/directories.js';
import { git } from '../support/repository.js';

interface Pattern {
  readonly exception: boolean;
  readonly matches: (path: string) => boolean;
}

/** ignorefile.ReadAll and patternmatcher.New. */
function patternsOf(text: string): Pattern[] {
  const found: Pattern[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    let pattern = index === 0 ? line.replace(/^\ufeff/, '') : line;
    if (pattern.startsWith('#')) continue;
    pattern = pattern.trim();
    if (pattern === '') continue;
    const exception = pattern.startsWith('!');
    if (exception) pattern = pattern.slice(1).trim();
    pattern = posix.normalize(pattern).replace(/(.)\/$/, '$1');
    if (pattern.length > 1 && pattern.startsWith('/')) pattern = pattern.slice(1);
    found.push({ exception, matches: compile(pattern) });
  }
  return found;
}

/** Pattern.compile and Pattern.match. */
function compile(pattern: string): Pattern['matches'] {
  let kind: 'exact' | 'prefix' | 'suffix' | 'regexp' = 'exact';
  let source = '^';
  let at = 0;
  for (let index = 0; at < pattern.length; index++) {
    const char = pattern[at++] ?? '';
    if (char === '*' && pattern[at] === '*') {
      at++;
      if (pattern[at] === '/') at++;
      if (at < pattern.length) {
        source += '(.*/)?';
        kind = 'regexp';
      } else if (kind === 'exact') {
        kind = 'prefix';
      } else {
        source += '.*';
        kind = 'regexp';
      }
      if (index === 0) kind = 'suffix';
    } else if (char === '*' || char === '?') {
      source += char === '*' ? '[^/]*' : '[^/]';
      kind = 'regexp';
    } else if ('.+()|{}$'.includes(char)) {
      source += `\\${char}`;
    } else if (char === '\\') {
      source += `\\${pattern[at++] ?? '\\'}`;
      kind = 'regexp';
    } else {
      if (char === '[' || char === ']') kind = 'regexp';
      source += char;
    }
  }
  const regexp = kind === 'regexp' ? new RegExp(`${source}$`, 's') : undefined;
  return (path) => {
    if (regexp !== undefined) return regexp.test(path);
    if (kind === 'prefix') return path.startsWith(pattern.slice(0, -2));
    if (kind === 'exact') return path === pattern;
    const suffix = pattern.slice(2);
    return path.endsWith(suffix) || (suffix.startsWith('/') && path === suffix.slice(1));
  };
}

/** MatchesOrParentMatches. */
function isIgnored(patterns: readonly Pattern[], path: string): boolean {
  const parts = path.split('/');
  let ignored = false;
  for (const { exception, matches } of patterns) {
    if (exception !== ignored) continue;
    if (parts.some((_, index) => matches(parts.slice(0, index + 1).join('/')))) ignored = !exception;
  }
  return ignored;
}

type Leaf = { readonly text: string; readonly mode: 0o644 | 0o755 } | { readonly link: string };
interface Selected {
  readonly name: string;
  readonly at: string;
  readonly type: string;
  readonly mode: number;
  readonly linkname: string | undefined;
}

type Tree = ReadonlyMap<string, Leaf>;

/** What is left: what is not ignored, and the directories above it. */
function leftOf(tree: Tree, text: string): string[] {
  const patterns = patternsOf(text);
  const left = new Set<string>();
  const keep = (path: string): void => {
    for (let at = path; at !== '.'; at = dirname(at)) left.add(at);
  };
  for (const path of tree.keys()) {
    for (let at = path; at !== '.'; at = dirname(at)) if (!isIgnored(patterns, at)) keep(at);
  }
  return [...left].sort();
}

const name = fc.constantFrom('a', 'b', 'ab', 'a.md', 'b.md', '.a', 'x y', '[a]', 'é', '*', '!a', '#a');
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const leaf: fc.Arbitrary<Leaf> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ text: fc.constantFrom('', '1'), mode: fc.constant(0o644 as const) }) },
  { weight: 1, arbitrary: fc.record({ text: fc.constant('#!'), mode: fc.constant(0o755 as const) }) },
  { weight: 1, arbitrary: fc.record({ link: fc.constantFrom('a', '../a', '/etc', 'nowhere') }) },
);
const tree: fc.Arbitrary<Tree> = fc
  .array(fc.tuple(path, leaf), { minLength: 1, maxLength: 14 })
  .map((entries) => {
    const kept = new Map<string, Leaf>();
    for (const [at, what] of entries) {
      const collides = [...kept.keys()].some(
        (other) => at.startsWith(`${other}/`) || other.startsWith(`${at}/`),
      );
      if (!collides) kept.set(at, what);
    }
    return kept;
  });

const piece = fc.constantFrom(
  ...['a', 'b', 'ab', 'a.md', '.a', 'x y', 'é', '*', '**', '?', 'a*', '*.md', '*a*', '**a', 'a**'],
  ...['[ab]', '[^a]', '[a-c]*', '\\[a\\]', '\\*', '[[]a]', '.', '..', '', '+(a)', 'a$'],
);
const line = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .tuple(
        fc.constantFrom('', '', '', '!', '! ', ' ', '/', '!/', './'),
        fc.array(piece, { minLength: 1, maxLength: 4 }),
        fc.constantFrom('', '', '/', ' ', '\r', '/**'),
      )
      .map(([before, parts, after]) => before + parts.join('/') + after),
  },
  { weight: 1, arbitrary: fc.constantFrom('', '#a', ' #a', '*', '**', '!a', '\\!a', '!**/a') },
);
const ignoreText = fc
  .tuple(fc.constantFrom('', '', '\ufeff'), fc.array(line, { maxLength: 6 }))
  .map(([start, lines]) => start + lines.filter((each) => each.trim() !== '!').join('\n'));

describe('an ignore file', () => {
  it('takes out what patternmatcher takes out', () => {
    fc.assert(
      fc.property(ignoreText, fc.array(path, { minLength: 1, maxLength: 8 }), (text, paths) => {
        const matcher = parseIgnore(text);
        const patterns = patternsOf(text);
        for (const each of paths)
          expect([each, matcher.ignores(each)]).toEqual([each, isIgnored(patterns, each)]);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('a context', () => {
  let directory: string;
  let gitDir: string;
  let objects: ObjectReader;
  beforeAll(async () => {
    directory = await temporaryDirectory();
    gitDir = join(directory, 'repository.git');
    execFileSync('git', ['init', '--quiet', '--bare', gitDir]);
    objects = new ObjectReader(gitDir);
  });
  afterAll(() => objects?.close());

  async function commitOf(work: string): Promise<BuildContext> {
    const run = (...argv: string[]): string =>
      execFileSync('git', [`--git-dir=${gitDir}`, `--work-tree=${work}`, '-c', 'core.bare=false', ...argv], {
        encoding: 'utf8',
      }).trim();
    run('add', '--all', '--force', work);
    const commit = run(
      ...['-c', 'user.name=t', '-c', 'user.email=t@example.com'],
      ...['commit-tree', run('write-tree'), '-m', 'x'],
    );
    return GitContext.open(commit, { git, gitDir, objects }, DEFAULT_LIMITS);
  }

  /** In one order: git lists `a.md` before `a/b`. */
  async function selected(context: BuildContext, text: string, argument: string): Promise<Selected[]> {
    const source = await context.source(parseIgnore(text), '.dockerignore');
    const found: Selected[] = [];
    for (const selection of await source.select(plainSelector(argument)))
      for (const { path: at, type, mode, linkname } of await selection.entries())
        found.push({ name: selection.name, at, type, linkname, mode: type === 'file' ? mode : 0 });
    return found.sort((one, two) => (one.name + one.at < two.name + two.at ? -1 : 1));
  }

  it('holds what the ignore file leaves, from a commit as from a directory', async () => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(
        tree,
        ignoreText,
        fc.constantFrom('*', 'a', '*/a', '[a-b]*'),
        async (files, text, argument) => {
          const work = join(directory, `work-${count++}`);
          await mkdir(work);
          for (const [at, what] of files) {
            const file = join(work, at);
            await mkdir(dirname(file), { recursive: true });
            if ('link' in what) await symlink(what.link, file);
            else {
              await writeFile(file, what.text);
              await chmod(file, what.mode);
            }
          }
          const fromGit = await commitOf(work);
          const fromDirectory = await openDirectoryContext(
            work,
            DEFAULT_LIMITS,
            new AbortController().signal,
          );
          const all = await selected(fromDirectory, text, '.');
          expect(
            all
              .map(({ at }) => at)
              .filter(Boolean)
              .sort(),
          ).toEqual(leftOf(files, text));
          expect(await selected(fromGit, text, '.')).toEqual(all);
          const some = await selected(fromDirectory, text, argument).catch(({ code }) => code);
          expect(await selected(fromGit, text, argument).catch(({ code }) => code)).toEqual(some);
          await rm(work, { recursive: true });
        },
      ),
      { numRuns: 50 },
    );
  }, 60_000);
});
