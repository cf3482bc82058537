/** Apps: create, list, show, destroy. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import { checkAppName } from '../model/app.js';
import type { AppParams } from './request.js';
import { parseBody } from './request.js';
import { type ApiTools, identityOf, requireApp } from './tools.js';
import { appUrl, gitUrl, releaseView } from './views.js';

const NewApp = z.strictObject({ name: z.string() });

export function appRoutes(api: FastifyInstance, tools: ApiTools): void {
  const { config, ledger } = tools;

  const view = async (app: string): Promise<object> => {
    const { settings, releases, live } = await ledger.read(app);
    const current = releases.find((release) => release.number === live);
    return {
      name: app,
      url: appUrl(config, app),
      gitUrl: gitUrl(config, app),
      deployBranch: settings.deployBranch,
      createdAt: settings.createdAt,
      createdBy: settings.createdBy,
      ...(current === undefined ? {} : { release: releaseView(current, live) }),
    };
  };

  api.post('/apps', async (request, reply) => {
    const identity = identityOf(request);
    const name = checkAppName(parseBody(NewApp, request.body).name);
    if (!identity.mayCreateApps || !identity.may(name)) {
      throw new SlipwayError('forbidden', 'this token may not create that app', {
        hint: 'ask for a token that may',
      });
    }
    if (await ledger.appExists(name))
      throw new SlipwayError('conflict', `the app ${name} exists already`, { hint: 'choose another name' });
    await ledger.createApp(name, { deployBranch: config.deployBranch }, identity.name);
    return reply.code(201).send(await view(name));
  });

  api.get('/apps', async (request) => {
    const identity = identityOf(request);
    const names = (await ledger.listApps()).filter((name) => identity.may(name)).sort();
    return { apps: await Promise.all(names.map(view)) };
  });

  api.get<{ Params: AppParams }>('/apps/:app', async (request) =>
    view(await requireApp(tools, request, request.params.app)),
  );

  api.delete<{ Params: AppParams; Querystring: { confirm?: string } }>('/apps/:app', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    const identity = identityOf(request);
    if (!identity.mayCreateApps)
      throw new SlipwayError('forbidden', 'this token may not destroy apps', {
        hint: 'ask for a token that may',
      });
    if (request.query.confirm !== app) {
      throw new SlipwayError('bad_request', 'destroying an app needs its name as confirmation', {
        hint: `slipway apps:destroy -a ${app} --confirm ${app}`,
      });
    }
    for (const open of await tools.store.open(app)) {
      await tools.store.append(app, open.id, { type: 'cancel', at: Date.now(), who: identity.name });
      await tools.store.end(app, open.id, {
        state: 'cancelled',
        reason: 'the app was destroyed',
        code: 'cancelled',
      });
    }
    await ledger.destroyApp(app, identity.name);
    // The deployer sees an app without a ledger and stops its containers.
    await tools.queues.enqueueRollout(app);
    return { name: app, destroyed: true };
  });
}
