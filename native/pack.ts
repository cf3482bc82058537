/** Packs a batch of layer entries into three values, so that a batch crosses the border in one call (see border.cc). */
import type { LayerEntry, ObjectPipe } from './index.js';

/** The order is the one of kTypes in border.cc; then come files that are read from this machine, and from git. */
const TYPES: readonly LayerEntry['type'][] = [
  'file',
  'directory',
  'symlink',
  'hardlink',
  'fifo',
  'char',
  'block',
  'whiteout',
];
const FILE_FROM_HOST = TYPES.length;
const FILE_FROM_GIT = TYPES.length + 1;
const NUMBERS_PER_ENTRY = 11;
const MAX_ID = 0xffff_fffe;

export interface PackedEntries {
  readonly numbers: Float64Array;
  /** UTF-8, each string ended by a NUL. */
  readonly strings: Uint8Array;
  readonly bytes: readonly Uint8Array[];
  readonly pipes: readonly ObjectPipe[];
}

export function packEntries(entries: readonly LayerEntry[]): PackedEntries {
  const numbers = new Float64Array(entries.length * NUMBERS_PER_ENTRY);
  const strings: string[] = [];
  const bytes: Uint8Array[] = [];
  const pipes: ObjectPipe[] = [];
  const placeOf = ({ pipe }: NonNullable<LayerEntry['object']>): number => {
    if (!pipes.includes(pipe)) pipes.push(pipe);
    return pipes.indexOf(pipe);
  };
  entries.forEach((entry, index) => {
    checkEntry(entry);
    const xattrs = Object.entries(entry.xattrs ?? {});
    numbers.set(
      [
        typeOf(entry),
        entry.mode,
        entry.uid,
        entry.gid,
        Math.floor(entry.mtime),
        entry.rdevMajor ?? 0,
        entry.rdevMinor ?? 0,
        entry.data === undefined ? 0 : 1,
        xattrs.length,
        entry.object === undefined ? (entry.range?.offset ?? -1) : placeOf(entry.object),
        entry.range?.sizeBytes ?? 0,
      ],
      index * NUMBERS_PER_ENTRY,
    );
    strings.push(entry.path, entry.linkname ?? '', entry.file ?? entry.object?.oid ?? '', entry.sha256 ?? '');
    if (entry.data !== undefined) bytes.push(entry.data);
    for (const [name, value] of xattrs) {
      strings.push(name);
      bytes.push(value);
    }
  });
  const joined = strings.length === 0 ? '' : `${strings.join('\0')}\0`;
  const buffer = Buffer.from(joined);
  // Only the NULs put in here may be there: another one would shift every string after it.
  if (strings.some((text) => text.includes('\0'))) throw invalid('an entry', 'has a NUL in a name');
  return { numbers, strings: buffer, bytes, pipes };
}

function typeOf({ type, file, object }: LayerEntry): number {
  if (file !== undefined) return FILE_FROM_HOST;
  return object === undefined ? TYPES.indexOf(type) : FILE_FROM_GIT;
}

function checkEntry(entry: LayerEntry): void {
  const { path, type } = entry;
  if (!TYPES.includes(type)) throw invalid(path, `has the unknown type ${String(type)}`);
  if (!isWithin(entry.mode, 0o7777)) throw invalid(path, `has the mode ${entry.mode}`);
  if (!isWithin(entry.uid, MAX_ID) || !isWithin(entry.gid, MAX_ID))
    throw invalid(path, 'has an owner out of range');
  if (!Number.isFinite(entry.mtime)) throw invalid(path, 'has a time that is not a number');
  const contents = [entry.data, entry.file, entry.object].filter((content) => content !== undefined);
  if (contents.length > 0 && type !== 'file') throw invalid(path, `is a ${type} with content`);
  if (contents.length > 1) throw invalid(path, 'has two contents');
  const { range } = entry;
  if (range !== undefined && entry.file === undefined) throw invalid(path, 'has a range and no file');
  if (
    range !== undefined &&
    (!isWithin(range.offset, Number.MAX_SAFE_INTEGER) || !isWithin(range.sizeBytes, Number.MAX_SAFE_INTEGER))
  )
    throw invalid(path, 'has a range that is none');
  if (entry.sha256 !== undefined && entry.file === undefined) throw invalid(path, 'has a hash and no file');
  if ((type === 'symlink' || type === 'hardlink') && !entry.linkname)
    throw invalid(path, 'has no link target');
}

function isWithin(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

function invalid(path: string, why: string): Error {
  return Object.assign(new Error(`the entry ${path} ${why}`), { code: 'ENTRY_INVALID', path });
}
