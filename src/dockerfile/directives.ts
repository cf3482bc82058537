/** Parser directives: `# escape=`, `# syntax=`, `# check=` at the very top of a Dockerfile. */
import { invalid, quoted, unsupported } from './problems.js';
import type { Directives, EscapeCharacter } from './syntax.js';
import { trim } from './text.js';

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S(?:.*\S)?)\s*$/;
const KNOWN = new Set(['syntax', 'escape', 'check']);

/** Reads them off the first lines. The first line that is none, even a plain comment, ends them. */
export function readDirectives(lines: readonly string[], name: string): Directives {
  const found = new Map<string, string>();
  // Only a syntax may follow a line for the shell that starts the file.
  const isScript = lines[0]?.startsWith('#!') === true;
  for (const [index, line] of lines.entries()) {
    if (isScript && index === 0) continue;
    const match = DIRECTIVE.exec(trim(line));
    const key = match?.[1]?.toLowerCase();
    if (key === undefined || !KNOWN.has(key) || (isScript && key !== 'syntax')) break;
    const where = `${name}:${index + 1}`;
    if (found.has(key)) throw invalid(where, `the directive ${key} is given twice`, 'keep one of them');
    const value = match?.[2] ?? '';
    if (key === 'escape' && value !== '\\' && value !== '`') {
      throw invalid(where, `${quoted(value)} cannot be the escape character`, 'use \\ or `');
    }
    if (key === 'syntax') checkSyntax(value, where);
    found.set(key, value);
  }
  const syntax = found.get('syntax');
  const check = found.get('check');
  return {
    escape: (found.get('escape') ?? '\\') as EscapeCharacter,
    ...(syntax === undefined ? {} : { syntax }),
    ...(check === undefined ? {} : { check }),
  };
}

/** Docker pulls this image to parse the file. The grammar of docker/dockerfile is built in; another one is another language. */
function checkSyntax(value: string, where: string): void {
  const [reference = ''] = value.split(' ');
  const repository = reference.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
  if (/(^|\/)docker\/dockerfile(-upstream)?$/.test(repository)) return;
  throw unsupported(
    where,
    `the syntax ${quoted(reference)} is not the Dockerfile syntax`,
    'only docker/dockerfile is understood; remove the directive if the file is a Dockerfile',
  );
}
