/**
 * The last so many things of one kind, as a file of JSON lines. Each is one O_APPEND write of "\n" + JSON, as in a journal; now and
 * then the file is written anew without the oldest. One process does that, whoever appends.
 */
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeDirectory } from '../durable.js';
import { isErrno } from '../errors.js';

/** On disk when it returns. */
export async function appendLines(path: string, ...values: readonly unknown[]): Promise<void> {
  if (values.length === 0) return;
  await makeDirectory(dirname(path));
  const file = await open(path, 'a', 0o600);
  try {
    await file.appendFile(values.map((value) => `\n${JSON.stringify(value)}`).join(''));
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** In the order of the file; what is torn or not what `parse` takes is passed over. */
export async function readLines<T>(path: string, parse: (value: unknown) => T | undefined): Promise<T[]> {
  const text = await readFile(path, 'utf8').catch((thrown: unknown) => {
    if (isErrno(thrown, 'ENOENT')) return '';
    throw thrown;
  });
  return text.split('\n').flatMap((line) => {
    if (line === '') return [];
    try {
      const value = parse(JSON.parse(line));
      return value === undefined ? [] : [value];
    } catch {
      return [];
    }
  });
}

/** Leaves what `keep` chooses, once the file has grown beyond `sizeBytes`. */
export async function trimLines<T>(
  path: string,
  sizeBytes: number,
  parse: (value: unknown) => T | undefined,
  keep: (values: readonly T[]) => readonly T[],
): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || found.size <= sizeBytes) return;
  const kept = keep(await readLines(path, parse));
  const temporary = `${path}.new`;
  await rm(temporary, { force: true });
  await appendLines(temporary, ...kept);
  if (kept.length === 0) await rm(path, { force: true });
  else await rename(temporary, path);
}
