/**
 * Tar in memory, for bases and archives of the cases and for reading what builders made. On purpose not the code of
 * the builder: POSIX.1-2001 (ustar, pax) and the GNU long names.
 */

export type TarType = 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';

export interface TarEntry {
  /** As in the archive, without `./` before and `/` behind. */
  readonly path: string;
  /** As in the archive. */
  readonly rawPath: string;
  readonly type: TarType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly data: Buffer;
  readonly linkname: string;
  /** `major:minor` */
  readonly device: string;
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

const TYPES: Readonly<Record<string, TarType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};
const BLOCK = 512;
const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

/** Throws for what is not a tar. */
export function readTar(archive: Buffer): TarEntry[] {
  const entries: TarEntry[] = [];
  let pax = new Map<string, Buffer>();
  let longName: string | undefined;
  let longLink: string | undefined;
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) break;
    const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
    if (sum !== number(header, 148, 8)) throw new Error(`tar: wrong checksum at ${at}`);
    const size = Number(pax.get('size')?.toString() ?? number(header, 124, 12));
    const data = archive.subarray(at + BLOCK, at + BLOCK + size);
    at += BLOCK + padded(size);
    const flag = String.fromCharCode(header[156] ?? 0);
    if (flag === 'x') {
      pax = new Map([...pax, ...readPax(data)]);
      continue;
    }
    if (flag === 'g') continue;
    if (flag === 'L' || flag === 'K') {
      const name = text(data, 0, data.length);
      if (flag === 'L') longName = name;
      else longLink = name;
      continue;
    }
    const type = TYPES[flag];
    if (type === undefined) throw new Error(`tar: type ${JSON.stringify(flag)}`);
    const prefix = header.toString('latin1', 257, 262) === 'ustar' ? text(header, 345, 155) : '';
    const short = [prefix, text(header, 0, 100)].filter((part) => part !== '').join('/');
    const rawPath = pax.get('path')?.toString() ?? longName ?? short;
    entries.push({
      rawPath,
      path: clean(rawPath),
      type,
      mode: number(header, 100, 8) & 0o7777,
      uid: Number(pax.get('uid')?.toString() ?? number(header, 108, 8)),
      gid: Number(pax.get('gid')?.toString() ?? number(header, 116, 8)),
      data: type === 'file' ? data : Buffer.alloc(0),
      linkname: pax.get('linkpath')?.toString() ?? longLink ?? text(header, 157, 100),
      device: `${number(header, 329, 8)}:${number(header, 337, 8)}`,
      xattrs: new Map(
        [...pax]
          .filter(([key]) => key.startsWith('SCHILY.xattr.'))
          .map(([key, value]) => [key.slice('SCHILY.xattr.'.length), value]),
      ),
    });
    pax = new Map();
    longName = undefined;
    longLink = undefined;
  }
  return entries;
}

export interface TarItem {
  readonly path: string;
  readonly type?: TarType;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly data?: string | Uint8Array;
  readonly link?: string;
  readonly device?: readonly [major: number, minor: number];
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
}

/** Everything is of one constant time. */
export function writeTar(items: readonly TarItem[]): Buffer {
  const parts: Buffer[] = [];
  for (const item of items) {
    const data = Buffer.from(item.data ?? '');
    const xattrs = Object.entries(item.xattrs ?? {});
    if (xattrs.length > 0) {
      const records = Buffer.concat(xattrs.map(([key, value]) => paxRecord(`SCHILY.xattr.${key}`, value)));
      parts.push(header({ path: 'pax' }, 'x', records.length), fill(records));
    }
    const flag = Object.entries(TYPES).find(([, type]) => type === (item.type ?? 'file'))?.[0] ?? '0';
    parts.push(header(item, flag, data.length), fill(data));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function header(item: TarItem, flag: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number): void => {
    block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
  };
  block.write(item.type === 'directory' ? `${item.path}/` : item.path, 0, 'utf8');
  octal(item.mode ?? (item.type === 'directory' ? 0o755 : 0o644), 100, 8);
  octal(item.uid ?? 0, 108, 8);
  octal(item.gid ?? 0, 116, 8);
  octal(size, 124, 12);
  octal(1_000_000_000, 136, 12);
  block.write('        ', 148, 'latin1');
  block.write(flag === '\0' ? '0' : flag, 156, 'latin1');
  block.write(item.link ?? '', 157, 'utf8');
  block.write('ustar\x0000', 257, 'latin1');
  octal(item.device?.[0] ?? 0, 329, 8);
  octal(item.device?.[1] ?? 0, 337, 8);
  octal(
    block.reduce((total, byte) => total + byte, 0),
    148,
    7,
  );
  return block;
}

function paxRecord(key: string, value: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

function readPax(data: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const length = Number(data.toString('latin1', at, space));
    if (!(length > 0)) throw new Error('tar: damaged pax header');
    const equals = data.indexOf(0x3d, space);
    records.set(data.toString('utf8', space + 1, equals), data.subarray(equals + 1, at + length - 1));
    at += length;
  }
  return records;
}

function fill(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc(padded(data.length) - data.length)]);
}

function text(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? field.length : end);
}

/** Octal, or with the first bit set a big-endian binary number. */
function number(block: Buffer, at: number, length: number): number {
  const field = block.subarray(at, at + length);
  if (((field[0] ?? 0) & 0x80) !== 0) {
    return field.reduce((total, byte, index) => total * 256 + (index === 0 ? byte & 0x7f : byte), 0);
  }
  return Number.parseInt(text(block, at, length).trim() || '0', 8);
}

function clean(path: string): string {
  return path.replace(/^(?:\.?\/)+/, '').replace(/\/+$/, '');
}
