/** A notification: an address that is told what becomes of an app's deployments. Pure. */
import { SlipwayError } from '../errors.js';
import type { DeploymentState } from './deployment.js';

export const NOTIFIED_STATES = ['accepted', 'live', 'built', 'failed', 'cancelled', 'superseded'] as const;
export type NotifiedState = (typeof NOTIFIED_STATES)[number] & DeploymentState;
/** `deploy.live` */
export type NotificationEvent = `deploy.${NotifiedState}`;

export const NOTIFICATION_EVENTS: readonly NotificationEvent[] = NOTIFIED_STATES.map(
  (state) => `deploy.${state}` as const,
);
export const DEFAULT_EVENTS: readonly NotificationEvent[] = ['deploy.live', 'deploy.failed'];

export const FORMATS = ['json', 'slack'] as const;
export type NotificationFormat = (typeof FORMATS)[number];

export interface Notification {
  readonly id: string;
  /** Encrypted as config vars are: whoever has a chat's address may write there. */
  readonly url: string;
  /** What of the address may be shown. */
  readonly shown: string;
  readonly events: readonly NotificationEvent[];
  readonly format: NotificationFormat;
  /** What each message is signed with; encrypted. */
  readonly secret: string;
  readonly createdAt: string;
  readonly createdBy: string;
}

/** Returns the events, each once; throws `bad_request` for what is none. */
export function checkEvents(names: readonly string[]): NotificationEvent[] {
  const found = names.map((name) => {
    const event = NOTIFICATION_EVENTS.find((one) => one === name || one === `deploy.${name}`);
    if (event !== undefined) return event;
    throw new SlipwayError('bad_request', `there is no event ${JSON.stringify(name.slice(0, 40))}`, {
      hint: `one or more of ${NOTIFICATION_EVENTS.join(', ')}`,
    });
  });
  return [...new Set(found)];
}
