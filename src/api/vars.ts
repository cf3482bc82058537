/** Config vars one by one: the names for who only looks, a value for who asks for it. */
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import { text } from './described.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';

export function varRoutes(routes: Routes, { ledger }: Pick<ApiTools, 'ledger'>): void {
  routes.add({
    method: 'GET',
    path: '/apps/:app/vars',
    summary: 'The names of the config vars of an app, without their values',
    tag: 'Config',
    access: 'view',
    answers: { 200: z.object({ vars: z.array(text) }) },
    handle: async ({ params: { app } }) => ({ vars: Object.keys((await ledger.read(app)).config).sort() }),
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/vars/:name',
    summary: 'The value of one config var',
    tag: 'Config',
    access: 'deploy',
    answers: { 200: z.object({ name: text, value: text }) },
    handle: async ({ params: { app, name } }) => {
      const { config } = await ledger.read(app);
      const sealed = Object.hasOwn(config, name) ? { [name]: config[name] ?? '' } : {};
      const value = Object.values(ledger.revealConfig(app, sealed))[0];
      if (value === undefined)
        throw new SlipwayError('not_found', `${app} has no config var ${JSON.stringify(name.slice(0, 60))}`, {
          hint: `see: slipway config -a ${app}`,
        });
      return { name, value };
    },
  });
}
