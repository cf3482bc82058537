/** Which way of showing a build fits where it is shown. */
import type { ProgressMode } from '../options.js';
import { PlainPrinter } from './plain.js';
import type { Printer, Terminal } from './printer.js';
import { quietPrinter } from './quiet.js';
import { RawJsonPrinter } from './rawjson.js';
import { TtyPrinter } from './tty.js';

/** `auto` is live lines on a terminal that can move its cursor, unless it is a CI's. `tty` needs such a terminal too. */
export function choosePrinter(mode: ProgressMode, stream: Terminal, env: NodeJS.ProcessEnv): Printer {
  const canMove = stream.isTTY === true && env.TERM !== 'dumb';
  switch (mode) {
    case 'quiet':
      return quietPrinter;
    case 'rawjson':
      return new RawJsonPrinter(stream);
    case 'plain':
      return new PlainPrinter(stream);
    case 'tty':
    case 'auto':
      return canMove && (mode === 'tty' || !env.CI)
        ? new TtyPrinter(stream, { colours: !env.NO_COLOR })
        : new PlainPrinter(stream);
  }
}
