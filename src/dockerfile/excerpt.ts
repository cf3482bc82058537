/** The Dockerfile around the line that an error names, as buildx prints it. Pure. */
import { parseDockerfile } from './parse.js';
import type { ParseLimits } from './syntax.js';

/** Lines around those of the instruction. */
const AROUND = 3;

export interface DockerfileText {
  readonly name: string;
  readonly text: Uint8Array;
}

/** Empty when `where` is not a line of this Dockerfile. Nothing of it moves a terminal's cursor. */
export function excerpt(
  where: string | undefined,
  dockerfile: DockerfileText,
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
    return `${String(number).padStart(width)} | ${mark} ${printable(line)}`.trimEnd();
  });
  const rule = '-'.repeat(20);
  return [`${dockerfile.name}:${start}`, rule, ...rows, rule];
}

/** The last line of the instruction that begins at that line, if there is one. */
function endOf({ name, text }: DockerfileText, start: number, limits: ParseLimits): number {
  try {
    const { stages, globalArgs } = parseDockerfile(text, name, limits);
    const all = [...globalArgs, ...stages.flatMap((stage) => [stage.from, ...stage.instructions])];
    return all.find(({ lines }) => lines.start === start)?.lines.end ?? start;
  } catch {
    return start;
  }
}

function printable(line: string): string {
  return line.replaceAll('\t', '    ').replace(/\p{Cc}/gu, '');
}
