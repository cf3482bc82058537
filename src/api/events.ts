/** Events: who changed what, of an app or of all that one may see. */
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import type { ValueChange } from '../ledger/event-documents.js';
import type { EventPage, EventScope, LedgerEvent } from '../ledger/event-log.js';
import { described, list, maybe, part, text, time } from './described.js';
import { wholeNumber } from './request.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';

const value = z.any();
const Change: z.ZodType<ValueChange> = part<ValueChange>({
  name: text,
  is: z.enum(['added', 'changed', 'removed']),
  before: maybe(value),
  after: maybe(value),
});
const Event: z.ZodType<LedgerEvent> = described<LedgerEvent>('Event', {
  id: text,
  at: time,
  who: text,
  app: maybe(text),
  did: text,
  changes: list(Change),
});
const EventQuery = z.object({
  limit: wholeNumber({ min: 1, max: 100, absent: 50 }),
  cursor: z.string('must be what an answer gave as `next`').optional(),
  after: z.string('must be the id of an event').optional(),
});
const Events: z.ZodType<EventPage> = part<EventPage>({ events: list(Event), next: maybe(text) });
const DESCRIPTION =
  'The newest first, and `next` as `cursor` of the page behind it. With `after` what came since, the oldest first, and once more what came in the same second.';

export function eventRoutes(routes: Routes, { events, ledger }: ApiTools): void {
  routes.add({
    method: 'GET',
    path: '/events',
    summary: 'Who changed what, of all that you may see',
    description: DESCRIPTION,
    tag: 'Platform',
    access: 'self',
    query: EventQuery,
    answers: { 200: Events },
    handle: async ({ who, query }) => {
      const apps = (await ledger.listApps()).filter((app) => who.may(app, 'view'));
      return page({ apps, platform: who.admin }, query);
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/events',
    summary: 'Who changed what of an app',
    description: DESCRIPTION,
    tag: 'Apps',
    access: 'view',
    query: EventQuery,
    answers: { 200: Events },
    handle: async ({ params: { app }, query }) => page({ apps: [app], platform: false }, query),
  });

  async function page(
    scope: EventScope,
    { limit, cursor, after }: z.output<typeof EventQuery>,
  ): Promise<EventPage> {
    if (after === undefined) return events.before(scope, limit, cursor);
    if (cursor !== undefined) throw new SlipwayError('bad_request', 'cursor and after cannot both be meant');
    return { events: await events.after(scope, after) };
  }
}
