/** Deploys without a push, and the tokens for repositories elsewhere. */
import { z } from 'zod';
import { checkRemote, requestDeploy, requestImage, requestSync } from '../deploys.js';
import { SlipwayError } from '../errors.js';
import { setGitToken } from '../ledger/outside-settings.js';
import { text, texts } from './described.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';
import { Build, buildView } from './views.js';

const TOKEN_CHARS = 1000;

const options = { noCache: z.boolean().default(false), buildOnly: z.boolean().default(false) };
const Deploy = z.strictObject({
  commit: z
    .string()
    .max(200)
    .optional()
    .describe('A branch, or a commit by at least 7 digits; else what is live'),
  ...options,
});
const Sync = z.strictObject({
  url: z.string(),
  ref: z.string().max(200).optional().describe('A branch, tag or whole commit id; else the main branch'),
  ...options,
});
const FromImage = z.strictObject({ image: z.string().max(1000) });
const GitToken = z.strictObject({
  token: z
    .string()
    .min(1)
    .max(TOKEN_CHARS)
    .regex(/^[\x21-\x7e]+$/, 'must be one word'),
});

export function deployRoutes(routes: Routes, { deploys, ledger }: ApiTools): void {
  routes.add({
    method: 'POST',
    path: '/apps/:app/deploy',
    summary: 'Deploy a commit that is here, without a push',
    tag: 'Builds',
    access: 'deploy',
    body: Deploy,
    answers: { 202: Build },
    handle: async ({ who, params: { app }, body: { commit, ...how } }) =>
      buildView(await requestDeploy(deploys, app, commit, how, who.name)),
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/sync',
    summary: 'Fetch a branch of a repository elsewhere and deploy it',
    tag: 'Builds',
    access: 'deploy',
    body: Sync,
    answers: { 202: Build },
    handle: async ({ who, params: { app }, body: { url, ref, ...how } }) =>
      buildView(await requestSync(deploys, app, checkRemote(url), ref, how, who.name)),
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/from-image',
    summary: 'Deploy a finished image of a registry',
    tag: 'Builds',
    access: 'deploy',
    body: FromImage,
    answers: { 202: Build },
    handle: async ({ who, params: { app }, body: { image } }) =>
      buildView(await requestImage(deploys, app, image, who.name)),
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/git-access',
    summary: 'The hosts that there are tokens for',
    tag: 'Webhooks',
    access: 'view',
    answers: { 200: z.object({ hosts: texts }) },
    handle: async ({ params: { app } }) => ({
      hosts: Object.keys((await ledger.read(app)).gitAccess).sort(),
    }),
  });

  routes.add({
    method: 'PUT',
    path: '/apps/:app/git-access/:host',
    summary: 'Give a token for the repositories of a host',
    description: 'It is kept encrypted and never shown again.',
    tag: 'Webhooks',
    access: 'admin',
    body: GitToken,
    answers: { 200: z.object({ host: text }) },
    handle: async ({ who, params: { app, host: named }, body: { token } }) => {
      const host = checkHost(named);
      await setGitToken(ledger, app, host, token, who.name);
      return { host };
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app/git-access/:host',
    summary: 'Take a token away',
    tag: 'Webhooks',
    access: 'admin',
    answers: { 200: z.object({ host: text, removed: z.literal(true) }) },
    handle: async ({ who, params: { app, host: named } }) => {
      const host = checkHost(named);
      if (await setGitToken(ledger, app, host, undefined, who.name)) return { host, removed: true as const };
      throw new SlipwayError('not_found', `${app} has no token for ${host}`, {
        hint: `see: slipway git:auth -a ${app}`,
      });
    },
  });
}

/** As it stands in the address of a repository: in lower case, with a port if it has one. */
function checkHost(text: string): string {
  const host = text.toLowerCase();
  if (host.length <= 255 && /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/.test(host)) return host;
  throw new SlipwayError('invalid_name', `${JSON.stringify(text.slice(0, 60))} is not a host`, {
    hint: 'for example github.com, or git.example.com:3000',
  });
}
