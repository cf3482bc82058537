// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
import { describe, expect, it } from 'vitest';
import { ExpansionBudget, expandWord, expandWords } from '../../src/dockerfile/expand.js';
import type { EscapeCharacter } from '../../src/dockerfile/syntax.js';
import { problem } from './support.js';

const env = new Map([
  ['PWD', '/home'],
  ['empty', ''],
  ['x', 'one two'],
  ['path', '/usr/local/lib/lib.so.1'],
  ['KOREAN', '한국어'],
  ['été', 'summer'],
  ['ports', '80 443/tcp'],
]);

function expansion(escapeCharacter: EscapeCharacter = '\\') {
  return { env, escape: escapeCharacter, where: 'Dockerfile:1', budget: new ExpansionBudget('Dockerfile:1') };
}
const word = (text: string, escapeCharacter?: EscapeCharacter) =>
  expandWord(text, expansion(escapeCharacter));

describe('a word', () => {
  it.each([
    ['hello', 'hello'],
    ['', ''],
    ['he llo', 'he llo'],
    ['$PWD', '/home'],
    ['${PWD}', '/home'],
    ['a$PWD/b', 'a/home/b'],
    ['a${PWD}b', 'a/homeb'],
    ['$unset', ''],
    ['[${unset}]', '[]'],
    ['$KOREAN', '한국어'],
    ['$été', 'summer'],
    ['$PWDx', ''],
    ['$', '$'],
    ['$$', ''],
    ['a$', 'a$'],
    ['$/x', '$/x'],
    ['$ x', '$ x'],
    ['$.', '$.'],
    ['$1', ''],
    ['$12x', 'x'],
    ['$@y', 'y'],
    ['$?', ''],
    ['$#', ''],
    ['${1}', ''],
    ['$x', 'one two'],
  ])('%j expands to %j', (text, expected) => expect(word(text)).toBe(expected));

  it.each([
    ["'$PWD'", '$PWD'],
    ['"$PWD"', '/home'],
    [`'he'llo`, 'hello'],
    [`"he'llo"`, "he'llo"],
    [`'he"llo'`, 'he"llo'],
    [`he\\'llo`, "he'llo"],
    [`\\"`, '"'],
    ['\\$PWD', '$PWD'],
    ['\\\\$PWD', '\\/home'],
    ['a\\b', 'ab'],
    ['"a\\b"', 'a\\b'],
    ['"a\\"b"', 'a"b'],
    ['"a\\$PWD"', 'a$PWD'],
    ['"a\\\\b"', 'a\\b'],
    [`'a\\b'`, 'a\\b'],
    ['end\\', 'end'],
    [`"a"'b'c`, 'abc'],
    [`"\${PWD}"`, '/home'],
  ])('quotes: %s becomes %j', (text, expected) => expect(word(text)).toBe(expected));

  it.each([
    ['`$PWD', '$PWD'],
    ['C:\\$PWD', 'C:\\/home'],
    ['"a`"b"', 'a"b'],
    ['"a\\b"', 'a\\b'],
  ])('with a backtick as escape %s becomes %j', (text, expected) => expect(word(text, '`')).toBe(expected));

  it.each([
    ['${unset:-d}', 'd'],
    ['${unset-d}', 'd'],
    ['${empty:-d}', 'd'],
    ['${empty-d}', ''],
    ['${PWD:-d}', '/home'],
    ['${unset:+d}', ''],
    ['${empty:+d}', ''],
    ['${empty+d}', 'd'],
    ['${PWD:+d}', 'd'],
    ['${PWD+d}', 'd'],
    ['${unset:-$PWD}', '/home'],
    ['${unset:-${other:-deep}}', 'deep'],
    ['${unset:-}', ''],
    ['${unset:-a b}', 'a b'],
    ["${unset:-'}'}", '}'],
    ['${unset:-"a}"}', 'a}'],
    ['${unset:-\\}}', '}'],
    ['${PWD:?gone}', '/home'],
    ['${empty?gone}', ''],
    ['x${unset:-}y', 'xy'],
  ])('modifiers: %s becomes %j', (text, expected) => expect(word(text)).toBe(expected));

  it.each([
    ['${path#/usr}', '/local/lib/lib.so.1'],
    ['${path#*/}', 'usr/local/lib/lib.so.1'],
    ['${path##*/}', 'lib.so.1'],
    ['${path%.*}', '/usr/local/lib/lib.so'],
    ['${path%%.*}', '/usr/local/lib/lib'],
    ['${path%/*}', '/usr/local/lib'],
    ['${path%%/*}', ''],
    ['${path#nothing}', '/usr/local/lib/lib.so.1'],
    ['${path%?}', '/usr/local/lib/lib.so.'],
    ['${path#?????}', 'local/lib/lib.so.1'],
    ['${unset#x}', ''],
    ['${path#[/]}', '/usr/local/lib/lib.so.1'],
    ['${path##${unset:-/usr/}}', 'local/lib/lib.so.1'],
    ['${path/lib/LIB}', '/usr/local/LIB/lib.so.1'],
    ['${path//lib/LIB}', '/usr/local/LIB/LIB.so.1'],
    ['${path//\\//-}', '-usr-local-lib-lib.so.1'],
    ['${path//\\//\\/}', '\\/usr\\/local\\/lib\\/lib.so.1'],
    ['${path/l*b/X}', '/usr/X.so.1'],
    ['${path//./}', '/usr/local/lib/libso1'],
    ['${path/usr/$PWD}', '//home/local/lib/lib.so.1'],
    ['${path//lib/$1}', '/usr/local//.so.1'],
    ['${path//lib/\\$1}', '/usr/local/$1/$1.so.1'],
    ['${path/usr/\\}}', '/\\}/local/lib/lib.so.1'],
    ['${x//?/y}', 'yyyyyyy'],
    ['${x//*/y}', 'y'],
    ['${KOREAN/국/-}', '한-어'],
  ])('patterns: %s becomes %j', (text, expected) => expect(word(text)).toBe(expected));

  it.each([
    ['${', 'a } is missing'],
    ['${}', 'bad substitution'],
    ['${:}', 'bad substitution'],
    ['${{x}', 'bad substitution'],
    ['${PWD', 'a } is missing'],
    ['${PWD:-x', 'a } is missing'],
    ['${PWD:', 'a } is missing'],
    ['${PWD:#x}', 'unsupported modifier (:#)'],
    ['${PWD:%x}', 'unsupported modifier (:%)'],
    ['${PWD^}', 'unsupported modifier (^)'],
    ['${PWD:x}', 'unsupported modifier (:x)'],
    ['${#PWD}', 'unsupported modifier (P)'],
    ['${PWD/x}', 'a / is missing'],
    ['${PWD/x/y', 'a } is missing'],
    ['${unset:?is needed}', 'unset: is needed'],
    ['${unset?}', 'unset: is not set'],
    ['${empty:?}', 'empty: is empty'],
    ['${PWD#\\a}', 'invalid escape'],
    ["'open", "closing '"],
    ['"open', 'closing "'],
  ])('%s is refused: %s', (text, message) => {
    expect(problem(() => word(text))).toContain(message);
  });
});

describe('several words', () => {
  it.each([
    ['hello', ['hello']],
    ['hello world', ['hello', 'world']],
    ['"hello world"', ['hello world']],
    ['$ports', ['80', '443/tcp']],
    ['"$ports"', ['80 443/tcp']],
    ['a$ports', ['a80', '443/tcp']],
    ['$unset', []],
    ['  80   81 ', ['80', '81']],
    ['a\\ b', ['a b']],
  ])('%j splits into %j', (text, expected) => expect(expandWords(text, expansion())).toEqual(expected));
});

describe('a hostile word', () => {
  it('cannot nest without end', () => {
    expect(problem(() => word('${a:-'.repeat(5000) + '}'.repeat(5000)))).toContain('nested deeper');
  });

  it('cannot grow without end', () => {
    const env = new Map([['big', 'x'.repeat(1000)]]);
    const text = '$big'.repeat(5000);
    expect(problem(() => expandWord(text, { ...expansion(), env }))).toContain('more than 1 MiB');
  });

  it('cannot make a pattern match for hours', () => {
    const env = new Map([['big', 'a'.repeat(20_000)]]);
    const text = `\${big//${'a*'.repeat(200)}b/x}`;
    expect(problem(() => expandWord(text, { ...expansion(), env }))).toContain('takes too long');
  });
});
