/**
 * A git tree object's bytes as entries (gitformat-pack(5) and git's tree.c: `<mode> <name> NUL <20 bytes of id>`).
 * The names become paths of files, so what could lead out of a directory or collide is refused here although
 * receive.fsckObjects refuses most of it at the door: a tree can also have come in before, or by hand. Pure.
 */
import { SlipwayError } from '../errors.js';

export type TreeEntryType = 'file' | 'executable' | 'symlink' | 'tree' | 'submodule';

export interface TreeEntry {
  readonly name: string;
  readonly type: TreeEntryType;
  /** As git writes it, without a leading zero: `100644`, `100755`, `120000`, `40000`, `160000`. */
  readonly mode: string;
  readonly oid: string;
}

const OID_BYTES = 20;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Throws `context_invalid` naming the tree and the entry. */
export function parseTree(oid: string, data: Uint8Array): TreeEntry[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const entries: TreeEntry[] = [];
  const seen = new Set<string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const end = space < 0 ? -1 : bytes.indexOf(0, space);
    if (end < 0 || end + 1 + OID_BYTES > bytes.length)
      throw invalid(oid, 'the tree object is cut or damaged');
    const mode = bytes.toString('latin1', at, space);
    const name = checkName(oid, bytes.subarray(space + 1, end));
    if (seen.has(name)) throw invalid(oid, `${JSON.stringify(name)} occurs twice`);
    seen.add(name);
    at = end + 1 + OID_BYTES;
    entries.push({ name, ...kindOf(oid, name, mode), oid: bytes.toString('hex', end + 1, at) });
  }
  return entries;
}

function checkName(oid: string, bytes: Uint8Array): string {
  let name: string;
  try {
    name = utf8.decode(bytes);
  } catch {
    const shown = JSON.stringify(Buffer.from(bytes).toString('latin1'));
    throw invalid(oid, `the file name ${shown} is not UTF-8`, 'rename the file, commit and push again');
  }
  const isForbidden =
    name === '' || name === '.' || name === '..' || name.includes('/') || name.toLowerCase() === '.git';
  if (isForbidden) throw invalid(oid, `${JSON.stringify(name)} cannot be a file name`);
  return name;
}

function kindOf(oid: string, name: string, mode: string): { type: TreeEntryType; mode: string } {
  switch (mode.replace(/^0+/, '')) {
    case '40000':
      return { type: 'tree', mode: '40000' };
    case '100755':
      return { type: 'executable', mode: '100755' };
    case '100644':
    // Group-writable: written by git before 1.0, read by all since as a plain file.
    case '100664':
      return { type: 'file', mode: '100644' };
    case '120000':
      return { type: 'symlink', mode: '120000' };
    case '160000':
      return { type: 'submodule', mode: '160000' };
    default:
      throw invalid(
        oid,
        `${JSON.stringify(name)} has the mode ${JSON.stringify(mode)}, which git does not know`,
      );
  }
}

function invalid(oid: string, message: string, hint?: string): SlipwayError {
  return new SlipwayError('context_invalid', message, {
    where: `tree ${oid.slice(0, 12)}`,
    ...(hint === undefined ? {} : { hint }),
  });
}
