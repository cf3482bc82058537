/** The apps as a push sees them. */
import { createApp } from '../beginnings.js';
import type { AppDirectory } from '../git/push.js';
import { activeFreeze } from '../model/freeze.js';
import type { Ledger } from './ledger.js';
import type { People } from './people.js';

export function appDirectory(ledger: Ledger, people: Pick<People, 'beginApp'>): AppDirectory {
  return {
    deployBranch: async (app) =>
      (await ledger.appExists(app)) ? (await ledger.read(app)).settings.deployBranch : undefined,
    lock: async (app) => ((await ledger.appExists(app)) ? (await ledger.read(app)).lock : undefined),
    freeze: async (app) =>
      (await ledger.appExists(app)) ? activeFreeze((await ledger.read(app)).freezes, Date.now()) : undefined,
    create: (app, deployBranch, who) => createApp({ ledger, people }, app, deployBranch, who),
  };
}
