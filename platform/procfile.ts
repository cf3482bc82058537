/**
 * The Procfile: the processes that make up Slipway, one `name: command` a line. No shell reads it, so a command is split
 * into arguments here, with quotes but without variables, pipes or redirection. Pure.
 */
import { SlipwayError } from '../src/errors.js';

export interface ProcessEntry {
  readonly name: string;
  readonly argv: readonly string[];
}

const LINE = /^([A-Za-z0-9_-]+):\s*(.+)$/;
/** What a shell would act on outside quotes. Refused, so that nobody believes that it works. */
const SHELL_ONLY = /[|&;<>()$`*?]/;

/** Throws `invalid_config` with the line for a bad line, a name given twice, or a file without a process. */
export function parseProcfile(text: string, file = 'Procfile'): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  text.split('\n').forEach((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    const where = `${file}:${index + 1}`;
    const [, name, command] = LINE.exec(line) ?? [];
    if (name === undefined || command === undefined) {
      throw new SlipwayError('invalid_config', `${JSON.stringify(line)} is not a process`, {
        where,
        hint: 'write `name: command`, for example `web: node dist/run/web.js`',
      });
    }
    if (entries.some((entry) => entry.name === name)) {
      throw new SlipwayError('invalid_config', `the process ${name} is there twice`, { where });
    }
    entries.push({ name, argv: splitArguments(command, where) });
  });
  if (entries.length === 0) throw new SlipwayError('invalid_config', 'it names no process', { where: file });
  return entries;
}

/** Splits at blanks, as POSIX sh splits a simple command: '…' is literal, "…" keeps blanks, a backslash takes the next character. */
export function splitArguments(command: string, where = 'Procfile'): string[] {
  const argv: string[] = [];
  let word: string | undefined;
  let quote: '"' | "'" | undefined;
  for (let at = 0; at < command.length; at++) {
    const char = command.charAt(at);
    if (char === '\\' && quote !== "'") {
      at++;
      if (at === command.length) throw badCommand('it ends with a backslash', where);
      word = (word ?? '') + command.charAt(at);
    } else if (quote !== undefined) {
      if (char === quote) quote = undefined;
      else word = (word ?? '') + char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (char === ' ' || char === '\t') {
      if (word !== undefined) argv.push(word);
      word = undefined;
    } else if (SHELL_ONLY.test(char)) {
      throw badCommand(`${char} would need a shell, and none reads this file`, where);
    } else {
      word = (word ?? '') + char;
    }
  }
  if (quote !== undefined) throw badCommand(`a ${quote} is not closed`, where);
  if (word !== undefined) argv.push(word);
  return argv;
}

function badCommand(problem: string, where: string): SlipwayError {
  return new SlipwayError('invalid_config', `the command is not valid: ${problem}`, {
    where,
    hint: 'put the argument in single quotes, or the logic into a script',
  });
}
