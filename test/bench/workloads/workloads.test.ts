/** That figures of different days are about the same work. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { fileSizes, type ProjectPlan, projectFiles, sourcePath } from './project.js';
import { Random } from './random.js';
import { sourceText } from './source-text.js';

const PLAN: ProjectPlan = { dockerfile: 'FROM scratch\n', files: 300, bytes: 400_000, seed: 7 };

function digestOf(plan: ProjectPlan): string {
  const hash = createHash('sha256');
  for (const [path, text] of projectFiles(plan)) hash.update(`${path}\0${text}\0`);
  return hash.digest('hex');
}

test('a plan makes the same files each time, and another seed makes others', () => {
  expect(digestOf(PLAN)).toBe(digestOf(PLAN));
  expect(digestOf({ ...PLAN, seed: 8 })).not.toBe(digestOf(PLAN));
});

test('the random numbers are those of every run before', () => {
  const random = new Random(1);
  expect([random.bits(), random.bits(), random.below(100), random.skewed(100)]).toEqual([
    3694621188, 2089454815, 55, 17,
  ]);
});

test('the files of a plan have the size that it says, and no two the same path', () => {
  const sizes = fileSizes(new Random(3), 3300, 40_000_000);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  expect(Math.abs(total - 40_000_000)).toBeLessThan(40_000);
  expect(Math.max(...sizes)).toBeGreaterThan(3 * (total / sizes.length));
  const paths = Array.from({ length: 30_000 }, (_, index) => sourcePath(index));
  expect(new Set(paths).size).toBe(30_000);
});

test('source text compresses as source does', () => {
  const text = sourceText(new Random(5), 500_000);
  expect(text).toHaveLength(500_000);
  const ratio = text.length / gzipSync(text, { level: 6 }).length;
  expect(ratio).toBeGreaterThan(3);
  expect(ratio).toBeLessThan(4.5);
});
