/** Compressed archives for the cases. Those that Node cannot compress hold `one` (0640, 0:0) and `d/two` (0640, 7:7). */
import { gzipSync } from 'node:zlib';

export function gzipArchive(data: Uint8Array): Buffer {
  return gzipSync(data, { level: 9 });
}

export const BZIP2_TAR: Buffer = Buffer.from(
  'QlpoOTFBWSZTWcxCCyUAAJN7gNkAAARAAP+AAApmAZ6ACAggAHISppPSDRoAZGnqBVCk0xGhpkZA03215FkBjjXGIhDK30nOeaqXX0uL5RBSJjbssXZqQtShokePPAWJb6YzWDJg1PxEFvMFE5FeWQgFRPe2pUYY+YjEc4PxdyRThQkMxCCyUA==',
  'base64',
);

export const XZ_TAR: Buffer = Buffer.from(
  '/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4Cf/AHVdADebiMxTGhrbwjlJc3FfTEHf8ClkXBK2JUXBfJO214KXaITBj6aV0W/7helIJ6s7B5dj+OUDwYZQBnL/E65StEH26XhOeeO649bztEu6zN/6hRkV5YysJdorIhbIHhnsELQ4thehNKYfKNvmt9Z0OTWT8aWuAAAAAAA1DKo7/Q3UawABkQGAUAAAAKDqqbHEZ/sCAAAAAARZWg==',
  'base64',
);

export const ZSTD_TAR: Buffer = Buffer.from(
  'KLUv/QRoxQIAQgMLELDrIElI8pLiRFa1lREGVApj+B9Xr4VTUbvLNOZag+YxC5ZEcle4xnRRUgEQIHArbN3934N9Kh5TJ7oYYn1cNUCq96l4Puq8mGcPKABEYFAA60lkAdcrWaU=',
  'base64',
);
