/** Tells a tar from a Dockerfile, as docker does with what `docker build -` reads. Pure. */

const MAGICS: readonly (readonly number[])[] = [
  [0x1f, 0x8b], // gzip
  [0x42, 0x5a, 0x68], // bzip2
  [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], // xz
  [0x28, 0xb5, 0x2f, 0xfd], // zstd
];
const BLOCK = 512;

/** A compressed stream is taken for a tar; so is a block whose header has the checksum that it says (POSIX ustar). */
export function isTar(data: Uint8Array): boolean {
  if (MAGICS.some((magic) => magic.every((byte, index) => data[index] === byte))) return true;
  if (data.length < BLOCK) return false;
  const header = data.subarray(0, BLOCK);
  const text = Buffer.from(header.subarray(148, 156))
    .toString('latin1')
    .replace(/[\0 ]+/g, ' ')
    .trim();
  if (!/^[0-7]+$/.test(text)) return false;
  let sum = 0;
  // The checksum's own bytes count as blanks.
  for (const [index, byte] of header.entries()) sum += index >= 148 && index < 156 ? 32 : byte;
  return sum === Number.parseInt(text, 8);
}
