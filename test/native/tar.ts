/** Builds tar archives by hand, so that the tests can make what no honest tool would. */
import { createHash } from 'node:crypto';

export interface RawEntry {
  path: string;
  /** The type flag of the header: '0' file, '1' hard link, '2' symlink, '3' char, '5' directory, 'x' pax … */
  type?: string;
  data?: Buffer | string;
  link?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  /** What the header says, instead of the data's length. */
  size?: number;
  rdev?: readonly [number, number];
  pax?: Record<string, string>;
  magic?: 'ustar' | 'gnu' | 'v7';
  /** Replaces bytes of the finished header, before the checksum. */
  patch?: (header: Buffer) => void;
}

export function tar(entries: readonly RawEntry[], end = true): Buffer {
  const blocks = entries.flatMap((entry) => [...(entry.pax ? [paxHeader(entry.pax)] : []), oneEntry(entry)]);
  return Buffer.concat([...blocks, ...(end ? [Buffer.alloc(1024)] : [])]);
}

export function sha256(data: Buffer): string {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

function oneEntry(entry: RawEntry): Buffer {
  const data = Buffer.from(entry.data ?? '');
  const header = Buffer.alloc(512);
  header.write(entry.path, 0, 100, 'utf8');
  header.write(octal(entry.mode ?? (entry.type === '5' ? 0o755 : 0o644), 7), 100);
  header.write(octal(entry.uid ?? 0, 7), 108);
  header.write(octal(entry.gid ?? 0, 7), 116);
  header.write(octal(entry.size ?? data.length, 11), 124);
  header.write(octal(entry.mtime ?? 1_600_000_000, 11), 136);
  header.write(entry.type ?? '0', 156);
  header.write(entry.link ?? '', 157, 100, 'utf8');
  if (entry.magic !== 'v7') header.write(entry.magic === 'gnu' ? 'ustar  \0' : 'ustar\u000000', 257);
  if (entry.rdev) {
    header.write(octal(entry.rdev[0], 7), 329);
    header.write(octal(entry.rdev[1], 7), 337);
  }
  entry.patch?.(header);
  header.fill(' ', 148, 156);
  header.write(
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    ),
    148,
  );
  header[154] = 0;
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

function paxHeader(records: Record<string, string>): Buffer {
  const body = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(`${key}=${value}`) + 2;
    let length = rest + 1;
    while (length !== rest + String(length).length) length = rest + String(length).length;
    return `${length} ${key}=${value}\n`;
  });
  return oneEntry({ path: 'PaxHeaders/x', type: 'x', data: body.join('') });
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
