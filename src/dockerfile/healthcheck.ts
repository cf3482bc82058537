/** HEALTHCHECK → Docker's `Healthcheck` of the image config. */
import { parseDuration } from './duration.js';
import { Flags } from './flags.js';
import type { Healthcheck } from './image-document.js';
import { invalid, quoted } from './problems.js';
import type { RawInstruction } from './syntax.js';
import { trim, WORD_GAP } from './text.js';
import { jsonStrings } from './words.js';

const MILLISECOND = 1_000_000;
const EXAMPLE = 'HEALTHCHECK --interval=5s CMD curl -f http://localhost/, or HEALTHCHECK NONE';

/** Throws `dockerfile_invalid`. */
export function parseHealthcheck(raw: RawInstruction, where: string): Healthcheck {
  const flags = new Flags(
    raw.flags,
    {
      interval: 'string',
      timeout: 'string',
      'start-period': 'string',
      'start-interval': 'string',
      retries: 'string',
    },
    'HEALTHCHECK',
    where,
  );
  const gap = WORD_GAP.exec(raw.rest);
  const type = (gap === null ? raw.rest : raw.rest.slice(0, gap.index)).toUpperCase();
  const command = gap === null ? '' : trim(raw.rest.slice(gap.index));
  if (type === 'NONE') {
    if (command !== '') throw invalid(where, 'HEALTHCHECK NONE takes no arguments', EXAMPLE);
    return { Test: ['NONE'] };
  }
  if (type !== 'CMD') throw invalid(where, `HEALTHCHECK: unknown type ${quoted(type)}`, EXAMPLE);
  const argv = jsonStrings(command);
  if (argv === 'not-strings') {
    throw invalid(
      where,
      'HEALTHCHECK: the JSON array may hold only strings',
      'put every element in double quotes',
    );
  }
  if (command === '' || argv?.length === 0) throw invalid(where, 'HEALTHCHECK CMD needs a command', EXAMPLE);
  if (argv?.some((word) => word.includes('\0')))
    throw invalid(where, 'HEALTHCHECK: an argument holds a NUL byte');
  const interval = duration(flags, 'interval', where);
  const timeout = duration(flags, 'timeout', where);
  const startPeriod = duration(flags, 'start-period', where);
  const startInterval = duration(flags, 'start-interval', where);
  const retries = parseRetries(flags, where);
  return {
    Test: argv === undefined ? ['CMD-SHELL', command] : ['CMD', ...argv],
    ...(interval === 0 ? {} : { Interval: interval }),
    ...(timeout === 0 ? {} : { Timeout: timeout }),
    ...(startPeriod === 0 ? {} : { StartPeriod: startPeriod }),
    ...(startInterval === 0 ? {} : { StartInterval: startInterval }),
    ...(retries === 0 ? {} : { Retries: retries }),
  };
}

/** Nanoseconds; 0 inherits the default. */
function duration(flags: Flags, name: string, where: string): number {
  const text = flags.text(name);
  if (text === undefined) return 0;
  const value = parseDuration(text);
  if (value === undefined) {
    throw invalid(
      where,
      `HEALTHCHECK --${name}: ${quoted(text)} is not a duration`,
      'use 30s, 1m30s or 500ms',
    );
  }
  if (value !== 0 && value < MILLISECOND) {
    throw invalid(
      where,
      `HEALTHCHECK --${name}: ${quoted(text)} is shorter than 1ms`,
      'use at least 1ms, or 0 for the default',
    );
  }
  return value;
}

function parseRetries(flags: Flags, where: string): number {
  const text = flags.text('retries');
  if (text === undefined) return 0;
  const value = Number(text);
  if (!/^\d{1,10}$/.test(text) || value > 0x7fffffff) {
    throw invalid(
      where,
      `HEALTHCHECK --retries: ${quoted(text)} is not a whole number`,
      'use a number such as 3',
    );
  }
  return value;
}
