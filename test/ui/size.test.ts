/** What a browser has to load before the page can be used. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../src/root.js';

const built = join(projectRoot(), 'dist', 'ui');

test('the script is at most 150 kB as it is sent', () => {
  const scripts = readdirSync(built, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.js.gz'),
  );
  expect(scripts.length).toBeGreaterThan(0);
  const sizes = scripts.map((name) => readFileSync(join(built, name)).length);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(150_000);
});

test('nothing is inline, and nothing comes from elsewhere', () => {
  const html = readFileSync(join(built, 'index.html'), 'utf8');
  expect(html).not.toMatch(/<style|<script(?![^>]*\ssrc="\/)|\son\w+=|style="/);
  for (const name of readdirSync(built, { recursive: true, encoding: 'utf8' }).filter((each) =>
    /\.(html|css)$/.test(each),
  ))
    expect([
      name,
      readFileSync(join(built, name), 'utf8').match(/(?:src=|href=|url\()\s*["']?(?:https?:)?\/\/[^"')]*/g),
    ]).toEqual([name, null]);
});
