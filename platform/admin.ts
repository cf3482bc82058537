/** The first administrator's token: made on a new home, kept in the run directory for who works on this machine. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homePaths } from '../src/config.js';
import { Git } from '../src/git/git.js';
import { PlatformLedger } from '../src/ledger/platform.js';
import type { PlatformPaths } from './home.js';

export interface AdminToken {
  readonly token: string;
  /** This start made it: it has to be shown, since the ledger keeps only its hash. */
  readonly isNew: boolean;
}

/** Undefined when there are administrators, but the file with the first one's token has been removed. */
export async function adminToken(
  paths: PlatformPaths,
  makeAnother: boolean,
): Promise<AdminToken | undefined> {
  const { tokens } = new PlatformLedger(homePaths(paths.home), new Git());
  const known = await tokens.list();
  if (makeAnother || !known.some(({ admin, revokedAt }) => admin && revokedAt === undefined)) {
    const { token } = await tokens.create({
      name: 'admin',
      apps: '*',
      admin: true,
      mayCreateApps: true,
      who: 'the operator',
    });
    writeFileSync(paths.adminToken, `${token}\n`, { mode: 0o600 });
    return { token, isNew: true };
  }
  if (!existsSync(paths.adminToken)) return undefined;
  return { token: readFileSync(paths.adminToken, 'utf8').trim(), isNew: false };
}
