import { describe, expect, it } from 'vitest';
import { checkSource, checkSourcePath, watchedPaths } from '../../src/model/source.js';

describe('a path of a source', () => {
  it.each([
    ['services/api', 'services/api'],
    ['./services/api/', 'services/api'],
    ['/services', 'services'],
    ['ä b/c', 'ä b/c'],
    ['a...b', 'a...b'],
  ])('%s is %s', (text, path) => {
    expect(checkSourcePath(text)).toBe(path);
  });

  it.each(['', '.', '/', '..', 'a/../b', 'a/./b', 'a//b', '.git', 'a/.git/b', '-a', 'a:b', 'a\nb', 'a\\b'])(
    'is not %j',
    (text) => {
      expect(() => checkSourcePath(text)).toThrow(/is not a path in a repository/);
    },
  );

  it('is watched with those that are named besides; without one everything is', () => {
    const source = checkSource({ path: 'api/', watch: ['libs', './libs/', 'a.json'] });
    expect(source).toEqual({ path: 'api', watch: ['a.json', 'libs'] });
    expect(watchedPaths(source)).toEqual(['api', 'a.json', 'libs']);
    expect(watchedPaths({ watch: ['libs'] })).toEqual([]);
    expect(() => checkSource({ watch: Array.from({ length: 51 }, (_, at) => `a${at}`) })).toThrow(
      /at most 50/,
    );
  });
});
