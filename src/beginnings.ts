/** Apps that come to be: known to the ledger, and somebody's. */
import type { Identity } from './ledger/identity.js';
import type { Ledger } from './ledger/ledger.js';
import type { People } from './ledger/people.js';

export interface BeginningTools {
  readonly ledger: Pick<Ledger, 'createApp'>;
  readonly people: Pick<People, 'beginApp'>;
}

/** Roles come after the app: before it they would be roles in the app of whoever is faster. Throws `invalid_name`, `conflict`. */
export async function createApp(
  { ledger, people }: BeginningTools,
  app: string,
  deployBranch: string,
  who: Pick<Identity, 'name' | 'user'>,
): Promise<void> {
  await ledger.createApp(app, { deployBranch }, who.name);
  await people.beginApp(app, who);
}
