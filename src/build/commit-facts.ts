/** What a release says of its commit: its subject and author, and the processes that its Procfile and app.json declare. */
import { SlipwayError } from '../errors.js';
import type { ObjectReader } from '../git/objects.js';
import type { TreeEntry } from '../git/tree.js';
import type { Declared } from '../model/process.js';
import { oneLine } from '../one-line.js';
import { APP_JSON, APP_JSON_BYTES } from '../procfile/app-json.js';
import { declaredProcesses } from '../procfile/declared.js';
import { PROCFILE, PROCFILE_BYTES } from '../procfile/procfile.js';

const SUBJECT_CHARS = 200;
/** A commit that is larger goes without subject and author: it may be a small push of hundreds of megabytes. */
const COMMIT_BYTES = 1024 * 1024;

export interface CommitFacts {
  readonly message: string;
  readonly author: string;
  readonly declared: Declared;
}

/** `path`: the directory of the app. Throws `procfile_invalid` or `app_json_invalid` with file and line. */
export async function commitFacts(
  objects: Pick<ObjectReader, 'read' | 'tree'>,
  commit: string,
  path?: string,
): Promise<CommitFacts> {
  const text = await readUpTo(objects, commit, COMMIT_BYTES);
  const root = path === undefined ? await objects.tree(commit) : await directoryOf(objects, commit, path);
  const [procfile, appJson] = await Promise.all([
    readFile(objects, root, { name: PROCFILE, code: 'procfile_invalid', maxBytes: PROCFILE_BYTES }),
    readFile(objects, root, { name: APP_JSON, code: 'app_json_invalid', maxBytes: APP_JSON_BYTES }),
  ]);
  const declared = declaredProcesses({
    ...(procfile === undefined ? {} : { procfile }),
    ...(appJson === undefined ? {} : { appJson }),
  });
  return { ...describeCommit(text?.toString('utf8') ?? ''), declared };
}

/** Nothing where the commit has no such directory: what is built from it says so. */
async function directoryOf(
  objects: Pick<ObjectReader, 'tree'>,
  commit: string,
  path: string,
): Promise<readonly TreeEntry[]> {
  let entries: readonly TreeEntry[] = await objects.tree(commit);
  for (const name of path.split('/')) {
    const found = entries.find((entry) => entry.name === name);
    if (found?.type !== 'tree') return [];
    entries = await objects.tree(found.oid);
  }
  return entries;
}

/** gitformat-pack(5): headers, an empty line, the message. */
export function describeCommit(text: string): Pick<CommitFacts, 'message' | 'author'> {
  const end = text.indexOf('\n\n');
  const [, author = ''] = /^author (.*?) ?<[^>\n]*> /m.exec(text.slice(0, end + 1)) ?? [];
  const [subject = ''] =
    end < 0
      ? []
      : text
          .slice(end + 2)
          .trimStart()
          .split(/\n[\t ]*\n/);
  return { message: printed(subject), author: printed(author) };
}

/** As one line, without what a terminal obeys. */
function printed(text: string): string {
  return oneLine(text.replace(/\p{Cc}+/gu, ' '), SUBJECT_CHARS);
}

interface RootFile {
  readonly name: string;
  readonly code: 'procfile_invalid' | 'app_json_invalid';
  readonly maxBytes: number;
}

/** Undefined when the commit has none. */
async function readFile(
  objects: Pick<ObjectReader, 'read'>,
  root: readonly TreeEntry[],
  { name, code, maxBytes }: RootFile,
): Promise<string | undefined> {
  const entry = root.find((one) => one.name === name);
  if (entry === undefined) return undefined;
  const invalid = (message: string): SlipwayError =>
    new SlipwayError(code, message, { where: name, hint: 'correct it, commit and push again' });
  if (entry.type !== 'file' && entry.type !== 'executable')
    throw invalid(`it is a ${entry.type}, not a file`);
  const data = await readUpTo(objects, entry.oid, maxBytes);
  if (data === undefined) throw invalid(`it is larger than ${maxBytes} bytes`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(data);
  } catch {
    throw invalid('it is not UTF-8');
  }
}

/** Undefined when it is larger. */
async function readUpTo(
  objects: Pick<ObjectReader, 'read'>,
  oid: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  try {
    return (await objects.read(oid, { maxBytes })).data;
  } catch (thrown) {
    if (thrown instanceof SlipwayError && thrown.code === 'context_too_large') return undefined;
    throw thrown;
  }
}
