/** What both kinds of archive share: small documents, and the question which image is meant. */
import { readFile } from 'node:fs/promises';
import { SlipwayError } from '../errors.js';

const DOCUMENT_BYTES = 8 * 1024 * 1024;

/** An archive holds several images, or none with the name. */
export function severalImages(where: string, names: readonly string[]): SlipwayError {
  const shown = [...new Set(names.filter(Boolean))].slice(0, 20).join(', ') || 'images without names';
  return new SlipwayError('image_not_found', `which image? It holds ${names.length}: ${shown}`, {
    where,
    hint: 'name one of them: --name NAME',
  });
}

/** Throws `image_invalid` for a document that is larger than any should be. */
export async function limited(path: string, sizeBytes: number, where: string): Promise<Buffer> {
  if (sizeBytes > DOCUMENT_BYTES)
    throw new SlipwayError('image_invalid', `a document in it has ${sizeBytes} bytes`, { where });
  return readFile(path);
}
