/** `--chmod` values: octal, or symbolic as chmod(1) has them with a umask of 0. Pure. */
import { SlipwayError } from '../../errors.js';
import type { ModeChange } from './copy.js';

/** Throws `dockerfile_invalid`; the caller adds the line. */
export function parseChmod(text: string): ModeChange {
  if (/^0?[0-7]{1,4}$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    return Object.assign(() => mode, { octal: mode });
  }
  const clauses = text.split(',').map(parseClause);
  if (clauses.includes(undefined)) {
    throw new SlipwayError('dockerfile_invalid', `--chmod=${text} is not a mode`, {
      hint: 'use an octal mode such as 0755, or symbols such as u=rwX,go=rX',
    });
  }
  return (mode, isDirectory) => clauses.reduce((at, clause) => clause?.(at, isDirectory) ?? at, mode);
}

const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007 };

function parseClause(text: string): ModeChange | undefined {
  const match = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/.exec(text);
  if (match === null) return undefined;
  const [, who = '', actions = ''] = match;
  const everyone = who === '' || who.includes('a');
  const mask = everyone ? 0o7777 : [...who].reduce((bits, letter) => bits | (WHO[letter] ?? 0), 0);
  const steps = [...actions.matchAll(/([-+=])([rwxXst]*|[ugo])(?=[-+=]|$)/g)];
  return (mode, isDirectory) =>
    steps.reduce((at, [, operator, permissions = '']) => {
      const bits = permissionBits(permissions, at, isDirectory) & mask;
      if (operator === '+') return at | bits;
      if (operator === '-') return at & ~bits;
      // chmod(1) keeps a directory's setuid and setgid bits unless they are named.
      return (at & ~(mask & (isDirectory ? 0o1777 : 0o7777))) | bits;
    }, mode);
}

function permissionBits(permissions: string, mode: number, isDirectory: boolean): number {
  if (permissions === 'u') return 0o111 * ((mode >> 6) & 7);
  if (permissions === 'g') return 0o111 * ((mode >> 3) & 7);
  if (permissions === 'o') return 0o111 * (mode & 7);
  let bits = 0;
  for (const letter of permissions) {
    if (letter === 'r') bits |= 0o444;
    if (letter === 'w') bits |= 0o222;
    if (letter === 'x' || (letter === 'X' && (isDirectory || (mode & 0o111) !== 0))) bits |= 0o111;
    if (letter === 's') bits |= 0o6000;
    if (letter === 't') bits |= 0o1000;
  }
  return bits;
}
