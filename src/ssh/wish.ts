/** What a caller asks for, of the text behind `ssh git@host`: a service of git, a command, or nothing. Pure. No shell ever sees it. */
import { SlipwayError } from '../errors.js';
import type { GitService } from '../git/access.js';

export type Wish =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'git'; readonly service: GitService; readonly repository: string }
  | { readonly kind: 'command'; readonly argv: readonly string[] };

const MAX_BYTES = 16 * 1024;
const MAX_WORDS = 500;
/** Besides `run` and `enter`, which carry it on, a terminal only changes what comes out. */
const WITH_TERMINAL = new Set(['run', 'enter']);

/** Throws `bad_request`. */
export function parseWish(text: string, hasTerminal: boolean): Wish {
  if (Buffer.byteLength(text) > MAX_BYTES) throw refused(`the command is longer than ${MAX_BYTES} bytes`);
  const words = splitWords(text);
  const [first] = words;
  if (first === undefined) return { kind: 'nothing' };
  if (first === 'git-receive-pack' || first === 'git-upload-pack') {
    if (hasTerminal) throw refused('git speaks in bytes, which a terminal changes', 'leave out -t');
    return { kind: 'git', service: first, repository: repositoryOf(words.slice(1)) };
  }
  if (
    first.startsWith('git-') ||
    first === 'git' ||
    first === 'scp' ||
    first === 'rsync' ||
    first.startsWith('-')
  )
    throw refused(
      `${JSON.stringify(first.slice(0, 40))} is not to be had here`,
      'git push, git fetch and the commands of slipway are: `ssh … help` lists them',
    );
  if (hasTerminal && !WITH_TERMINAL.has(first))
    throw refused('a terminal is for `run` and `enter` only', 'leave out -t');
  return { kind: 'command', argv: words };
}

/** `'/hello.git'` → `hello.git`. What names no app in the end is the same as an app that is not there (src/git/access.ts). */
function repositoryOf(args: readonly string[]): string {
  const [path = '', ...more] = args;
  if (more.length > 0 || path === '' || path.startsWith('-'))
    throw refused('git names the repository and nothing else', 'push to ssh://git@host:port/APP');
  return path.replace(/^\//, '');
}

/**
 * As a shell splits words, without anything else that one does: blanks between, '…' as it is, "…" and outside of quotes a
 * backslash before what it takes the meaning of. `;`, `|`, `$` and `*` are letters like others.
 */
export function splitWords(text: string): string[] {
  if (/[\p{Cc}]/u.test(text.replaceAll('\t', ' ').replaceAll('\n', ' ')))
    throw refused('the command holds control characters');
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const letter = text.charAt(at);
    if (quote === '' && /\s/.test(letter)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (quote === '' && (letter === "'" || letter === '"')) {
      quote = letter;
      word ??= '';
    } else if (letter === quote) quote = '';
    else if (letter === '\\' && quote !== "'" && (quote === '' || /["\\$`]/.test(text.charAt(at + 1)))) {
      at += 1;
      if (at >= text.length) throw refused('the command ends with a backslash');
      word = (word ?? '') + text.charAt(at);
    } else word = (word ?? '') + letter;
  }
  if (quote !== '') throw refused(`the command has a ${quote} without its partner`);
  if (word !== undefined) words.push(word);
  if (words.length > MAX_WORDS) throw refused(`the command has more than ${MAX_WORDS} words`);
  return words;
}

function refused(message: string, hint?: string): SlipwayError {
  return new SlipwayError('bad_request', message, hint === undefined ? {} : { hint });
}
