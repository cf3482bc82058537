/** From a delivery to what is sent: the address, the message and its signature, read from the ledger when it is sent. */
import type { Config } from '../config.js';
import type { Ledger } from '../ledger/ledger.js';
import { gitToken, notificationSecrets } from '../ledger/outside-settings.js';
import type { Deployment } from '../model/deployment.js';
import { NOTIFICATION_EVENTS, type Notification } from '../model/notification.js';
import type { Webhook } from '../model/webhook.js';
import { mayCarryToken, statusLetter } from './commit-status.js';
import type { Delivery } from './deliveries.js';
import { type Facts, messageBody, signatureHeaders } from './message.js';
import type { Letter } from './send.js';

export interface LetterTools {
  readonly ledger: Ledger;
  readonly config: Pick<Config, 'publicUrl'>;
}

/** What makes sending pointless, for people. */
export interface Pointless {
  readonly pointless: string;
}

export async function letterFor(
  tools: LetterTools,
  app: string,
  delivery: Pick<Delivery, 'id' | 'target' | 'event'>,
  deployment: Deployment | undefined,
): Promise<Letter | Pointless> {
  const state = await tools.ledger.read(app);
  const notification = state.notifications.find(({ id }) => id === delivery.target);
  if (notification !== undefined) return noticeFor(tools, app, notification, delivery, deployment);
  const webhook = state.webhooks.find(({ id }) => id === delivery.target);
  if (webhook === undefined) return { pointless: 'it was removed' };
  if (deployment?.push === undefined) return { pointless: 'the record of the deployment is gone' };
  return statusFor(tools, app, webhook, deployment, delivery.event);
}

function noticeFor(
  { ledger, config }: LetterTools,
  app: string,
  notification: Notification,
  { id, event }: Pick<Delivery, 'id' | 'event'>,
  deployment: Deployment | undefined,
): Letter | Pointless {
  const known = NOTIFICATION_EVENTS.find((one) => one === event);
  if (known !== undefined && deployment === undefined)
    return { pointless: 'the record of the deployment is gone' };
  const { url, secret } = notificationSecrets(ledger, app, notification);
  const links: Facts['links'] = {
    app: appLink(config, app),
    ...(deployment === undefined ? {} : { build: buildLink(config, app, deployment.id) }),
  };
  const now = Date.now();
  const facts: Facts = {
    event: known ?? 'test',
    app,
    links,
    at: deployment === undefined ? now : timeOf(deployment, event),
    ...(deployment === undefined ? {} : { deployment: asOf(deployment, event) }),
  };
  const body = messageBody(notification.format, facts);
  return { url, headers: signatureHeaders(secret, id, now, body), body };
}

async function statusFor(
  { ledger, config }: LetterTools,
  app: string,
  { forge, remote }: Webhook,
  deployment: Deployment,
  event: string,
): Promise<Letter | Pointless> {
  const { host } = new URL(remote);
  const token = await gitToken(ledger, app, host);
  if (token === undefined) return { pointless: `there is no token for ${host}: slipway git:auth ${host}` };
  const { state, reason, release } = asOf(deployment, event);
  const version = release === undefined ? '' : `v${release} `;
  const letter = statusLetter(
    {
      forge,
      remote,
      app,
      state,
      commit: deployment.push?.newOid ?? '',
      description: reason ?? `${version}${state}`,
      link: buildLink(config, app, deployment.id),
    },
    token,
  );
  return mayCarryToken(letter) ? letter : { pointless: 'a token goes over TLS only' };
}

/** The deployment as it was at the event: what is told late is still told in order. */
function asOf(deployment: Deployment, event: string): Deployment {
  if (event !== 'deploy.accepted') return deployment;
  const { release: _release, endedAt: _endedAt, reason: _reason, code: _code, ...then } = deployment;
  return { ...then, state: 'accepted' };
}

function timeOf({ acceptedAt, endedAt = acceptedAt }: Deployment, event: string): number {
  return event === 'deploy.accepted' ? acceptedAt : endedAt;
}

export function appLink({ publicUrl }: Pick<Config, 'publicUrl'>, app: string): string {
  return `${publicUrl}/apps/${app}`;
}

export function buildLink(config: Pick<Config, 'publicUrl'>, app: string, id: string): string {
  return `${appLink(config, app)}/builds/${id}`;
}
