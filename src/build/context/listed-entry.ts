/** One path of a git tree as an entry of a context, checked: trees come from whoever can push. */
import type { SlipwayError } from '../../errors.js';
import type { ContextEntry } from './context.js';
import { type ContextBudget, invalid, shown } from './context-limits.js';

/** By git's mode, with a leading zero where it has five digits. */
const MODES: Readonly<Record<string, Pick<ContextEntry, 'type' | 'mode'>>> = {
  '100644': { type: 'file', mode: 0o644 },
  '100664': { type: 'file', mode: 0o644 },
  '100755': { type: 'file', mode: 0o755 },
  '120000': { type: 'symlink', mode: 0o777 },
  '040000': { type: 'directory', mode: 0o755 },
  '160000': { type: 'submodule', mode: 0o755 },
};

/** Throws `context_invalid` for a mode that git does not have. */
export function kindOf(mode: string, path: string): Pick<ContextEntry, 'type' | 'mode'> {
  const kind = MODES[mode.padStart(6, '0')];
  if (kind !== undefined) return kind;
  throw invalid(`${shown(path)} has the unknown git mode ${mode}`, 'remove it from the repository');
}

/** Whether a file can be at that path. Throws `context_invalid` or `context_too_large`. */
export function checkListed({ path, sizeBytes }: ContextEntry, budget: ContextBudget): void {
  budget.checkPath(path);
  if (/(^|\/)(\.|\.\.|\.git)?(\/|$)/i.test(path)) throw broken(path);
  if (!Number.isSafeInteger(sizeBytes)) throw broken(path);
}

/** Adds it to what the context holds. Throws `context_too_large`, or `context_invalid` for an impossible symlink. */
export function countListed({ path, type, sizeBytes }: ContextEntry, budget: ContextBudget): void {
  if (type === 'directory') budget.countDirectory();
  else budget.countFile(path, sizeBytes);
  if (type === 'symlink') budget.checkLink(path, sizeBytes);
}

export function broken(path: string): SlipwayError {
  return invalid(
    `${shown(path)} is not a path that a repository may hold, or it is there twice`,
    'the commit was made by a broken or hostile tool; rewrite it without this path',
  );
}
