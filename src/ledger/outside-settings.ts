/** Changes to what an app has to do with services elsewhere: one commit each. Their secrets are encrypted, bound to app and purpose. */
import { randomBytes } from 'node:crypto';
import { SlipwayError } from '../errors.js';
import type { Notification } from '../model/notification.js';
import type { Webhook } from '../model/webhook.js';
import { toDocument } from './app-documents.js';
import type { Ledger } from './ledger.js';
import { GIT_ACCESS_PATH, NOTIFICATIONS_PATH, WEBHOOKS_PATH } from './outside-documents.js';

/** Of each kind; a slip of a script must not make the ledger large. */
const MOST = 20;

/** Undefined takes the token away. False when there was none. */
export async function setGitToken(
  ledger: Ledger,
  app: string,
  host: string,
  token: string | undefined,
  who: string,
): Promise<boolean> {
  const sealed = token === undefined ? undefined : ledger.seal(app, tokenName(host), token);
  let found = false;
  await ledger.changeSettings(app, who, ({ gitAccess }) => {
    const { [host]: before, ...others } = gitAccess;
    found = before !== undefined;
    if (sealed === undefined && !found) return undefined;
    if (sealed !== undefined && !found) checkRoom('tokens for hosts', Object.keys(others));
    const next = sealed === undefined ? others : { ...others, [host]: sealed };
    return {
      files: { [GIT_ACCESS_PATH]: toDocument(next) },
      message: `git access: ${sealed === undefined ? 'no token' : 'a token'} for ${host} by ${who}`,
    };
  });
  return found;
}

/** In clear: for the fetch and the forge's API, nobody else (invariant 10). */
export async function gitToken(
  ledger: Pick<Ledger, 'read' | 'unseal'>,
  app: string,
  host: string,
): Promise<string | undefined> {
  const { gitAccess } = await ledger.read(app);
  const sealed = Object.hasOwn(gitAccess, host) ? gitAccess[host] : undefined;
  return sealed === undefined ? undefined : ledger.unseal(app, tokenName(host), sealed);
}

/** The secret in the answer is never to be had again. */
export async function addWebhook(
  ledger: Ledger,
  app: string,
  wanted: Pick<Webhook, 'forge' | 'remote' | 'branch' | 'reports'>,
  who: string,
): Promise<{ readonly webhook: Webhook; readonly secret: string }> {
  const secret = randomBytes(32).toString('base64url');
  const id = newId('h');
  const webhook: Webhook = {
    id,
    ...wanted,
    secret: ledger.seal(app, webhookName(id), secret),
    createdAt: new Date().toISOString(),
    createdBy: who,
  };
  await ledger.changeSettings(app, who, ({ webhooks }) => {
    checkRoom('webhooks', webhooks);
    return {
      files: { [WEBHOOKS_PATH]: toDocument([...webhooks, webhook]) },
      message: `webhook: add ${id} of ${wanted.forge} for ${wanted.branch} by ${who}`,
    };
  });
  return { webhook, secret };
}

/** False when there is none. */
export async function removeWebhook(ledger: Ledger, app: string, id: string, who: string): Promise<boolean> {
  let found = false;
  await ledger.changeSettings(app, who, ({ webhooks }) => {
    const rest = webhooks.filter((one) => one.id !== id);
    found = rest.length < webhooks.length;
    if (!found) return undefined;
    return { files: { [WEBHOOKS_PATH]: toDocument(rest) }, message: `webhook: remove ${id} by ${who}` };
  });
  return found;
}

export function webhookSecret(
  ledger: Pick<Ledger, 'unseal'>,
  app: string,
  { id, secret }: Pick<Webhook, 'id' | 'secret'>,
): string {
  return ledger.unseal(app, webhookName(id), secret);
}

/** The secret in the answer is never to be had again. */
export async function addNotification(
  ledger: Ledger,
  app: string,
  { url, ...wanted }: Pick<Notification, 'url' | 'shown' | 'events' | 'format'>,
  who: string,
): Promise<{ readonly notification: Notification; readonly secret: string }> {
  // As Standard Webhooks writes it, so that its libraries take it.
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const id = newId('n');
  const notification: Notification = {
    id,
    ...wanted,
    url: ledger.seal(app, addressName(id), url),
    secret: ledger.seal(app, notificationName(id), secret),
    createdAt: new Date().toISOString(),
    createdBy: who,
  };
  await ledger.changeSettings(app, who, ({ notifications }) => {
    checkRoom('notifications', notifications);
    return {
      files: { [NOTIFICATIONS_PATH]: toDocument([...notifications, notification]) },
      message: `notification: add ${id} for ${wanted.events.join(', ')} by ${who}`,
    };
  });
  return { notification, secret };
}

/** False when there is none. */
export async function removeNotification(
  ledger: Ledger,
  app: string,
  id: string,
  who: string,
): Promise<boolean> {
  let found = false;
  await ledger.changeSettings(app, who, ({ notifications }) => {
    const rest = notifications.filter((one) => one.id !== id);
    found = rest.length < notifications.length;
    if (!found) return undefined;
    return {
      files: { [NOTIFICATIONS_PATH]: toDocument(rest) },
      message: `notification: remove ${id} by ${who}`,
    };
  });
  return found;
}

/** Address and secret in clear: for whoever sends. */
export function notificationSecrets(
  ledger: Pick<Ledger, 'unseal'>,
  app: string,
  { id, url, secret }: Notification,
): { readonly url: string; readonly secret: string } {
  return {
    url: ledger.unseal(app, addressName(id), url),
    secret: ledger.unseal(app, notificationName(id), secret),
  };
}

function checkRoom(what: string, have: readonly unknown[]): void {
  if (have.length < MOST) return;
  throw new SlipwayError('too_large', `an app has at most ${MOST} ${what}`, { hint: 'remove one first' });
}

/** Nobody guesses it: of a request to one that is not there nothing is read. */
function newId(letter: string): string {
  return `${letter}${randomBytes(10).toString('hex')}`;
}

/** What secrets are bound to when they are encrypted; no config var is called so. */
const tokenName = (host: string): string => `the git token for ${host}`;
const webhookName = (id: string): string => `the secret of webhook ${id}`;
const addressName = (id: string): string => `the address of notification ${id}`;
const notificationName = (id: string): string => `the secret of notification ${id}`;
