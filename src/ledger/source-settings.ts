/** Where an app's source is: its own repository or that of another app, and what of it. */
import { isDeepStrictEqual } from 'node:util';
import { type AppSource, checkSource } from '../model/source.js';
import { MEMBERS_PATH, SOURCE_PATH, toDocument } from './app-documents.js';
import type { Ledger } from './ledger.js';

/**
 * Undefined: all of its own repository. The app says where it comes from; its repository's app has it in a list, so that a push need
 * not ask all apps, and what is in the list and says otherwise is passed over.
 */
export async function setSource(
  ledger: Ledger,
  app: string,
  wanted: AppSource | undefined,
  who: string,
): Promise<void> {
  const source = wanted === undefined ? undefined : checkSource(wanted);
  const before = (await ledger.read(app)).source?.repo;
  await ledger.changeSettings(app, who, (state) => {
    if (isDeepStrictEqual(state.source, source)) return undefined;
    return {
      files: { [SOURCE_PATH]: source === undefined ? null : toDocument(source) },
      message: `source: ${describeSource(source)} by ${who}`,
    };
  });
  if (source?.repo !== undefined) await changeMembers(ledger, source.repo, who, (now) => [...now, app]);
  if (before !== undefined && before !== source?.repo && (await ledger.appExists(before)))
    await changeMembers(ledger, before, who, (now) => now.filter((name) => name !== app));
}

export function describeSource(source: AppSource | undefined): string {
  const { repo, path, watch } = source ?? { watch: [] };
  const where = repo === undefined ? 'its own repository' : `the repository of ${repo}`;
  const also = watch.length === 0 ? '' : `, also for changes of ${watch.join(', ')}`;
  return `${path === undefined ? '' : `${path} of `}${where}${also}`;
}

async function changeMembers(
  ledger: Ledger,
  repo: string,
  who: string,
  decide: (now: readonly string[]) => readonly string[],
): Promise<void> {
  await ledger.changeSettings(repo, who, ({ members }) => {
    const next = [...new Set(decide(members))].sort();
    if (isDeepStrictEqual(next, members)) return undefined;
    return {
      files: { [MEMBERS_PATH]: toDocument(next) },
      message: `members: ${next.join(', ') || 'none'} by ${who}`,
    };
  });
}
