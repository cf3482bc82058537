/**
 * A message of a forge, from its bytes to an accepted deployment. The message is only a hint that the branch has something new:
 * what is fetched is the repository that the webhook was made for, and only what its branch is then is deployed. So a message that
 * is repeated, by whomever, brings nothing back; it is refused all the same.
 */
import { createHash } from 'node:crypto';
import { SlipwayError } from '../errors.js';
import type { Acceptance } from '../git/accept.js';
import type { Ledger } from '../ledger/ledger.js';
import { webhookSecret } from '../ledger/outside-settings.js';
import { isAppName } from '../model/app.js';
import type { Deployment } from '../model/deployment.js';
import type { Webhook } from '../model/webhook.js';
import type { DeploymentStore } from '../records/deployments.js';
import { Turns } from '../turns.js';
import { deliveryOf, type Headers, isSigned, type Message, type PushMessage, parseMessage } from './forge.js';
import { type Received, readReceived, recordReceived } from './received.js';

export interface IncomingTools {
  readonly ledger: Ledger;
  readonly store: DeploymentStore;
  readonly acceptance: Pick<Acceptance, 'deploy'>;
}

/** What the forge is told. */
export interface Receipt {
  readonly result: string;
  readonly build?: string;
}

/** As long as GitHub lets people send a message again. */
const AGE_MS = 3 * 24 * 60 * 60_000;

export class IncomingWebhooks {
  readonly #tools: IncomingTools;
  readonly #turns = new Turns();

  constructor(tools: IncomingTools) {
    this.#tools = tools;
  }

  /** Throws `not_found`, the same for an app and for a webhook that is not there. */
  async find(app: string, id: string): Promise<Webhook> {
    const { ledger } = this.#tools;
    const isThere = isAppName(app) && (await ledger.appExists(app));
    const found = isThere ? (await ledger.read(app)).webhooks.find((one) => one.id === id) : undefined;
    if (found !== undefined) return found;
    throw new SlipwayError('not_found', 'there is no such webhook', { hint: 'see: slipway webhooks' });
  }

  /** Throws `unauthorized` for what the forge has not signed, and `conflict` for what came before or long ago. */
  async receive(app: string, id: string, headers: Headers, body: Uint8Array): Promise<Receipt> {
    const { ledger, store } = this.#tools;
    const webhook = await this.find(app, id);
    if (!isSigned(webhook.forge, webhookSecret(ledger, app, webhook), headers, body))
      throw new SlipwayError('unauthorized', 'the signature is missing or wrong', {
        hint: `the secret at ${webhook.forge} must be the one that webhooks:add printed`,
      });
    const message = parseMessage(webhook.forge, headers, body);
    const delivery = deliveryOf(webhook.forge, headers);
    const digest = createHash('sha256').update(body).digest('hex');
    const path = store.recordPath(app, 'webhooks');
    return this.#turns.take(app, async () => {
      if (message.kind === 'push') {
        refuseOld(message);
        const same = (one: Received): boolean =>
          one.webhook === id &&
          ((delivery !== undefined && one.delivery === delivery) ||
            // Of GitLab's messages two may be equal; who can read one has its secret and need repeat none.
            (webhook.forge !== 'gitlab' && one.digest === digest));
        refuseRepeated((await readReceived(path)).find(same));
      }
      const receipt = await this.#act(app, webhook, message);
      const entry = { webhook: id, at: Date.now(), digest, ...receipt };
      await recordReceived(path, delivery === undefined ? entry : { ...entry, delivery });
      return receipt;
    });
  }

  async #act(app: string, webhook: Webhook, message: Message): Promise<Receipt> {
    if (message.kind === 'ping') return { result: 'pong' };
    if (message.kind === 'other') return { result: `nothing to do for: ${message.what}` };
    const { branch, commit, pusher } = message;
    if (branch !== webhook.branch) return { result: `only ${webhook.branch} deploys, not ${branch}` };
    if (commit === undefined) return { result: `${branch} was deleted; what runs stays` };
    const standing = await this.#standing(app, commit);
    if (standing !== undefined) return standing;
    const { id } = await this.#tools.acceptance.deploy({
      app,
      who: `${pusher} (${webhook.forge})`,
      commit,
      options: { detach: true, noCache: false, buildOnly: false },
      from: { remote: webhook.remote, ref: `refs/heads/${branch}`, webhook: webhook.id },
    });
    return { result: `build ${id} of ${commit.slice(0, 7)}`, build: id };
  }

  /** Undefined when the commit has still to be deployed. */
  async #standing(app: string, commit: string): Promise<Receipt | undefined> {
    const { ledger, store } = this.#tools;
    const open = (await store.open(app)).filter((one): one is Deployment => one.push !== undefined);
    const newest = open.at(-1);
    if (newest?.push?.newOid === commit)
      return { result: `build ${newest.id} of it is under way`, build: newest.id };
    const { releases, live } = await ledger.read(app);
    const isLive = releases.some(({ number, source }) => number === live && source === commit);
    return open.length === 0 && isLive ? { result: `${commit.slice(0, 7)} is live` } : undefined;
  }
}

function refuseOld({ pushedAt }: PushMessage): void {
  if (pushedAt === undefined || Date.now() - pushedAt <= AGE_MS) return;
  throw new SlipwayError('conflict', `the push was at ${new Date(pushedAt).toISOString()}, too long ago`, {
    hint: 'to deploy the branch as it is now: slipway git:sync URL',
  });
}

function refuseRepeated(before: Received | undefined): void {
  if (before === undefined) return;
  throw new SlipwayError(
    'conflict',
    `this came before, at ${new Date(before.at).toISOString()}: ${before.result}`,
    { hint: 'to deploy the branch as it is now: slipway git:sync URL' },
  );
}
