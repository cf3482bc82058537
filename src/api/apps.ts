/** Apps: create, list, show, lock, destroy. */
import { z } from 'zod';
import { destroyApp } from '../endings.js';
import { SlipwayError } from '../errors.js';
import { checkAppName } from '../model/app.js';
import type { Turns } from '../turns.js';
import { Reason } from './request.js';
import type { Routes } from './route.js';
import { type ApiTools, rulingApp } from './tools.js';
import { App, type AppView, appView } from './views.js';

const NewApp = z.strictObject({ name: z.string() });

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
      if (!who.mayCreateApps || !who.may(name, 'admin')) {
        throw new SlipwayError('forbidden', `this token may not create the app ${name}`, {
          hint: 'ask the operator of this platform for one that may',
        });
      }
      await turns.take(name, () => ledger.createApp(name, { deployBranch: config.deployBranch }, who.name));
      return view(name);
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps',
    summary: 'The apps that you may see, by name',
    tag: 'Apps',
    access: 'self',
    answers: { 200: z.object({ apps: z.array(App) }) },
    handle: async ({ who }) => {
      const apps: AppView[] = [];
      // One after the other: a thousand gits at once would help nobody, and from the second time on it is all in memory.
      for (const name of (await ledger.listApps()).sort()) {
        if (!who.may(await rulingApp(ledger, who, name), 'view')) continue;
        const found = await view(name).catch((thrown: unknown) => {
          if (thrown instanceof SlipwayError && thrown.code === 'not_found') return undefined;
          throw thrown;
        });
        // Undefined: destroyed since the list was made.
        if (found !== undefined) apps.push(found);
      }
      return { apps };
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
    method: 'DELETE',
    path: '/apps/:app',
    summary: 'Destroy an app',
    description: 'Its containers stop, its images go. Repository and records stay for a week.',
    tag: 'Apps',
    access: 'admin',
    query: z.object({
      confirm: z.unknown().meta({ type: 'string', description: 'The name of the app, once more' }),
    }),
    answers: { 200: z.object({ name: z.string(), destroyed: z.literal(true) }) },
    handle: async ({ who, params: { app }, query: { confirm } }) => {
      if (confirm !== app) {
        throw new SlipwayError('bad_request', `destroying ${app} needs its name as a confirmation`, {
          hint: `slipway apps:destroy -a ${app} --confirm ${app}`,
        });
      }
      const { review } = (await ledger.read(app)).settings;
      await turns.take(app, async () => {
        // With its branch: else the same commit could not be pushed there again.
        if (review !== undefined) await tools.reviews.close(review.of, review.branch, who.name);
        else await destroyApp(tools, app, who.name);
      });
      return { name: app, destroyed: true as const };
    },
  });
}
