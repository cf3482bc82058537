/** The first administrator and their token: made on a new home, the token kept in the run directory for who works on this machine. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homePaths } from '../src/config.js';
import { Git } from '../src/git/git.js';
import { PlatformLedger } from '../src/ledger/platform.js';
import type { PlatformPaths } from './home.js';

const ADMIN = 'admin';
const OPERATOR = 'the operator';

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
  const { tokens, people } = new PlatformLedger(homePaths(paths.home), new Git());
  if (makeAnother || !(await people.isAdministered())) {
    const isThere = (await people.users()).some(({ name }) => name === ADMIN);
    const rights = { administrator: true, mayCreateApps: true };
    if (isThere) await people.changeUser(ADMIN, rights, OPERATOR);
    else await people.addUser(ADMIN, rights, OPERATOR);
    const whole = { apps: '*', admin: false, mayCreateApps: false } as const;
    const { token } = await tokens.create({ name: ADMIN, ofUser: true, ...whole, who: OPERATOR });
    writeFileSync(paths.adminToken, `${token}\n`, { mode: 0o600 });
    return { token, isNew: true };
  }
  if (!existsSync(paths.adminToken)) return undefined;
  return { token: readFileSync(paths.adminToken, 'utf8').trim(), isNew: false };
}
