/** What of a repository is an app's. */
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import type { Identity } from '../ledger/platform.js';
import { setSource } from '../ledger/source-settings.js';
import type { AppSource } from '../model/source.js';
import { described, maybe, text, texts } from './described.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';

const NewSource = z.strictObject({
  repo: z.string().optional().describe('The app whose pushes deploy this one as well'),
  path: z.string().optional().describe('The directory that is built'),
  watch: z.array(z.string()).default([]).describe('Further paths whose changes deploy it'),
});

export interface SourceView extends AppSource {
  /** Apps that come from this one's repository. */
  readonly members: readonly string[];
}

const Source = described<SourceView>('Source', {
  repo: maybe(text),
  path: maybe(text),
  watch: texts,
  members: texts,
});

export function sourceRoutes(routes: Routes, { ledger }: ApiTools): void {
  const view = async (app: string): Promise<SourceView> => {
    const { source, members } = await ledger.read(app);
    return { ...(source ?? { watch: [] }), members };
  };

  routes.add({
    method: 'GET',
    path: '/apps/:app/source',
    summary: 'Which repository an app comes from, and what of it',
    tag: 'Apps',
    access: 'view',
    answers: { 200: Source },
    handle: async ({ params: { app } }) => view(app),
  });

  routes.add({
    method: 'PUT',
    path: '/apps/:app/source',
    summary: 'Say which repository an app comes from, and what of it',
    description: 'In effect from the next push on. The other app must be one that you may push to.',
    tag: 'Apps',
    access: 'admin',
    body: NewSource,
    answers: { 200: Source },
    handle: async ({ who, params: { app }, body: { repo, path, watch } }) => {
      if (repo !== undefined) await checkRepo(who, app, repo);
      const source = {
        watch,
        ...(repo === undefined ? {} : { repo }),
        ...(path === undefined ? {} : { path }),
      };
      await setSource(ledger, app, source, who.name);
      return view(app);
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app/source',
    summary: 'Have an app be all of its own repository',
    tag: 'Apps',
    access: 'admin',
    answers: { 200: Source },
    handle: async ({ who, params: { app } }) => {
      await setSource(ledger, app, undefined, who.name);
      return view(app);
    },
  });

  /** What is pushed there runs here: its pushers are trusted with this app. And no chains: one push, one look. */
  async function checkRepo(who: Identity, app: string, repo: string): Promise<void> {
    if (!who.may(repo, 'deploy') || !(await ledger.appExists(repo)))
      throw new SlipwayError(
        'not_found',
        `there is no app ${JSON.stringify(repo.slice(0, 60))} that you may push to`,
        {
          hint: 'see: slipway apps:list',
        },
      );
    if (repo === app)
      throw new SlipwayError('bad_request', `${app} comes from its own repository anyway`, {
        hint: `only its path: slipway source:set --path DIR -a ${app}`,
      });
    const { source } = await ledger.read(repo);
    const { members } = await ledger.read(app);
    if (source?.repo === undefined && members.length === 0) return;
    const why =
      source?.repo === undefined
        ? `${members.join(', ')} come from ${app}`
        : `${repo} comes from the repository of ${source.repo} itself`;
    throw new SlipwayError('conflict', why, {
      hint: 'all apps of a repository name the one that is pushed to',
    });
  }
}
