import { expect, it } from 'vitest';
import { describeCommit } from '../../src/build/commit-facts.js';

const commit = (author: string, message: string): string =>
  `tree ${'a'.repeat(40)}\nauthor ${author} 1700000000 +0000\ncommitter c <c> 1700000000 +0000\n\n${message}`;

it.each([
  [commit('Ada L <ada@example.com>', 'Fix the cart\n\nauthor nobody <x> 1 +0\n'), 'Fix the cart', 'Ada L'],
  [commit('a <a>', 'one\ntwo\n \nthree'), 'one two', 'a'],
  [commit(' <a@b>', '\n\n late\n'), 'late', ''],
  [commit('\u001b[31mred <a>', 'bell\u0007 and\u001b[2J more'), 'bell and [2J more', '[31mred'],
  [commit('a <a>', ''), '', 'a'],
  [commit('a <a>', 'x'.repeat(300)), `${'x'.repeat(199)}…`, 'a'],
  ['tree x', '', ''],
])('the subject and author of %j', (text, message, author) => {
  expect(describeCommit(text)).toEqual({ message, author });
});
