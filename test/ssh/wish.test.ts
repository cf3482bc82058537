import { describe, expect, it } from 'vitest';
import { parseWish, splitWords } from '../../src/ssh/wish.js';

describe('words', () => {
  it.each([
    ['releases -a hello', ['releases', '-a', 'hello']],
    ['  config:set   A=1\tB=2\n', ['config:set', 'A=1', 'B=2']],
    ["config:set 'A=b c' \"D=e 'f'\"", ['config:set', 'A=b c', "D=e 'f'"]],
    ["'it'\\''s'", ["it's"]],
    ['a\\ b "c\\"d\\\\e\\n"', ['a b', 'c"d\\e\\n']],
    ['\'\' ""', ['', '']],
    ['', []],
    // What a shell would obey are letters like others.
    [
      'a; b && c | d > e $(id) `id` $HOME * ~ # x',
      ['a;', 'b', '&&', 'c', '|', 'd', '>', 'e', '$(id)', '`id`', '$HOME', '*', '~', '#', 'x'],
    ],
  ])('of %j', (text, words) => {
    expect(splitWords(text)).toEqual(words);
  });

  it.each([
    ["a 'b", "a ' without its partner"],
    ["it'\\''s", "a ' without its partner"],
    ['a "b', 'a " without its partner'],
    ['a \\', 'ends with a backslash'],
    ['a\u0000b', 'control characters'],
    ['a\u001b[31m', 'control characters'],
    ['a '.repeat(501), 'more than 500 words'],
  ])('of %j are refused', (text, says) => {
    expect(() => splitWords(text)).toThrow(says);
  });
});

describe('a wish', () => {
  it.each([
    ["git-receive-pack '/hello'", 'git-receive-pack', 'hello'],
    ["git-receive-pack 'hello.git'", 'git-receive-pack', 'hello.git'],
    ["git-upload-pack '/hello.git'", 'git-upload-pack', 'hello.git'],
    // It is not an app's name, and is told apart where apps are.
    ["git-receive-pack '../x'", 'git-receive-pack', '../x'],
    ["git-receive-pack '/etc/passwd'", 'git-receive-pack', 'etc/passwd'],
  ])('for git: %s', (text, service, repository) => {
    expect(parseWish(text, false)).toEqual({ kind: 'git', service, repository });
  });

  it('for a command, and for nothing', () => {
    expect(parseWish('releases -a hello --json', false)).toEqual({
      kind: 'command',
      argv: ['releases', '-a', 'hello', '--json'],
    });
    expect(parseWish(' ', true)).toEqual({ kind: 'nothing' });
    expect(parseWish('run -a hello sh', true)).toMatchObject({ kind: 'command' });
  });

  it.each([
    ["git-receive-pack --upload-pack=x 'hello'", 'nothing else'],
    ["git-receive-pack '--upload-pack=x'", 'nothing else'],
    ["git-receive-pack 'a' 'b'", 'nothing else'],
    ["git-receive-pack 'hello'; id", 'nothing else'],
    ['git-receive-pack', 'nothing else'],
    ["git-upload-pack --timeout=1 'hello'", 'nothing else'],
    ["git-upload-archive 'hello'", 'not to be had here'],
    ["git receive-pack 'hello'", 'not to be had here'],
    ['git-shell -c id', 'not to be had here'],
    ['scp -t /tmp', 'not to be had here'],
    ['rsync --server . /', 'not to be had here'],
    ['--help', 'not to be had here'],
    ['x'.repeat(16 * 1024 + 1), 'longer than 16384 bytes'],
  ])('is refused: %s', (text, says) => {
    expect(() => parseWish(text, false)).toThrow(
      expect.objectContaining({ code: 'bad_request', message: expect.stringContaining(says) }),
    );
  });

  it('with a terminal is for run and enter', () => {
    for (const text of ['releases -a hello', 'logs -t', 'apps'])
      expect(() => parseWish(text, true)).toThrow('a terminal is for `run` and `enter` only');
    expect(() => parseWish("git-receive-pack 'hello'", true)).toThrow('git speaks in bytes');
  });
});
