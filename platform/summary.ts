/** What a person needs to know once everything runs: where it is, how to log in, how to push. */
import type { Platform } from './platform.js';

export function summary(platform: Platform): string[] {
  const { config, url, adminToken } = platform;
  const remote = `${url}/<app>.git`;
  const login = `bin/slipway login ${url}`;
  return [
    '',
    `Slipway is up. Data: ${config.home}`,
    `  API and git   ${url}`,
    `  apps          ${platform.appUrl('<app>')}`,
    `  registry      ${config.registry.host}`,
    '',
    ...(adminToken?.isNew
      ? ["The administrator's token, shown this once:", `  ${adminToken.token}`, '']
      : []),
    'Log in, create an app, push:',
    `  ${login}`,
    '  bin/slipway apps:create <app>',
    `  git push ${remote} main`,
    '',
    'Stop everything with Ctrl-C.',
    '',
  ];
}
