/** A webhook: an app's word that a branch of a repository elsewhere deploys, and the secret its forge proves itself with. Pure. */
import { SlipwayError } from '../errors.js';

export const FORGES = ['github', 'gitlab', 'gitea'] as const;
export type Forge = (typeof FORGES)[number];

export interface Webhook {
  readonly id: string;
  readonly forge: Forge;
  /** What is fetched; never what a request says. */
  readonly remote: string;
  readonly branch: string;
  /** Encrypted as config vars are. */
  readonly secret: string;
  /** The forge is told what becomes of each commit, with the app's token for its host. */
  readonly reports: boolean;
  readonly createdAt: string;
  readonly createdBy: string;
}

/** Returns the forge, or throws `bad_request`. */
export function checkForge(name: string): Forge {
  const forge = FORGES.find((one) => one === name);
  if (forge !== undefined) return forge;
  throw new SlipwayError('bad_request', `${JSON.stringify(name.slice(0, 40))} is not a forge`, {
    hint: `one of ${FORGES.join(', ')}: slipway webhooks:add github https://github.com/acme/shop.git`,
  });
}
