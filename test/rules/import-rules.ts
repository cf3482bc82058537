/** Who may import whom: ARCHITECTURE.md, "Rooms". Each rule answers with the imports that break it. */
import { type Import, importsOf, type Sources } from './sources.js';

/** What each room may import of others. Of `native` only its index, everywhere. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  native: [],
  client: [],
  src: ['native', 'client'],
  deploy: ['src', 'native'],
  workers: ['deploy', 'src', 'native'],
  platform: ['src', 'native'],
};

export function directionFaults(sources: Sources): string[] {
  return allImports(sources).flatMap((each) => {
    const [from, to] = [roomOf(each.from), roomOf(each.target)];
    if (to === undefined || to === from || from === undefined) return [];
    if (!BELOW[from]?.includes(to))
      return [`${place(each)} imports ${each.target}: ${from} must not know ${to}`];
    const inside = to === 'native' && each.target !== 'native/index.ts';
    return inside ? [`${place(each)} imports ${each.target}: only native/index.ts is for others`] : [];
  });
}

/** Builtins that compute and nothing else. */
const PURE_BUILTINS = new Set([
  'node:assert',
  'node:buffer',
  'node:crypto',
  'node:path',
  'node:path/posix',
  'node:url',
  'node:util',
]);
const PURE_PACKAGES = new Set(['croner', 'zod']);

/** The files that do no I/O, nor does anything they import (types aside). */
export function isPure(path: string): boolean {
  return (
    path.startsWith('src/model/') ||
    path.startsWith('src/dockerfile/') ||
    path.startsWith('src/procfile/') ||
    /^src\/build\/cache\/keys?([.-].*)?\.ts$/.test(path) ||
    path === 'deploy/plan.ts'
  );
}

export function purityFaults(sources: Sources): string[] {
  const pure = [...sources.keys()].filter(isPure);
  return pure.flatMap((start) => {
    const faults: string[] = [];
    const seen = new Set<string>();
    const visit = (path: string, way: readonly string[]): void => {
      if (seen.has(path)) return;
      seen.add(path);
      for (const each of importsOf(path, sources.get(path) ?? '')) {
        if (each.typeOnly) continue;
        if (sources.has(each.target)) visit(each.target, [...way, each.target]);
        else if (!PURE_BUILTINS.has(each.target) && !PURE_PACKAGES.has(each.target)) {
          faults.push(`${way.join(' → ')} imports ${each.target}, which is not pure`);
        }
      }
    };
    visit(start, [start]);
    return faults;
  });
}

/** What the browser runs: all else there is of the project it knows by its types only, and asks the API. */
const OF_BROWSER = new Set(['preact', 'preact/hooks']);

export function pageFaults(sources: Sources): string[] {
  const isOfPage = (path: string): boolean => path.startsWith('src/ui/');
  return allImports(sources).flatMap((each) => {
    if (!isOfPage(each.from))
      return isOfPage(each.target) ? [`${place(each)} imports ${each.target}: src/ui is for browsers`] : [];
    if (each.typeOnly || isOfPage(each.target) || OF_BROWSER.has(each.target)) return [];
    return [`${place(each)} imports ${each.target}: a browser has only src/ui and preact`];
  });
}

/** Builtins are written with `node:`, so that no package can take their place. */
export function builtinFaults(sources: Sources, builtins: readonly string[]): string[] {
  return allImports(sources)
    .filter(({ target }) => builtins.includes(target))
    .map((each) => `${place(each)} imports ${each.target} without node:`);
}

function allImports(sources: Sources): Import[] {
  return [...sources].flatMap(([path, text]) => importsOf(path, text));
}

function roomOf(path: string): string | undefined {
  const room = path.split('/')[0] ?? '';
  return path.includes('/') && room in BELOW ? room : undefined;
}

function place(each: Import): string {
  return `${each.from}:${each.line}`;
}
