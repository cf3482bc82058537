/** How an app's releases are rolled out. What is set holds over what a commit declares, until it is unset. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { BLUE_GREEN, checkStrategy, describeStrategy } from '../model/strategy.js';
import { newestStanding } from '../next-release.js';
import type { Turns } from '../turns.js';
import { type AppParams, parseBody } from './request.js';
import { type ApiTools, identityOf, requireApp } from './tools.js';

export interface StrategyView {
  /** Of the next push that says nothing else itself. */
  readonly strategy: string;
  readonly from: 'set' | 'commit' | 'default';
}

const Wanted = z.strictObject({
  strategy: z.union([z.string(), z.null()], 'must be a strategy, or null for what the commits say'),
});

export function strategyRoutes(api: FastifyInstance, tools: ApiTools, turns: Turns): void {
  const { ledger, store } = tools;
  const view = async (app: string): Promise<StrategyView> => {
    const state = await ledger.read(app);
    const declared = (await newestStanding(store, app, state))?.declaredStrategy;
    const from = state.strategy !== undefined ? 'set' : declared !== undefined ? 'commit' : 'default';
    return { strategy: describeStrategy(state.strategy ?? declared ?? BLUE_GREEN), from };
  };

  api.get<{ Params: AppParams }>('/apps/:app/strategy', async (request) =>
    view(await requireApp(tools, request, request.params.app)),
  );

  api.put<{ Params: AppParams }>('/apps/:app/strategy', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    const { strategy } = parseBody(Wanted, request.body);
    const wanted = strategy === null ? undefined : checkStrategy(strategy);
    await turns.take(app, () => ledger.setStrategy(app, wanted, identityOf(request).name));
    return view(app);
  });
}
