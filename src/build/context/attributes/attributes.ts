/**
 * What .gitattributes says of the files of a commit, asked of git itself: macros, nested files and their order are its
 * business. A commit whose attribute files name nothing that changes bytes costs one look at those files.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SlipwayError } from '../../../errors.js';
import type { Git } from '../../../git/git.js';
import type { ObjectReader } from '../../../git/objects.js';
import { baseName, parentPath } from '../../copy/copy-source.js';
import type { ContextEntry } from '../context.js';

export interface AttributesPlace {
  readonly git: Git;
  readonly gitDir: string;
  readonly objects: Pick<ObjectReader, 'read'>;
  readonly commit: string;
  /** The directory of the commit that `entries` are in; empty for its root. */
  readonly directory: string;
  readonly signal?: AbortSignal;
}

export interface FileAttributes {
  /** The attributes that change a file's bytes in a checkout, as one line of .gitattributes without its pattern. */
  readonly conversion?: string;
  readonly lfs: boolean;
}

/** With git's old word for text. export-ignore and export-subst are for archives, not for checkouts. */
const NAMES = ['text', 'crlf', 'eol', 'ident', 'working-tree-encoding', 'filter'] as const;
const CHANGING = /eol|ident|working-tree-encoding|filter/;
const MAX_BYTES = 1024 * 1024;

/** By path, only of files that have such attributes. */
export async function attributesOf(
  entries: readonly ContextEntry[],
  place: AttributesPlace,
): Promise<ReadonlyMap<string, FileAttributes>> {
  if (!(await anyChanging(entries, place))) return new Map();
  const prefix = place.directory === '' ? '' : `${place.directory}/`;
  const answers = await ask(
    entries.filter(({ type }) => type === 'file').map(({ path }) => prefix + path),
    place,
  );
  const found = new Map<string, FileAttributes>();
  for (const [path, values] of answers) {
    const conversion = conversionOf(values, path);
    const lfs = values.get('filter') === 'lfs';
    if (conversion === undefined && !lfs) continue;
    found.set(path.slice(prefix.length), { lfs, ...(conversion === undefined ? {} : { conversion }) });
  }
  return found;
}

async function anyChanging(
  entries: readonly ContextEntry[],
  { objects, commit, directory }: AttributesPlace,
): Promise<boolean> {
  const inside = entries.filter(({ path, type }) => type === 'file' && baseName(path) === '.gitattributes');
  const names = inside.map(({ oid }) => oid);
  for (let at = directory; at !== ''; at = parentPath(at)) {
    const above = parentPath(at);
    names.push(`${commit}:${above === '' ? '' : `${above}/`}.gitattributes`);
  }
  for (const name of names) {
    try {
      const { data } = await objects.read(name, { maxBytes: MAX_BYTES });
      if (CHANGING.test(data.toString('latin1'))) return true;
    } catch (error) {
      if (!(error instanceof SlipwayError) || error.code !== 'not_found') throw error;
    }
  }
  return false;
}

/** `check-attr` reads the attribute files from an index, here one of the whole commit that nobody else sees. */
async function ask(
  paths: readonly string[],
  { git, gitDir, commit, signal }: AttributesPlace,
): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const scratch = await mkdtemp(join(tmpdir(), 'slipway-attributes-'));
  try {
    const env = { GIT_INDEX_FILE: join(scratch, 'index') };
    const call = { gitDir, env, ...(signal === undefined ? {} : { signal }) };
    await git.run(['read-tree', '--end-of-options', commit], call);
    const output = await git.run(['check-attr', '--cached', '--stdin', '-z', ...NAMES], {
      ...call,
      input: paths.map((path) => `${path}\0`).join(''),
      maxOutputBytes: 1024 * 1024 * 1024,
    });
    const fields = output.toString('utf8').split('\0');
    const found = new Map<string, Map<string, string>>();
    for (let at = 0; at + 2 < fields.length; at += 3) {
      const [path = '', name = '', value = ''] = fields.slice(at, at + 3);
      if (value === 'unspecified') continue;
      const values = found.get(path) ?? new Map<string, string>();
      found.set(path, values.set(name, value));
    }
    return found;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Line ends become LF by themselves, which is what is in the repository: only CRLF changes anything here. */
function conversionOf(values: ReadonlyMap<string, string>, path: string): string | undefined {
  const encoding = values.get('working-tree-encoding');
  const encoded = encoding !== undefined && encoding !== 'set' && encoding !== 'unset' && encoding !== '';
  const crlf = values.get('eol') === 'crlf' && values.get('text') !== 'unset';
  if (!encoded && !crlf && values.get('ident') !== 'set') return undefined;
  if (encoded && !/^[A-Za-z0-9][A-Za-z0-9._:+-]{0,60}$/.test(encoding)) {
    throw new SlipwayError(
      'context_invalid',
      `${JSON.stringify(path)} has a working-tree-encoding that is no name of an encoding`,
      { hint: 'correct .gitattributes: iconv --list shows the names' },
    );
  }
  const words = NAMES.filter((name) => name !== 'filter').map((name) => {
    const value = values.get(name);
    if (value === undefined || (name === 'working-tree-encoding' && !encoded)) return '';
    if (value === 'set') return name;
    return value === 'unset' ? `-${name}` : /^[a-zA-Z]+$/.test(value) || encoded ? `${name}=${value}` : '';
  });
  return words.filter((word) => word !== '').join(' ');
}
