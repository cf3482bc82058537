/** Apps: create, list, show, destroy. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { destroyApp } from '../endings.js';
import { SlipwayError } from '../errors.js';
import { checkAppName } from '../model/app.js';
import type { Turns } from '../turns.js';
import { type AppParams, parseBody, type Query, Reason } from './request.js';
import { type ApiTools, identityOf, requireApp } from './tools.js';
import { type AppView, appView } from './views.js';

const NewApp = z.strictObject({ name: z.string() });

/** `turns`: what changes an app happens one after the other. */
export function appRoutes(api: FastifyInstance, tools: ApiTools, turns: Turns): void {
  const { config, ledger } = tools;
  const view = async (app: string): Promise<AppView> => appView(config, await ledger.read(app));

  api.post('/apps', async (request, reply) => {
    const identity = identityOf(request);
    const name = checkAppName(parseBody(NewApp, request.body).name);
    // The same answer whether it exists: nobody learns of other people's apps.
    if (!identity.mayCreateApps || !identity.may(name)) {
      throw new SlipwayError('forbidden', `this token may not create the app ${name}`, {
        hint: 'ask the operator of this platform for one that may',
      });
    }
    await turns.take(name, () =>
      ledger.createApp(name, { deployBranch: config.deployBranch }, identity.name),
    );
    return reply.code(201).send(await view(name));
  });

  api.get('/apps', async (request) => {
    const identity = identityOf(request);
    const apps: AppView[] = [];
    // One after the other: a thousand gits at once would help nobody, and from the second time on it is all in memory.
    for (const name of (await ledger.listApps()).filter((app) => identity.may(app)).sort()) {
      const found = await view(name).catch((thrown: unknown) => {
        if (thrown instanceof SlipwayError && thrown.code === 'not_found') return undefined;
        throw thrown;
      });
      // Undefined: destroyed since the list was made.
      if (found !== undefined) apps.push(found);
    }
    return { apps };
  });

  api.get<{ Params: AppParams }>('/apps/:app', async (request) =>
    view(await requireApp(tools, request, request.params.app)),
  );

  api.put<{ Params: AppParams }>('/apps/:app/lock', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    const { reason } = parseBody(Reason, request.body);
    await turns.take(app, () => ledger.setLock(app, reason, identityOf(request).name));
    return view(app);
  });

  api.delete<{ Params: AppParams }>('/apps/:app/lock', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    await turns.take(app, () => ledger.setLock(app, undefined, identityOf(request).name));
    return view(app);
  });

  api.delete<{
    Params: AppParams;
    Querystring: { confirm?: Query; volumes?: Query };
  }>('/apps/:app', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    const identity = identityOf(request);
    if (!identity.mayCreateApps)
      throw new SlipwayError('forbidden', `this token may not destroy ${app}`, {
        hint: 'ask the operator of this platform for one that may',
      });
    if (request.query.confirm !== app) {
      throw new SlipwayError('bad_request', `destroying ${app} needs its name as a confirmation`, {
        hint: `slipway apps:destroy -a ${app} --confirm ${app}`,
      });
    }
    const { volumes } = (await ledger.read(app)).volumes;
    const withVolumes = request.query.volumes === 'remove';
    await turns.take(app, () => destroyApp(tools, app, identity.name, { withVolumes }));
    const left = Object.entries(withVolumes ? {} : volumes).map(([name, { host, content }]) => ({
      name,
      host,
      content,
    }));
    return { name: app, destroyed: true, volumesLeft: left };
  });
}
