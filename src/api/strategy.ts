/** How an app's releases are rolled out. What is set holds over what a commit declares, until it is unset. */
import { z } from 'zod';
import { declaredBy, formed } from '../model/process.js';
import { BLUE_GREEN, checkStrategy, describeStrategy, strategyFor } from '../model/strategy.js';
import { newestStanding } from '../next-release.js';
import type { Turns } from '../turns.js';
import { described, text } from './described.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';

export interface StrategyView {
  /** Of the next push that says nothing else itself. */
  readonly strategy: string;
  readonly from: 'set' | 'commit' | 'default';
}

const Wanted = z.strictObject({
  strategy: z.union([z.string(), z.null()], 'must be a strategy, or null for what the commits say'),
});

const View: z.ZodType<StrategyView> = described<StrategyView>('Strategy', {
  strategy: text,
  from: z.enum(['set', 'commit', 'default']),
});

export function strategyRoutes(routes: Routes, tools: ApiTools, turns: Turns): void {
  const { ledger, store } = tools;
  const view = async (app: string): Promise<StrategyView> => {
    const state = await ledger.read(app);
    const stands = await newestStanding(store, app, state);
    const declared = stands?.declaredStrategy;
    const from = state.strategy !== undefined ? 'set' : declared !== undefined ? 'commit' : 'default';
    const processes = formed(declaredBy(stands?.processes ?? []), state.formation);
    const next = strategyFor('deploy', state.strategy ?? declared, processes);
    return { strategy: describeStrategy(next ?? BLUE_GREEN), from };
  };

  routes.add({
    method: 'GET',
    path: '/apps/:app/strategy',
    summary: 'How the releases of an app are rolled out',
    tag: 'Releases',
    access: 'view',
    answers: { 200: View },
    handle: async ({ params: { app } }) => view(app),
  });

  routes.add({
    method: 'PUT',
    path: '/apps/:app/strategy',
    summary: 'Set how releases are rolled out, over what the commits say',
    tag: 'Releases',
    access: 'deploy',
    body: Wanted,
    answers: { 200: View },
    handle: async ({ who, params: { app }, body: { strategy } }) => {
      const wanted = strategy === null ? undefined : checkStrategy(strategy);
      await turns.take(app, () => ledger.setStrategy(app, wanted, who.name));
      return view(app);
    },
  });
}
