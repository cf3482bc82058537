/** What the RUN steps of an app's build are given on the platform. */
import type { Ledger } from '../ledger/ledger.js';
import { plainRunSettings, type RunSettings } from './run-settings.js';

/**
 * The app's config vars are its build secrets: `RUN --mount=type=secret,id=NAME` gets the var of that name, as it is
 * when the step asks. No step gets one that does not name it, and none is an ARG.
 */
export function appRunSettings(ledger: Pick<Ledger, 'read' | 'revealConfig'>, app: string): RunSettings {
  return {
    ...plainRunSettings(app),
    secret: async (id) => {
      const { config } = await ledger.read(app);
      const sealed = Object.hasOwn(config, id) ? config[id] : undefined;
      if (sealed === undefined) return undefined;
      return Buffer.from(ledger.revealConfig(app, { [id]: sealed })[id] ?? '');
    },
  };
}
