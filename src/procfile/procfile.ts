/**
 * The Procfile: `type: command` per line, as Heroku's. Blank lines and lines that begin with `#` say nothing. What cannot be meant is
 * refused with its line, where other platforms pass it over: a type that is not there does not start, and nobody is told. Pure.
 */
import { SlipwayError } from '../errors.js';
import { typeFault, WEB_TYPE } from '../model/process.js';

export const PROCFILE = 'Procfile';
export const PROCFILE_BYTES: number = 64 * 1024;
const TYPES_LIMIT = 50;
const COMMAND_BYTES = 8 * 1024;
/** The line that is no process: it runs once, before the release. */
const RELEASE = 'release';

export interface Procfile {
  /** By type, in the order of the file. Undefined for `web:` without a command: the image's own. */
  readonly commands: ReadonlyMap<string, string | undefined>;
  readonly release?: string;
}

/** Throws `procfile_invalid` with file and line. */
export function parseProcfile(text: string): Procfile {
  const commands = new Map<string, string | undefined>();
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/);
  const firstLines = new Map<string, number>();
  for (const [index, line] of lines.entries()) {
    const number = index + 1;
    const said = line.trim();
    if (said === '' || said.startsWith('#')) continue;
    const [, type, rest = ''] = /^([^\s:]+)\s*:(.*)$/s.exec(said) ?? [];
    if (type === undefined)
      throw invalid(number, `${JSON.stringify(said.slice(0, 60))} is not "type: command"`);
    const fault = type === RELEASE ? undefined : typeFault(type);
    if (fault !== undefined) throw invalid(number, fault);
    const before = firstLines.get(type);
    if (before !== undefined) throw invalid(number, `${type} is named twice, first in line ${before}`);
    const command = rest.trim();
    if (command === '' && type !== WEB_TYPE) throw invalid(number, `${type} has no command`);
    if (command.includes('\0')) throw invalid(number, `the command of ${type} holds a NUL`);
    if (Buffer.byteLength(command) > COMMAND_BYTES)
      throw invalid(number, `the command of ${type} is longer than ${COMMAND_BYTES} bytes`);
    firstLines.set(type, number);
    if (firstLines.size > TYPES_LIMIT)
      throw invalid(number, `there are more than ${TYPES_LIMIT} process types`);
    commands.set(type, command === '' ? undefined : command);
  }
  const release = commands.get(RELEASE);
  commands.delete(RELEASE);
  return { commands, ...(release === undefined ? {} : { release }) };
}

function invalid(line: number, message: string): SlipwayError {
  return new SlipwayError('procfile_invalid', message, {
    where: `${PROCFILE}:${line}`,
    hint: 'correct the line, commit and push again; each is for example: worker: node worker.js',
  });
}
