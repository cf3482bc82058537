// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
import { describe, expect, it } from 'vitest';
import { parseGitUrl } from '../../src/dockerfile/git-url.js';
import type { CopyStep } from '../../src/dockerfile/step.js';
import { history, problem, run } from './support.js';

const copyOf = (text: string) => run(text).steps.at(-1) as CopyStep;
const SHA256 = `sha256:${'a'.repeat(64)}`;

describe('the flags of COPY and ADD', () => {
  it.each<[string, object]>([
    ['COPY a /b', { link: false, parents: false, exclude: [] }],
    ['COPY --link a /b', { link: true }],
    ['COPY --link=TRUE a /b', { link: true }],
    ['COPY --link=false a /b', { link: false }],
    ['COPY --link --chmod=755 a /b', { link: false, chmod: '755' }],
    ['COPY --link --chown=1 a /b', { link: true, chown: '1' }],
    ['COPY --exclude=*.md --exclude=!README.md --exclude=$x a /b', { exclude: ['*.md', '!README.md', '$x'] }],
    ['ADD --exclude=*.md --link a /b', { exclude: ['*.md'], link: true }],
    ['ADD --unpack a /b', { unpack: true }],
    ['ADD --unpack=false a /b', { unpack: false }],
    [`ARG s=${SHA256}\nADD --checksum=$s https://x/y /b`, { checksum: SHA256 }],
    [
      'COPY --from=img --parents a/b/c /d/',
      { parents: true, sources: [{ kind: 'path', path: 'a/b/c', pivot: '' }] },
    ],
  ])('%s', (text, expected) => expect(copyOf(text)).toMatchObject(expected));

  it('leave out of the step what was not said', () => {
    const step = copyOf('ADD a /b');
    for (const field of ['unpack', 'checksum', 'from', 'chown', 'chmod'])
      expect(step).not.toHaveProperty(field);
    expect(step.sources).toEqual([{ kind: 'path', path: 'a' }]);
  });

  it.each([
    ['a/b/./c/d', 'a/b/c/d', 'a/b'],
    ['/a/./b', 'a/b', 'a'],
    ['./a/b', 'a/b', ''],
    ['/./a', 'a', ''],
    ['a/./', 'a', 'a'],
    ['a/../b/./c', 'b/c', 'b'],
    ['a/./../b', 'a/b', 'a'],
    ['a/./b/./c', 'a/b/c', 'a'],
    ['**/package.json', '**/package.json', ''],
    ['../..', '.', ''],
  ])('--parents %s is %s, of which %j is not kept', (written, path, pivot) => {
    expect(copyOf(`COPY --parents ${written} /x/`).sources).toEqual([{ kind: 'path', path, pivot }]);
  });

  it.each([
    ['COPY --unpack a b', 'COPY has no flag "--unpack"'],
    ['COPY --keep-git-dir a b', 'COPY has no flag "--keep-git-dir"'],
    ['COPY --checksum=x a b', 'COPY has no flag "--checksum"'],
    ['ADD --parents a b', 'ADD has no flag "--parents"'],
    ['ADD --from=x a b', 'ADD has no flag "--from"'],
    ['COPY --link= a b', '--link must be true or false'],
    ['COPY --parents=1 a b', '--parents must be true or false'],
    ['COPY --exclude a b', 'the flag --exclude needs a value'],
    ['COPY --exclude=[a b c', '"[a" is not a pattern'],
    ['ADD --checksum=sha256:abc https://x/y b', 'that is not a checksum'],
    [`ADD --checksum=${SHA256} a b`, 'takes a URL or a git repository'],
    [`ADD --checksum=${SHA256} https://x/y https://x/z b/`, 'takes one source'],
    [`ADD --checksum=${SHA256}0 https://x/y b`, 'that is not a checksum'],
    ['ADD --checksum=xyz https://x/y.git b', 'that is not a checksum'],
    ['ADD --keep-git-dir https://x/y.git?keep-git-dir=false b', 'contradict each other'],
    ['ADD --checksum=aaaa https://x/y.git?checksum=bbbb b', 'name different commits'],
    ['COPY https://x/y b', 'COPY takes no URLs'],
    ['COPY https://x/y.git b', 'COPY takes no git repositories'],
    ['COPY git@host:x b', 'COPY takes no git repositories'],
    ['ADD ftp://x/y b', 'ftp is not supported'],
    ['ADD https:// b', 'that is not a URL'],
    ['ADD https://x/y.git?tga=1 b', 'there is no option "tga"'],
  ])('%s is refused', (text, message) => {
    expect(problem(() => run(text))).toMatch(/^dockerfile_invalid Dockerfile:2: /);
    expect(problem(() => run(text))).toContain(message);
  });
});

describe('a source of ADD', () => {
  const git = (more: object) => ({ kind: 'git', git: { submodules: true, ...more } });
  const commit = 'a'.repeat(40);
  it.each<[string, object]>([
    ['a', { kind: 'path', path: 'a' }],
    ['github.com/a/b', { kind: 'path', path: 'github.com/a/b' }],
    ['https://x/y.tgz', { kind: 'url', url: 'https://x/y.tgz' }],
    ['HTTP://x/y?z=1#f', { kind: 'url', url: 'HTTP://x/y?z=1#f' }],
    ['https://x/y.git/z', { kind: 'url', url: 'https://x/y.git/z' }],
    ['https://host.git', { kind: 'url', url: 'https://host.git' }],
    ['https://x/y.git', git({ remote: 'https://x/y.git' })],
    ['http://u:p@x:8/y.git', git({ remote: 'http://u:p@x:8/y.git' })],
    ['https://x/y.git#v1', git({ remote: 'https://x/y.git', ref: 'v1' })],
    ['https://x/y.git#v1:a/b', git({ remote: 'https://x/y.git', ref: 'v1', subdirectory: 'a/b' })],
    ['https://x/y.git#:a', git({ remote: 'https://x/y.git', subdirectory: 'a' })],
    ['git@h:a/b.git#main', git({ remote: 'git@h:a/b.git', ref: 'main' })],
    ['me@h:a?subdir=d', git({ remote: 'me@h:a', subdirectory: 'd' })],
    ['ssh://git@h:22/a', git({ remote: 'ssh://git@h:22/a' })],
    ['git://h/a#b', git({ remote: 'git://h/a', ref: 'b' })],
    [
      'https://x/y.git?tag=v1&subdir=d&submodules=false&keep-git-dir=1',
      git({
        remote: 'https://x/y.git',
        ref: 'refs/tags/v1',
        subdirectory: 'd',
        submodules: false,
        keepGitDir: true,
      }),
    ],
    ['https://x/y.git?tag=v1#refs/tags/v1', git({ remote: 'https://x/y.git', ref: 'refs/tags/v1' })],
    ['https://x/y.git?branch=b', git({ remote: 'https://x/y.git', ref: 'refs/heads/b' })],
    ['https://x/y.git?ref=b&mtime=commit', git({ remote: 'https://x/y.git', ref: 'b' })],
    [`https://x/y.git?checksum=${commit}`, git({ remote: 'https://x/y.git', ref: commit, checksum: commit })],
    [
      `https://x/y.git?commit=${commit}&tag=v1`,
      git({ remote: 'https://x/y.git', ref: 'refs/tags/v1', checksum: commit }),
    ],
  ])('%s', (written, expected) => expect(copyOf(`ADD ${written} /d`).sources).toEqual([expected]));

  it('has what the flags say of a repository', () => {
    const step = copyOf('ADD --keep-git-dir --checksum=abcdef0 https://x/y.git /d');
    expect(step.sources).toEqual([git({ remote: 'https://x/y.git', keepGitDir: true, checksum: 'abcdef0' })]);
    expect(step).not.toHaveProperty('checksum');
  });

  it.each([
    'https://x/y.git?ref=a#b',
    'https://x/y.git?tag=a&branch=b',
    'https://x/y.git?tag=a#refs/heads/a',
    'https://x/y.git?tag=a&tag=a',
    'https://x/y.git?subdir=a#:b',
    'https://x/y.git?submodules=perhaps',
    'https://x/y.git?checksum=zzzz',
    'https://x/y.git?ref=',
    'https://x/y.git#--upload-pack=evil',
    'https://x/y.git#%zz',
    'https://x/a b.git',
  ])('%s is refused', (url) => expect(() => parseGitUrl(url)).toThrow());
});

it('the history is that of BuildKit', () => {
  const text = [
    'COPY --link --exclude=x --chown=1:2 --chmod=755 a b /d/',
    'COPY --parents a/./b /d/',
    `ADD --checksum=${SHA256} https://x/y /d`,
    'ADD --unpack=false --keep-git-dir https://x/y.git#v1 /d',
    'COPY --chown=1 a <<one <<"two" /d/',
    'x',
    'one',
    'two',
  ].join('\n');
  expect(history(run(text))).toEqual([
    'COPY --chown=1:2 --chmod=755 a b /d/ # buildkit',
    'COPY --parents a/./b /d/ # buildkit',
    'ADD https://x/y /d # buildkit',
    'ADD https://x/y.git#v1 /d # buildkit',
    'COPY --chown=1 a <<one <<two /d/ # buildkit',
  ]);
});
