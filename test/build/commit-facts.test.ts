import { expect, it, onTestFinished } from 'vitest';
import { commitFacts, describeCommit } from '../../src/build/commit-facts.js';
import { ObjectPool } from '../../src/git/object-pool.js';
import { temporaryDirectory } from '../support/directories.js';
import { git } from '../support/repository.js';

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

it('has no subject of a commit that is larger than a message can be', async () => {
  const gitDir = await temporaryDirectory();
  await git.run(['init', '--bare', '-q', gitDir]);
  const tree = await git.text(['mktree'], { gitDir, input: '' });
  const who = {
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a',
  };
  const input = 'x'.repeat(2 * 1024 * 1024);
  const vast = await git.text(['commit-tree', tree, '-F', '-'], { gitDir, env: who, input });
  const objects = new ObjectPool();
  onTestFinished(() => objects.close());
  expect(await commitFacts(objects.reader(gitDir), vast)).toEqual({
    message: '',
    author: '',
    declared: { processes: [{ type: 'web' }] },
  });
});
