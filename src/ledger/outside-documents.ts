/**
 * What an app has to do with services elsewhere, as documents of its ledger:
 *
 *   git-access.json      host → token for its repositories, encrypted
 *   webhooks.json        repositories elsewhere whose branches deploy
 *   notifications.json   addresses that are told what becomes of deployments
 */
import { z } from 'zod';
import { FORMATS, NOTIFIED_STATES, type Notification } from '../model/notification.js';
import { FORGES, type Webhook } from '../model/webhook.js';

export interface OutsideDocuments {
  /** Host, with its port if it has one → ciphertext. */
  readonly gitAccess: Readonly<Record<string, string>>;
  readonly webhooks: readonly Webhook[];
  readonly notifications: readonly Notification[];
}

export const GIT_ACCESS_PATH = 'git-access.json';
export const WEBHOOKS_PATH = 'webhooks.json';
export const NOTIFICATIONS_PATH = 'notifications.json';

const text = z.string();
const made = { createdAt: text, createdBy: text };
const gitAccess = z.record(text, text);
const webhooks: z.ZodType<readonly Webhook[]> = z.array(
  z.object({
    id: text,
    forge: z.enum(FORGES),
    remote: text,
    branch: text,
    secret: text,
    reports: z.boolean(),
    ...made,
  }),
);
const notifications: z.ZodType<readonly Notification[]> = z.array(
  z.object({
    id: text,
    url: text,
    shown: text,
    events: z.array(z.enum(NOTIFIED_STATES.map((state) => `deploy.${state}` as const))),
    format: z.enum(FORMATS),
    secret: text,
    ...made,
  }),
);

/** `read` gives the document at a path, checked, or undefined when there is none. */
export function readOutside(
  read: <T>(path: string, schema: z.ZodType<T>) => T | undefined,
): OutsideDocuments {
  return {
    gitAccess: read(GIT_ACCESS_PATH, gitAccess) ?? {},
    webhooks: read(WEBHOOKS_PATH, webhooks) ?? [],
    notifications: read(NOTIFICATIONS_PATH, notifications) ?? [],
  };
}
