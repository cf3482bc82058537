/** The mark that a registry has something to free: images were removed from it. Who starts a registry of his own reads it. */
import { existsSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory } from '../../durable.js';

export async function markGarbage(run: string): Promise<void> {
  await makeDirectory(run);
  await writeFile(markIn(run), '');
}

export function hasGarbage(run: string): boolean {
  return existsSync(markIn(run));
}

export function forgetGarbage(run: string): void {
  rmSync(markIn(run), { force: true });
}

function markIn(run: string): string {
  return join(run, 'registry-garbage');
}
