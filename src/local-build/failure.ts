/** How a failed build is told: the Dockerfile around the line that failed, as buildx prints it, then what and what to do. */
import { parseDockerfile } from '../dockerfile/parse.js';
import type { ParseLimits } from '../dockerfile/types.js';
import { type ErrorCode, isErrno, SlipwayError } from '../errors.js';
import { shownLine } from './printers/text.js';

/** Lines around those of the instruction. */
const AROUND = 3;

/** What the caller wrote is wrong, rather than that the build went wrong: exit code 2. */
const WRITTEN_WRONG: ReadonlySet<ErrorCode> = new Set([
  'bad_request',
  'invalid_name',
  'invalid_config',
  'dockerfile_missing',
  'dockerfile_invalid',
  'dockerfile_unsupported',
  'context_invalid',
  'context_too_large',
  'source_missing',
  'secret_missing',
  'not_allowed',
  'registry_push_not_allowed',
]);

export function isWrittenWrong(error: SlipwayError): boolean {
  return WRITTEN_WRONG.has(error.code);
}

/** Laying out a layer sets owners and mounts: without root the system says no, and does not say why. */
export function explained(error: SlipwayError, isRoot: boolean = process.getuid?.() === 0): SlipwayError {
  const denied =
    isErrno(error.cause, 'EPERM') ||
    isErrno(error.cause, 'EACCES') ||
    /not permitted|EPERM/.test(error.message);
  if (isRoot || !denied || error.hint !== undefined) return error;
  return new SlipwayError('unavailable', `only root can build this: ${error.message}`, {
    ...(error.where === undefined ? {} : { where: error.where }),
    hint: 'run it as root: sudo slipway build …',
    cause: error,
  });
}

/** Empty when the error is not at a line of this Dockerfile. */
export function excerpt(
  where: string | undefined,
  dockerfile: { readonly name: string; readonly text: Uint8Array },
  limits: ParseLimits,
): string[] {
  const match = /^(.*):(\d+)$/.exec(where ?? '');
  if (match === null || match[1] !== dockerfile.name) return [];
  const lines = Buffer.from(dockerfile.text).toString('utf8').split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  const start = Number(match[2]);
  if (start < 1 || start > lines.length) return [];
  const end = Math.min(endOf(dockerfile, start, limits), lines.length);
  const first = Math.max(1, start - AROUND);
  const last = Math.min(lines.length, end + AROUND);
  const width = Math.max(4, String(last).length + 1);
  const rows = lines.slice(first - 1, last).map((line, index) => {
    const number = first + index;
    const mark = number >= start && number <= end ? '>>>' : '   ';
    return `${String(number).padStart(width)} | ${mark} ${shownLine(line)}`.trimEnd();
  });
  const rule = '-'.repeat(20);
  return [`${dockerfile.name}:${start}`, rule, ...rows, rule];
}

/** The last line of the instruction that begins at that line, if there is one. */
function endOf(
  { name, text }: { readonly name: string; readonly text: Uint8Array },
  start: number,
  limits: ParseLimits,
): number {
  try {
    const { stages, globalArgs } = parseDockerfile(text, name, limits);
    const all = [...globalArgs, ...stages.flatMap((stage) => [stage.from, ...stage.instructions])];
    return all.find(({ lines }) => lines.start === start)?.lines.end ?? start;
  } catch {
    return start;
  }
}
