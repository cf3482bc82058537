import { builtinModules } from 'node:module';
import { describe, expect, it } from 'vitest';
import { builtinFaults, directionFaults, isPure, pageFaults, purityFaults } from './import-rules.js';
import { importsOf, readSources, type Sources } from './sources.js';

const project = readSources(['native', 'client', 'src', 'deploy', 'workers', 'platform']);
const BUILTINS = builtinModules.filter((name) => !name.startsWith('_'));

function files(texts: Record<string, string>): Sources {
  return new Map(Object.entries(texts));
}

describe('imports', () => {
  it('run one way: workers → deploy → src → native, platform → src', () => {
    expect(project.size).toBeGreaterThan(20);
    expect(directionFaults(project)).toEqual([]);
  });

  it.each([
    ['src', 'deploy/plan.ts'],
    ['src', 'workers/builder.ts'],
    ['src', 'platform/start.ts'],
    ['deploy', 'workers/builder.ts'],
    ['platform', 'deploy/plan.ts'],
    ['platform', 'workers/builder.ts'],
    ['native', 'src/config.ts'],
  ])('of %s do not reach %s', (room, target) => {
    for (const statement of [
      `import { x } from '../${target.replace('.ts', '.js')}';`,
      `import type { X } from '../${target.replace('.ts', '.js')}';`,
      `export * from '../${target.replace('.ts', '.js')}';`,
      `import {\n  x,\n} from '../${target.replace('.ts', '.js')}';`,
      `const x = await import('../${target.replace('.ts', '.js')}');`,
    ]) {
      expect(directionFaults(files({ [`${room}/file.ts`]: statement }))).toEqual([
        `${room}/file.ts:1 imports ${target}: ${room} must not know ${target.split('/')[0]}`,
      ]);
    }
  });

  it('of native reach its index only', () => {
    expect(directionFaults(files({ 'src/a/b.ts': "import { x } from '../../native/index.js';" }))).toEqual(
      [],
    );
    expect(directionFaults(files({ 'src/a/b.ts': "\nimport { x } from '../../native/pack.js';" }))).toEqual([
      'src/a/b.ts:2 imports native/pack.ts: only native/index.ts is for others',
    ]);
  });

  it('name builtins with node:', () => {
    expect(builtinFaults(project, BUILTINS)).toEqual([]);
    expect(builtinFaults(files({ 'src/a.ts': "import { x } from 'fs';" }), BUILTINS)).toHaveLength(1);
  });
});

describe('the page', () => {
  it('takes of the project only types, and of packages only preact; nothing takes of it', () => {
    expect([...project.keys()].filter((path) => path.startsWith('src/ui/')).length).toBeGreaterThan(20);
    expect(pageFaults(project)).toEqual([]);
  });

  it.each([
    ["import { x } from '../../model/app.js';", 'src/ui/views/a.tsx', 'src/model/app.ts'],
    ["import { readFile } from 'node:fs/promises';", 'src/ui/a.ts', 'node:fs/promises'],
    ["import axios from 'axios';", 'src/ui/a.ts', 'axios'],
    ["import { x } from './ui/format.js';", 'src/a.ts', 'src/ui/format.ts'],
  ])('is not mixed with what is not for browsers: %s in %s', (text, path, found) => {
    expect(pageFaults(files({ [path]: text }))).toEqual([expect.stringContaining(`imports ${found}:`)]);
    expect(pageFaults(files({ 'src/ui/a.ts': "import type { AppView } from '../api/views.js';" }))).toEqual(
      [],
    );
  });
});

describe('what is pure', () => {
  it('imports no I/O, on no way', () => {
    const rooms = ['src/model/', 'src/dockerfile/', 'src/build/cache/key'];
    for (const room of rooms)
      expect([room, [...project.keys()].some((path) => isPure(path) && path.startsWith(room))]).toEqual([
        room,
        true,
      ]);
    expect(purityFaults(project)).toEqual([]);
  });

  it.each([
    ['itself', { 'src/model/a.ts': "import { readFile } from 'node:fs/promises';" }, 'node:fs/promises'],
    ['a package', { 'deploy/plan.ts': "import Docker from 'dockerode';" }, 'dockerode'],
    [
      'a file between',
      {
        'src/build/cache/keys.ts': "import { x } from '../../b.js';",
        'src/b.ts': "export { x } from './c.js';",
        'src/c.ts': "import 'node:net';",
      },
      'node:net',
    ],
  ])('does not reach I/O through %s', (_, texts, found) => {
    expect(purityFaults(files(texts))).toEqual([
      expect.stringContaining(`imports ${found}, which is not pure`),
    ]);
  });

  it('may use types of what does I/O, and builtins that only compute', () => {
    const text =
      "import { createHash } from 'node:crypto';\nimport type { Stats } from 'node:fs';\nimport { type A, type B } from 'node:net';";
    expect(purityFaults(files({ 'src/dockerfile/a.ts': text }))).toEqual([]);
  });
});

it('an import statement is seen in every form, and its line is right', () => {
  const text =
    "import a from 'a';\nimport * as b from 'b';\nimport 'c';\nimport d, {\n  type e,\n} from 'd';\nexport { f } from 'f';\nconst g = await import('g');\n";
  expect(importsOf('src/x.ts', text).map(({ target, line }) => [target, line])).toEqual([
    ['a', 1],
    ['b', 2],
    ['c', 3],
    ['d', 4],
    ['f', 7],
    ['g', 8],
  ]);
});
