/** ADD unpacks a local archive, COPY never does. Whether a file may be one shows in its first bytes. */

export type ArchiveFormat = 'tar' | 'gzip' | 'bzip2' | 'xz' | 'zstd';

const MAGIC: readonly { readonly format: ArchiveFormat; readonly bytes: readonly number[] }[] = [
  { format: 'gzip', bytes: [0x1f, 0x8b] },
  { format: 'bzip2', bytes: [0x42, 0x5a, 0x68] },
  { format: 'xz', bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { format: 'zstd', bytes: [0x28, 0xb5, 0x2f, 0xfd] },
];
export const ARCHIVE_HEAD_BYTES = 512;

/** From a file's first 512 bytes. A compressed file may hold no tar; whoever unpacks it sees. */
export function archiveFormat(head: Uint8Array): ArchiveFormat | undefined {
  const compressed = MAGIC.find(({ bytes }) => bytes.every((byte, index) => head[index] === byte));
  return compressed?.format ?? (isTarHeader(head) ? 'tar' : undefined);
}

/** The checksum of a tar header (POSIX pax, "ustar Interchange Format"): bytes 148 to 155 count as blanks. */
function isTarHeader(head: Uint8Array): boolean {
  if (head.length < ARCHIVE_HEAD_BYTES) return false;
  const field = new TextDecoder('latin1').decode(head.subarray(148, 156));
  const checksum = /^ *([0-7]+)[ \0]/.exec(`${field} `)?.[1];
  if (checksum === undefined) return false;
  const sum = head
    .subarray(0, ARCHIVE_HEAD_BYTES)
    .reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  return sum === Number.parseInt(checksum, 8);
}
