/** An app's webhooks: make, list, remove, and what came last. */
import { z } from 'zod';
import { checkRemote } from '../deploys.js';
import { SlipwayError } from '../errors.js';
import { checkBranch } from '../git/app-repository.js';
import { addWebhook, removeWebhook } from '../ledger/outside-settings.js';
import { checkForge, FORGES, type Webhook } from '../model/webhook.js';
import { readReceived } from '../webhooks/received.js';
import { described, list, maybe, part, text, time, yes } from './described.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';

const NewWebhook = z.strictObject({
  forge: z.string(),
  url: z.string(),
  branch: z.string().optional(),
  reports: z.boolean().default(false),
});

const SHOWN = 50;

export interface WebhookView extends Omit<Webhook, 'secret' | 'remote'> {
  /** The repository that is fetched. */
  readonly repository: string;
  /** Where the forge sends its messages. */
  readonly url: string;
}

/** The secret is shown this once. */
export interface NewWebhookView extends WebhookView {
  readonly secret: string;
}

export interface ReceivedView {
  readonly at: string;
  readonly delivery?: string;
  readonly result: string;
  readonly build?: string;
}

const shape = {
  id: text,
  forge: z.enum(FORGES),
  repository: text,
  branch: text,
  reports: yes,
  url: text,
  createdAt: time,
  createdBy: text,
};
const WebhookSchema = described<WebhookView>('Webhook', shape);
const NewWebhookSchema = part<NewWebhookView>({ ...shape, secret: text });
const ReceivedSchema = part<ReceivedView>({
  at: time,
  delivery: maybe(text),
  result: text,
  build: maybe(text),
});

export function webhookRoutes(routes: Routes, { config, ledger, store }: ApiTools): void {
  const view = (app: string, { secret: _secret, remote, ...rest }: Webhook): WebhookView => ({
    ...rest,
    repository: remote,
    url: `${config.publicUrl}/hooks/${app}/${rest.id}`,
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/webhooks',
    summary: 'The repositories elsewhere whose pushes deploy an app',
    tag: 'Webhooks',
    access: 'view',
    answers: { 200: z.object({ webhooks: list(WebhookSchema) }) },
    handle: async ({ params: { app } }) => ({
      webhooks: (await ledger.read(app)).webhooks.map((webhook) => view(app, webhook)),
    }),
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/webhooks',
    summary: 'Deploy whenever a branch at a forge is pushed',
    description: 'The secret that the forge signs with is in this answer only.',
    tag: 'Webhooks',
    access: 'admin',
    body: NewWebhook,
    answers: { 201: NewWebhookSchema },
    handle: async ({ who, params: { app }, body }) => {
      const remote = checkRemote(body.url);
      if (!/^https?:\/\/[^/]+\/./i.test(remote))
        throw new SlipwayError('bad_request', 'the repository must have an https:// address', {
          hint: 'for example https://github.com/acme/shop.git',
        });
      const { deployBranch } = (await ledger.read(app)).settings;
      const { webhook, secret } = await addWebhook(
        ledger,
        app,
        {
          forge: checkForge(body.forge),
          remote,
          branch: checkBranch(body.branch ?? deployBranch),
          reports: body.reports,
        },
        who.name,
      );
      return { ...view(app, webhook), secret };
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app/webhooks/:id',
    summary: 'Remove a webhook',
    tag: 'Webhooks',
    access: 'admin',
    answers: { 200: z.object({ id: text, removed: z.literal(true) }) },
    handle: async ({ who, params: { app, id } }) => {
      if (await removeWebhook(ledger, app, id, who.name)) return { id, removed: true as const };
      throw noWebhook(app, id);
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/webhooks/:id/received',
    summary: 'What came to a webhook last, the newest first',
    tag: 'Webhooks',
    access: 'view',
    answers: { 200: z.object({ received: list(ReceivedSchema) }) },
    handle: async ({ params: { app, id } }) => {
      if (!(await ledger.read(app)).webhooks.some((one) => one.id === id)) throw noWebhook(app, id);
      const all = await readReceived(store.recordPath(app, 'webhooks'));
      const received = all
        .filter(({ webhook }) => webhook === id)
        .slice(-SHOWN)
        .reverse()
        .map(
          ({ webhook: _webhook, digest: _digest, at, ...rest }): ReceivedView => ({
            at: new Date(at).toISOString(),
            ...rest,
          }),
        );
      return { received };
    },
  });
}

function noWebhook(app: string, id: string): SlipwayError {
  return new SlipwayError('not_found', `${app} has no webhook ${JSON.stringify(id.slice(0, 40))}`, {
    hint: `see: slipway webhooks -a ${app}`,
  });
}
