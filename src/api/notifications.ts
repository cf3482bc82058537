/** An app's notifications: make, list, remove, try, and what was sent last. */
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import { addNotification, removeNotification } from '../ledger/outside-settings.js';
import {
  checkEvents,
  DEFAULT_EVENTS,
  FORMATS,
  NOTIFICATION_EVENTS,
  type Notification,
} from '../model/notification.js';
import { type Delivery, readDeliveries } from '../notify/deliveries.js';
import type { Answer } from '../notify/send.js';
import { sendTest } from '../notify/test-delivery.js';
import { outboundGuard, outboundNetworks } from '../outbound.js';
import { count, described, list, maybe, part, text, time, yes } from './described.js';
import { wholeNumber } from './request.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';

const NewNotification = z.strictObject({
  url: z.string().max(2000),
  events: z.array(z.string()).min(1).optional(),
  format: z.enum(FORMATS, `must be one of ${FORMATS.join(', ')}`).default('json'),
});

export interface NotificationView extends Omit<Notification, 'url' | 'secret' | 'shown'> {
  /** What of its address may be shown. */
  readonly to: string;
}

/** The secret is shown this once. */
export interface NewNotificationView extends NotificationView {
  readonly secret: string;
}

export interface DeliveryView
  extends Pick<Delivery, 'id' | 'target' | 'event' | 'state' | 'attempts' | 'error'> {
  readonly deployment?: string;
  readonly at: string;
  readonly status?: number;
  readonly ms?: number;
  /** When it is tried again. */
  readonly nextAt?: string;
}

export interface TestView extends Answer {
  readonly delivered: boolean;
}

const shape = {
  id: text,
  to: text,
  events: list(z.enum(NOTIFICATION_EVENTS)),
  format: z.enum(FORMATS),
  createdAt: time,
  createdBy: text,
};
const NotificationSchema = described<NotificationView>('Notification', shape);
const NewNotificationSchema = part<NewNotificationView>({ ...shape, secret: text });
const DeliverySchema = described<DeliveryView>('Delivery', {
  id: text,
  target: text,
  event: text,
  state: z.enum(['waiting', 'delivered', 'given up']),
  attempts: count,
  error: maybe(text),
  deployment: maybe(text),
  at: time,
  status: maybe(count),
  ms: maybe(count),
  nextAt: maybe(time),
});
const TestSchema = part<TestView>({ delivered: yes, status: maybe(count), error: maybe(text), ms: count });

export function notificationRoutes(routes: Routes, { config, ledger, store }: ApiTools): void {
  const allowed = outboundNetworks(config);

  routes.add({
    method: 'GET',
    path: '/apps/:app/notifications',
    summary: 'The addresses that are told what becomes of deployments',
    tag: 'Notifications',
    access: 'view',
    answers: { 200: z.object({ notifications: list(NotificationSchema) }) },
    handle: async ({ params: { app } }) => ({
      notifications: (await ledger.read(app)).notifications.map(view),
    }),
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/notifications',
    summary: 'Tell an address what becomes of deployments',
    description: 'The secret that messages are signed with is in this answer only.',
    tag: 'Notifications',
    access: 'admin',
    body: NewNotification,
    answers: { 201: NewNotificationSchema },
    handle: async ({ who, params: { app }, body }) => {
      const url = checkUrl(body.url);
      // A name is looked up when it is sent to; an address can be refused now.
      (await outboundGuard(url.href, allowed)).check(url.hostname);
      const { notification, secret } = await addNotification(
        ledger,
        app,
        {
          url: url.href,
          shown: url.pathname === '/' ? url.origin : `${url.origin}/…`,
          events: body.events === undefined ? DEFAULT_EVENTS : checkEvents(body.events),
          format: body.format,
        },
        who.name,
      );
      return { ...view(notification), secret };
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app/notifications/:id',
    summary: 'Tell an address nothing any more',
    tag: 'Notifications',
    access: 'admin',
    answers: { 200: z.object({ id: text, removed: z.literal(true) }) },
    handle: async ({ who, params: { app, id } }) => {
      if (await removeNotification(ledger, app, id, who.name)) return { id, removed: true as const };
      throw noNotification(app, id);
    },
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/notifications/:id/test',
    summary: 'Send a test, and say what came of it',
    tag: 'Notifications',
    access: 'admin',
    answers: { 200: TestSchema },
    handle: async ({ params: { app, id } }) => {
      const found = (await ledger.read(app)).notifications.find((one) => one.id === id);
      if (found === undefined) throw noNotification(app, id);
      const answer = await sendTest({ ledger, config, store, allowed }, app, found);
      return { delivered: answer.error === undefined, ...answer };
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/deliveries',
    summary: 'What was sent to notifications and forges, the newest first',
    tag: 'Notifications',
    access: 'view',
    query: z.object({ limit: wholeNumber({ min: 1, max: 500, absent: 50 }) }),
    answers: { 200: z.object({ deliveries: list(DeliverySchema) }) },
    handle: async ({ params: { app }, query: { limit } }) => {
      const all = await readDeliveries(store.recordPath(app, 'deliveries'));
      return { deliveries: all.slice(-limit).reverse().map(deliveryView) };
    },
  });
}

function view({ url: _url, secret: _secret, shown, ...rest }: Notification): NotificationView {
  return { ...rest, to: shown };
}

function deliveryView({ at, nextAt, ...rest }: Delivery): DeliveryView {
  return {
    ...rest,
    at: new Date(at).toISOString(),
    ...(rest.state === 'waiting' ? { nextAt: new Date(nextAt).toISOString() } : {}),
  };
}

function checkUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url?.username === '' && url.password === '' && url.hash === '';
  if (url !== undefined && isPlain && (url.protocol === 'https:' || url.protocol === 'http:')) return url;
  throw new SlipwayError('bad_request', 'the address must be an https:// URL without a user or password', {
    hint: 'for example https://hooks.example.com/slipway',
  });
}

function noNotification(app: string, id: string): SlipwayError {
  return new SlipwayError('not_found', `${app} has no notification ${JSON.stringify(id.slice(0, 40))}`, {
    hint: `see: slipway notifications -a ${app}`,
  });
}
