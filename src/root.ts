/** Where this checkout is: the directory with the Procfile, seen from the sources, from what was compiled of them, and from the bundles. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export function projectRoot(from: string = dirname(fileURLToPath(import.meta.url))): string {
  if (existsSync(join(from, 'Procfile')) && existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error('no directory above this file has a Procfile');
  return projectRoot(parent);
}
