/** A program of i386, byte by byte: no compiler for it is needed. */

/** Static: write(1, "thirty-two\n"), then fstat64(1), a call that i386 alone has, then exit with its result. */
export function program32(): Buffer {
  const BASE = 0x08048000;
  const HEADERS = 52 + 32;
  const text = Buffer.from('thirty-two\n');
  const u32 = (value: number): number[] => [...Buffer.from(Uint32Array.of(value).buffer)];
  const call = (number: number, ebx: number, ecx: number, edx: number): number[] => [
    ...[0xb8, ...u32(number), 0xbb, ...u32(ebx), 0xb9, ...u32(ecx), 0xba, ...u32(edx), 0xcd, 0x80],
  ];
  const code = (at: number): Buffer =>
    Buffer.from([
      ...call(4, 1, at, text.length),
      ...call(197, 1, at + 64, 0),
      ...[0x89, 0xc3, 0xf7, 0xdb], // ebx = -eax
      ...[0xb8, ...u32(1), 0xcd, 0x80],
    ]);
  const at = BASE + HEADERS + code(0).length;
  const body = Buffer.concat([code(at), text, Buffer.alloc(256)]);
  const header = Buffer.alloc(HEADERS);
  header.write('\x7fELF\x01\x01\x01', 'latin1');
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(3, 18);
  header.writeUInt32LE(1, 20);
  header.writeUInt32LE(BASE + HEADERS, 24);
  header.writeUInt32LE(52, 28);
  header.writeUInt16LE(52, 40);
  header.writeUInt16LE(32, 42);
  header.writeUInt16LE(1, 44);
  const size = HEADERS + body.length;
  for (const [index, value] of [1, 0, BASE, BASE, size, size, 7, 0x1000].entries())
    header.writeUInt32LE(value, 52 + index * 4);
  return Buffer.concat([header, body]);
}
