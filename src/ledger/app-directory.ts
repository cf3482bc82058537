/** The apps as a push sees them. */
import type { AppDirectory } from '../git/push.js';
import type { Ledger } from './ledger.js';

export function appDirectory(ledger: Ledger): AppDirectory {
  return {
    deployBranch: async (app) =>
      (await ledger.appExists(app)) ? (await ledger.read(app)).settings.deployBranch : undefined,
    lock: async (app) => ((await ledger.appExists(app)) ? (await ledger.read(app)).lock : undefined),
    create: async (app, deployBranch, who) => {
      await ledger.createApp(app, { deployBranch }, who.name);
    },
  };
}
