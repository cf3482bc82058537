import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { GROWTHS } from '../options.js';
import { barsPicture } from './bars.js';
import { withSection } from './files.js';
import { judged, type Results, sideOf } from './results.js';

const sample = (wallMs: number) => ({ wallMs, cpuMs: 1, peakBytes: 1e6 });
const RESULTS: Results = {
  machine: { cpu: 'A & B <fast>', cores: 2 },
  contenders: [],
  cases: [
    judged({ id: 'a1', title: 'no change', mark: { kind: 'ratio', most: 0.1 } }, [
      sideOf('slipway', [sample(10)]),
      sideOf('command', [sample(500)]),
      sideOf('docker', [sample(200)]),
    ]),
    judged({ id: 'm', title: 'memory', mark: { kind: 'bytes', most: 1 } }, [sideOf('slipway', [sample(0)])]),
  ],
};

/** Every element is closed, in the right order. */
function isWellFormed(xml: string): boolean {
  const open: string[] = [];
  for (const [, closing, name, , empty] of xml.matchAll(/<(\/?)([a-z]+)((?:\s[^<>]*?)?)(\/?)>/g)) {
    if (closing === '/') {
      if (open.pop() !== name) return false;
    } else if (empty !== '/') open.push(name ?? '');
  }
  return open.length === 0;
}

test('the picture is well-formed, whatever the machine is called', () => {
  const picture = barsPicture(RESULTS);
  expect(isWellFormed(picture)).toBe(true);
  expect(picture).toContain('A &#38; B &#60;fast&#62;');
});

test('the picture has a bar for ours and for each peer, in proportion, and none for the command', () => {
  const bars = [...barsPicture(RESULTS).matchAll(/class="(\w+)" x="390" y="\d+" width="([\d.]+)"/g)];
  const [ours, docker] = bars
    .filter(([, , width]) => width !== '12')
    .map(([, name, width]) => [name, Number(width)]);
  expect(ours?.[0]).toBe('ours');
  expect(docker?.[0]).toBe('peer');
  expect(Number(ours?.[1]) / Number(docker?.[1])).toBeCloseTo(10 / 200);
  expect(barsPicture(RESULTS)).not.toContain('500 ms');
});

test('cases about memory are not in the picture, and it suits a dark page', () => {
  const picture = barsPicture(RESULTS);
  expect(picture).not.toContain('memory');
  expect(picture).toContain('prefers-color-scheme: dark');
});

test('the documentation has a place for all that the command writes', () => {
  const document = readFileSync(new URL('../../../docs/performance.md', import.meta.url), 'utf8');
  for (const name of ['results', 'floor', ...GROWTHS.map((growth) => `growth-${growth}`)])
    expect(withSection(document, name, 'here')).toContain(`<!-- bench:${name} -->\n\nhere\n`);
});

test('a section of a document is replaced, and nothing else', () => {
  const document = 'before\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nafter\n';
  const once = withSection(document, 'x', 'new');
  expect(once).toBe('before\n<!-- bench:x -->\n\nnew\n\n<!-- /bench:x -->\nafter\n');
  expect(withSection(once, 'x', 'new')).toBe(once);
  expect(() => withSection(document, 'y', 'new')).toThrow('no section');
});
