/** The project's source files as text, and what they import. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { projectRoot } from '../../src/root.js';

/** Path below the project, with `/`, to text. */
export type Sources = ReadonlyMap<string, string>;

export interface Import {
  readonly from: string;
  readonly line: number;
  /** A path below the project (`src/config.ts`), or the name of a package or builtin. */
  readonly target: string;
  /** Erased by the compiler: nothing of it is there at run time. */
  readonly typeOnly: boolean;
  /** `import('x')`: only there once the line is reached. */
  readonly deferred: boolean;
}

export function readSources(rooms: readonly string[]): Sources {
  const root = projectRoot();
  const files = rooms.flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.(ts|tsx|mjs)$/.test(path))
      .filter((path) => !path.startsWith('build/') || room !== 'native')
      .map((path) => `${room}/${path}`),
  );
  return new Map(files.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

/** `import … from 'x'`, `export … from 'x'`, `import 'x'`, `import('x')`; a statement may run over several lines. */
const IMPORT =
  /^[ \t]*(?:import|export)\s+(type\s+)?(?:[\w$*{][^'";]*?\s*from\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|\brequire\(\s*['"]([^'"]+)['"]\s*\)/gm;

export function importsOf(path: string, text: string): Import[] {
  return [...text.matchAll(IMPORT)].map((match) => {
    const specifier = match[2] ?? match[3] ?? match[4] ?? '';
    const names = /\{([^}]*)\}\s*from/.exec(match[0])?.[1];
    const allTypes =
      names?.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type ')) ?? false;
    const target = specifier.startsWith('.')
      ? normalize(join(dirname(path), specifier)).replace(/\.js$/, '.ts')
      : specifier;
    return {
      from: path,
      line: text.slice(0, match.index).split('\n').length,
      target,
      typeOnly: match[1] !== undefined || allTypes,
      deferred: match[3] !== undefined,
    };
  });
}

/** The lines of code: those that are comment only are blank. */
export function codeLines(text: string): string[] {
  return text.split('\n').map((line) => (/^\s*(\/\/|\/\*|\*)/.test(line) ? '' : line));
}
