/** The pages below docs/: all of them are found, and what they name is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

const PAGES = readdirSync('docs')
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);
const ALL = ['README.md', 'SECURITY.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...PAGES];
const FENCE = /^```.*?^```$/gms;

const read = (path: string): string => readFileSync(path, 'utf8');

it('are all in the index, once', () => {
  const listed = [...read('docs/README.md').matchAll(/^\| \[[^\]]+\]\(([^)#]+\.md)\)/gm)].map(([, to]) => to);
  const others = PAGES.map((path) => path.slice('docs/'.length)).filter((name) => name !== 'README.md');
  expect(listed.sort()).toEqual(others.sort());
});

it.each(ALL)('%s links to files and headings that are there', (path) => {
  const links = [
    ...read(path)
      .replace(FENCE, '')
      .matchAll(/\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)/g),
  ];
  const dead = links.filter(([, to = '', heading]) => {
    const target = to === '' ? path : join(dirname(path), to);
    if (!existsSync(target)) return true;
    return heading !== undefined && !headingsOf(read(target)).includes(heading);
  });
  expect(dead.map(([link]) => link)).toEqual([]);
});

it.each(ALL)('%s names commands that are there', (path) => {
  const commands = read('docs/commands.md');
  const known = new Set([
    'help',
    ...[...commands.matchAll(/^### (\S+)$/gm)].map(([, name]) => name),
    ...[...commands.matchAll(/^Also: (.*)\.$/gm)].flatMap(([, also = '']) => also.match(/[a-z:-]+/g)),
  ]);
  // In code only: `slipway NAME …` in a sentence, or at the beginning of a line or after && in a block.
  const text = read(path);
  const code = (text.match(FENCE) ?? []).join('\n');
  const named = [
    ...text.replace(FENCE, '').matchAll(/`slipway ([a-z][a-z:-]*)/g),
    ...code.matchAll(/(?:^|&& )slipway ([a-z][a-z:-]*)/gm),
  ].map(([, name]) => name);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

it('have a guarantee for each invariant, and each names tests that are there', () => {
  const text = read('docs/guarantees.md');
  const section = read('ARCHITECTURE.md').split('\n## Invariants\n')[1]?.split('\n## ')[0] ?? '';
  const invariants = [...section.matchAll(/^(\d+)\. \*\*/gm)].map(([, number]) => number);
  const parts = text.split(/^## /m).slice(1);
  const numbers = parts.map((part) => /^(\d+)\. /.exec(part)?.[1]).filter((number) => number !== undefined);
  expect(numbers.length).toBeGreaterThan(10);
  expect(numbers).toEqual(invariants);
  for (const part of parts) expect(part).toMatch(/`test\/[^`]+\.test\.ts`/);
  const files = [...text.matchAll(/`(test\/[^`]+)`/g)].map(([, file = '']) => file);
  expect(files.filter((file) => !existsSync(file))).toEqual([]);
});

/** As GitHub makes anchors of headings. */
function headingsOf(text: string): string[] {
  return [...text.replace(FENCE, '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  );
}
