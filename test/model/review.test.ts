import { describe, expect, it } from 'vitest';
import { isAppName } from '../../src/model/app.js';
import { isReviewBranch, possibleParents, reviewAppName } from '../../src/model/review.js';

describe('the name of a review app', () => {
  it.each([
    ['shop', 'review/login', 'shop-review-login'],
    ['shop', 'review/42', 'shop-review-42'],
    ['a', 'review/a-b', 'a-review-a-b'],
  ])('of %s and %s is %s', (of, branch, name) => {
    expect(reviewAppName({ of, branch })).toBe(name);
  });

  it('is another for each branch, and a name, whatever the branch is called', () => {
    const branches = [
      'Login',
      'login',
      'log.in',
      'log/in',
      'log--in',
      'ä',
      '漢字',
      '-',
      'a'.repeat(60),
      'a'.repeat(61),
    ];
    const names = branches.map((rest) => reviewAppName({ of: 'shop', branch: `review/${rest}` }));
    expect(new Set(names).size).toBe(branches.length);
    expect(names.filter((name) => !isAppName(name) || !name.startsWith('shop-review-'))).toEqual([]);
  });

  it('leaves no room in that of an app that is too long', () => {
    const long = 'a'.repeat(26);
    expect(isAppName(reviewAppName({ of: long, branch: 'review/anything' }))).toBe(true);
    expect(() => reviewAppName({ of: 'a'.repeat(27), branch: 'review/anything' })).toThrow(/too long/);
  });

  it('tells which apps it may be of', () => {
    expect(possibleParents('shop-review-a-review-b')).toEqual(['shop', 'shop-review-a']);
    expect(possibleParents('shop')).toEqual([]);
    expect(['review/a', 'review/', 'review', 'reviews/a', 'main'].map(isReviewBranch)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});
