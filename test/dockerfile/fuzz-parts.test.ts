// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
/** The small languages in and beside a Dockerfile, given anything: an answer in time, or an error that says where. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChmod } from '../../src/build/copy/chmod.js';
import { csvFields } from '../../src/dockerfile/csv.js';
import { parseDuration } from '../../src/dockerfile/duration.js';
import { BadGitUrl, parseGitUrl } from '../../src/dockerfile/git-url.js';
import { parseIgnore, parsePatterns } from '../../src/dockerfile/ignore.js';
import { lintDockerfile } from '../../src/dockerfile/lint/lint.js';
import { matchPath } from '../../src/dockerfile/match.js';
import { parsePlatform } from '../../src/dockerfile/platform.js';
import { SlipwayError } from '../../src/errors.js';
import { parseOutput } from '../../src/images/output-spec.js';
import { parseReference } from '../../src/registry/reference.js';
import { AMD64, LIMITS, plan, walk } from './support.js';

const SOON_MS = 2000;

function answered<T>(work: () => T): T | undefined {
  const before = performance.now();
  try {
    return work();
  } catch (error) {
    if (error instanceof BadGitUrl) return undefined;
    if (!(error instanceof SlipwayError) || error.code === 'internal') throw error;
    return undefined;
  } finally {
    expect(performance.now() - before).toBeLessThan(SOON_MS);
  }
}

const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ maxLength: 60 }));
/** Any of the pieces in any order, and now and then something else. */
const madeOf = (...pieces: string[]): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...pieces) }, { weight: 1, arbitrary: text }), {
      maxLength: 12,
    })
    .map((parts) => parts.join(''));

const glob = madeOf(
  'a',
  'b',
  '/',
  '*',
  '**',
  '?',
  '[',
  ']',
  '^',
  '-',
  '\\',
  '!',
  '#',
  '.',
  '..',
  ' ',
  '\n',
  '\ufeff',
  'é',
  '[a-b]',
  '{',
  '$',
  '\0',
);
const path = madeOf('a', 'b', '/', '.', '..', 'é', ' ', '[', '*', '\\', '\n');
const url = madeOf(
  'https://',
  'http://',
  'ssh://',
  'git://',
  'git@',
  'h',
  '/',
  ':',
  '.git',
  '#',
  '?',
  '&',
  '=',
  'ref',
  'tag',
  'branch',
  'subdir',
  'checksum',
  'submodules',
  '%2e',
  '%',
  '..',
  '-',
  '@',
  '[::1]',
  'true',
);
const csv = madeOf(
  'type=',
  'bind',
  'cache',
  'secret',
  'tmpfs',
  'ssh',
  'target=',
  'source=',
  'from=',
  'id=',
  'env=',
  'size=',
  'mode=',
  'uid=',
  '0',
  '1g',
  '/x',
  '..',
  ',',
  '"',
  '""',
  '$a',
  '${a',
  'required',
  'rw',
  'ro=',
  '=',
  ' ',
  'sharing=locked',
);
const word = madeOf(
  '$',
  '${',
  '}',
  'a',
  ':',
  '-',
  '+',
  '?',
  '#',
  '##',
  '%',
  '%%',
  '/',
  '//',
  '*',
  '\\',
  '"',
  "'",
  '`',
  '@',
  '1',
  'é',
  ' ',
  '${a}',
  '${a:-${b}}',
);
const line = madeOf(
  'FROM ',
  'RUN ',
  'COPY ',
  'ADD ',
  'ENV ',
  'ARG ',
  'LABEL ',
  'EXPOSE ',
  'ONBUILD ',
  'HEALTHCHECK ',
  'SHELL ',
  '--',
  'mount=',
  'from=',
  '<<E',
  '<<-',
  '\n',
  'E\n',
  '\\\n',
  '#',
  'check=',
  'skip=all',
  '=',
  '"',
  '["',
  '"]',
  'a',
  '$a',
  ' ',
  ' AS ',
  '\r\n',
  '\t',
);

const runs = { numRuns: 2000 };

describe('anything is answered', () => {
  it('as a pattern of an ignore file or of a COPY, with any path', () => {
    fc.assert(
      fc.property(fc.oneof(glob, text), fc.oneof(path, text), (pattern, at) => {
        for (const make of [() => parseIgnore(pattern), () => parsePatterns([pattern], 'x')]) {
          const matcher = answered(make);
          if (matcher === undefined) continue;
          const ignored = answered(() => matcher.ignores(at));
          if (answered(() => matcher.canMatchBelow(at)) === false && at !== '')
            expect(matcher.ignores(`${at}/x`)).toBe(ignored);
        }
        answered(() => matchPath(pattern, at));
      }),
      runs,
    );
  });

  it('as the URL of a repository, which then cannot be an option of git', () => {
    fc.assert(
      fc.property(fc.oneof(url, text), (written) => {
        const source = answered(() => parseGitUrl(written));
        if (source === undefined) return;
        expect(source.remote).toMatch(/^(https?:\/\/|ssh:\/\/|git:\/\/|[a-zA-Z0-9_-]+@)/);
        expect(source.remote.startsWith('-')).toBe(false);
      }),
      runs,
    );
  });

  it('as the options of a mount or of an output', () => {
    fc.assert(
      fc.property(fc.oneof(csv, text), (options) => {
        answered(() => csvFields(options));
        answered(() => parseOutput(options));
        answered(() => walk(plan(`FROM a\nENV a=b\nRUN --mount=${options.replaceAll('\n', '')} x`)));
      }),
      runs,
    );
  });

  it('as a word with variables, in every place that expands', () => {
    fc.assert(
      fc.property(word, (written) => {
        const one = written.replaceAll('\n', '');
        for (const before of [
          'ENV x=',
          'ARG x=',
          'LABEL x=',
          'WORKDIR ',
          'USER ',
          'EXPOSE ',
          'VOLUME ',
          'COPY a ',
          'ADD --checksum=',
          'COPY --chown=',
          'STOPSIGNAL ',
        ])
          answered(() => walk(plan(`FROM a\nENV a=b\\*c b=\n${before}${one}`)));
        answered(() => walk(plan(`ARG a=b\nFROM ${one}`)));
      }),
      { numRuns: 800 },
    );
  });

  it('as a file for the linter', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          line,
          line.map((each) => `FROM a\n${each}`),
          text,
        ),
        (source) => {
          const found = answered(() =>
            lintDockerfile(source, 'Dockerfile', { limits: LIMITS, isIgnored: (at) => at.includes('a') }),
          );
          const lines = source.split('\n').length;
          for (const warning of found?.warnings ?? []) expect(warning.line).toBeLessThanOrEqual(lines);
        },
      ),
      runs,
    );
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        (bytes) => void answered(() => lintDockerfile(bytes, 'Dockerfile', { limits: LIMITS })),
      ),
    );
  });

  it('as a mode, a duration, a platform, an image', () => {
    const piece = madeOf(
      'u',
      'g',
      'o',
      'a',
      '+',
      '-',
      '=',
      'r',
      'w',
      'X',
      ',',
      '7',
      '0',
      '.',
      's',
      'ms',
      'h',
      '/',
      'linux',
      'arm64',
      ':',
      '@',
      'sha256:',
      'latest',
    );
    fc.assert(
      fc.property(piece, (each) => {
        const mode = answered(() => parseChmod(each));
        if (mode !== undefined) expect(mode(0o644, false) & ~0o7777).toBe(0);
        answered(() => parseDuration(each));
        answered(() => parsePlatform(each, AMD64, 'x'));
        answered(() => parseReference(each));
      }),
      runs,
    );
  });
});

describe('what takes others minutes is answered in time', () => {
  it.each<[string, () => unknown]>([
    ['a pattern of stars', () => parseIgnore('*a'.repeat(2000)).ignores('a'.repeat(4000))],
    ['a pattern of double stars', () => parseIgnore('**/a/'.repeat(1000)).ignores('a/'.repeat(1900))],
    ['a COPY of stars', () => matchPath('*a'.repeat(2000), `${'a'.repeat(4000)}b`)],
    ['many patterns', () => parseIgnore('**/*a*\n!b\n'.repeat(2000)).canMatchBelow('a/b/c/d')],
    ['a class without end', () => parseIgnore(`[${'a-z'.repeat(20_000)}]`).ignores('a')],
    ['a URL of slashes', () => parseGitUrl(`https://${'/'.repeat(100_000)}`)],
    ['a URL of options', () => parseGitUrl(`https://h/a.git?${'ref=a&'.repeat(20_000)}`)],
    ['quotes in a mount', () => csvFields('"",'.repeat(100_000) + '"'.repeat(100_000))],
    [
      'stars in a substitution',
      () =>
        walk(
          plan(
            `FROM a\nENV a=${'a'.repeat(20_000)}\nENV b=\${a##${'*a'.repeat(500)}b}\nENV c=\${a//${'*a'.repeat(500)}b/x}`,
          ),
        ),
    ],
    ['nested substitutions', () => walk(plan(`FROM a\nENV b=${'${a:-'.repeat(5000)}x${'}'.repeat(5000)}`))],
    ['clauses of a mode', () => parseChmod(`${'u+rwx,'.repeat(20_000)}!`)],
    ['a long image', () => parseReference(`${'a/'.repeat(50_000)}!`)],
    ['a long duration', () => parseDuration('1h'.repeat(50_000))],
  ])('%s', (_, work) => void answered(work));
});
