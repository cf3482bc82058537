/** What a person needs to know once everything runs: where it is, how to log in, how to push. */
import type { Platform } from './platform.js';
import { hostFingerprint } from './services/ssh.js';

export function summary(platform: Platform): string[] {
  const { config, url, adminToken } = platform;
  return [
    '',
    `Slipway is up. Data: ${config.home}`,
    `  API and git   ${url}`,
    `  web page      ${url}`,
    ...(config.ssh === undefined
      ? []
      : [`  git by SSH    ${config.ssh.url}`, `                its key is ${hostFingerprint(config.home)}`]),
    `  apps          ${platform.appUrl('<app>')}`,
    ...(config.edge.tlsBind === undefined
      ? []
      : [`  with HTTPS    ${config.edge.tlsBind}, for domains with a certificate`]),
    `  registry      ${config.registry.host}`,
    '',
    ...(adminToken?.isNew
      ? ["The administrator's token, shown this once:", `  ${adminToken.token}`, '']
      : []),
    'Log in with it, and in a git repository with a Dockerfile create an app and push:',
    `  slipway login ${url}`,
    '  slipway apps:create <app>',
    `  git push slipway ${config.deployBranch}`,
    '',
    'Stop everything with Ctrl-C.',
    '',
  ];
}
