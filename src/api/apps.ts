/** Apps: create, list, show, lock, destroy. */
import { z } from 'zod';
import { createApp } from '../beginnings.js';
import { destroyApp } from '../endings.js';
import { SlipwayError } from '../errors.js';
import { checkAppName, refuseLocked } from '../model/app.js';
import type { Turns } from '../turns.js';
import { next, paged, pageOf } from './pages.js';
import { Reason, reasonText } from './request.js';
import type { Routes } from './route.js';
import { type ApiTools, rulingApp } from './tools.js';
import { App, type AppView, appView } from './views.js';

const NewApp = z.strictObject({ name: z.string() });
const NewFreeze = z.strictObject({
  week: z.string(),
  timeZone: z.string().default('UTC'),
  reason: reasonText,
});

const Destroyed = z.object({
  name: z.string(),
  destroyed: z.literal(true),
  volumesLeft: z.array(z.object({ name: z.string(), host: z.string(), content: z.string() })),
});

/** `turns`: what changes an app happens one after the other. */
export function appRoutes(routes: Routes, tools: ApiTools, turns: Turns): void {
  const { config, ledger } = tools;
  const view = async (app: string): Promise<AppView> => appView(config, await ledger.read(app));

  routes.add({
    method: 'POST',
    path: '/apps',
    summary: 'Create an app',
    tag: 'Apps',
    access: 'self',
    body: NewApp,
    answers: { 201: App },
    handle: async ({ who, body }) => {
      const name = checkAppName(body.name);
      // The same answer whether it exists: nobody learns of other people's apps.
      if (!who.mayCreate(name)) {
        throw new SlipwayError('forbidden', `this token may not create the app ${name}`, {
          hint: 'ask the operator of this platform for one that may',
        });
      }
      await turns.take(name, () => createApp(tools, name, config.deployBranch, who));
      return view(name);
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps',
    summary: 'The apps that you may see, by name',
    tag: 'Apps',
    access: 'self',
    query: z.object(paged),
    answers: { 200: z.object({ apps: z.array(App), next }) },
    handle: async ({ who, query: { limit, cursor = '' } }) => {
      const names: string[] = [];
      for (const app of await ledger.listApps())
        if (app > cursor && who.may(await rulingApp(ledger, who, app), 'view')) names.push(app);
      const { items, more } = pageOf(names.sort(), limit, (name) => name);
      const apps: AppView[] = [];
      // One after the other: a thousand gits at once would help nobody, and from the second time on it is all in memory.
      for (const name of items) {
        const found = await view(name).catch((thrown: unknown) => {
          if (thrown instanceof SlipwayError && thrown.code === 'not_found') return undefined;
          throw thrown;
        });
        // Undefined: destroyed since the list was made.
        if (found !== undefined) apps.push(found);
      }
      return { apps, ...more };
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app',
    summary: 'An app, with the release that serves',
    tag: 'Apps',
    access: 'view',
    answers: { 200: App },
    handle: async ({ params: { app } }) => view(app),
  });

  routes.add({
    method: 'PUT',
    path: '/apps/:app/lock',
    summary: 'Lock an app: what runs stays as it is',
    tag: 'Apps',
    access: 'admin',
    body: Reason,
    answers: { 200: App },
    handle: async ({ who, params: { app }, body: { reason } }) => {
      await turns.take(app, () => ledger.setLock(app, reason, who.name));
      return view(app);
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app/lock',
    summary: 'Unlock an app',
    tag: 'Apps',
    access: 'admin',
    answers: { 200: App },
    handle: async ({ who, params: { app } }) => {
      await turns.take(app, () => ledger.setLock(app, undefined, who.name));
      return view(app);
    },
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/freezes',
    summary: 'Refuse deploys in a part of each week',
    tag: 'Apps',
    access: 'admin',
    body: NewFreeze,
    answers: { 200: App },
    handle: async ({ who, params: { app }, body }) => {
      await turns.take(app, () => ledger.addFreeze(app, body, who.name));
      return view(app);
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app/freezes',
    summary: 'Take deploys at any time again',
    tag: 'Apps',
    access: 'admin',
    answers: { 200: App },
    handle: async ({ who, params: { app } }) => {
      await turns.take(app, () => ledger.clearFreezes(app, who.name));
      return view(app);
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app',
    summary: 'Destroy an app',
    description:
      'Its containers stop, its images go, and so do its review apps. Repository and records stay for a week.',
    tag: 'Apps',
    access: 'admin',
    query: z.object({
      confirm: z.unknown().optional().meta({ type: 'string', description: 'The name of the app, once more' }),
      volumes: z
        .unknown()
        .optional()
        .meta({ enum: ['remove'], description: 'Its volumes go with it' }),
    }),
    answers: { 200: Destroyed },
    handle: async ({ who, params: { app }, query: { confirm, volumes: wish } }) => {
      if (confirm !== app) {
        throw new SlipwayError('bad_request', `destroying ${app} needs its name as a confirmation`, {
          hint: `slipway apps:destroy -a ${app} --confirm ${app}`,
        });
      }
      const { lock, volumes, settings } = await ledger.read(app);
      refuseLocked(app, lock);
      const withVolumes = wish === 'remove' || settings.review !== undefined;
      await turns.take(app, async () => {
        const { review } = settings;
        // With its branch: else the same commit could not be pushed there again.
        if (review !== undefined) return tools.reviews.close(review.of, review.branch, who.name);
        await tools.reviews.closeAll(app, who.name);
        return destroyApp(tools, app, who.name, { withVolumes });
      });
      const left = Object.entries(withVolumes ? {} : volumes.volumes);
      return {
        name: app,
        destroyed: true as const,
        volumesLeft: left.map(([name, { host, content }]) => ({ name, host, content })),
      };
    },
  });
}
