/** The results as files: JSON, which the others are made of, the picture, and the tables between two marks of a document. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { barsPicture } from './bars.js';
import { type CaseResult, LEAST_ROUNDS, type Results } from './results.js';
import { asMarkdown, costTable, profileTable, timeTable } from './table.js';

/** Undefined when there is no such file. */
export async function readResults<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export async function writeJson(path: string, value: unknown): Promise<void> {
  await write(path, `${JSON.stringify(value, rounded, 2)}\n`);
}

export async function writeBars(path: string, results: Results): Promise<void> {
  await write(path, barsPicture(results));
}

export async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

/** Replaces what stands between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`; the rest of the document is somebody's text. */
export async function writeSection(path: string, name: string, text: string): Promise<void> {
  await writeFile(path, withSection(await readFile(path, 'utf8'), name, text));
}

/** Throws an Error where the document has no such section. */
export function withSection(document: string, name: string, text: string): string {
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const [from, to] = [document.indexOf(open), document.indexOf(close)];
  if (from < 0 || to < from) throw new Error(`the document has no section ${open} … ${close}`);
  return `${document.slice(0, from + open.length)}\n\n${text.trim()}\n\n${document.slice(to)}`;
}

export function resultsMarkdown(results: Results): string {
  const { machine, contenders, cases } = results;
  const notes = cases.flatMap((one) =>
    [...one.differences, ...one.notes, ...tooFew(one)].map((line) => `- ${one.id}: ${line}`),
  );
  const profile = profileTable(results);
  return [
    `Measured on ${machine.date} at commit ${machine.commit}: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGB} GB, Linux ${machine.kernel}, ${machine.system}, Node ${machine.node}.`,
    `${contenders.map(({ name, version }) => `\`${name}\` is ${version}`).join('; ')}.`,
    asMarkdown(timeTable(results)),
    'Processor time and peak memory of the whole process tree:',
    asMarkdown(costTable(results)),
    ...(notes.length === 0 ? [] : [notes.join('\n')]),
    ...(profile.rows.length === 0
      ? []
      : ['Where our time goes in the cases that miss their mark:', asMarkdown(profile)]),
  ].join('\n\n');
}

function tooFew({ sides, mark }: CaseResult): string[] {
  const rounds = Math.min(...sides.map(({ samples }) => samples.length));
  return rounds < LEAST_ROUNDS && mark.kind !== 'bytes' ? [`${rounds} rounds only`] : [];
}

/** A microsecond says enough. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 1000) / 1000 : value;
}
