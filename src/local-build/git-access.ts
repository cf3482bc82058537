/** What git may use of the user's when it fetches: keys, proxies, and the tokens that `--secret` gives as BuildKit takes them. */
import type { Authorization } from '../build/context/git-authorization.js';
import type { RunSettings } from '../build/run-settings.js';

const KEPT = [
  ...['HOME', 'SSH_AUTH_SOCK', 'GIT_SSH', 'GIT_SSH_COMMAND', 'GIT_SSH_VARIANT'],
  ...['http_proxy', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY', 'no_proxy', 'NO_PROXY'],
  ...['GIT_SSL_CAINFO', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
];
/** It fails where it would ask for a password, or whether a host is the right one: known hosts are the user's. */
const SSH = 'ssh -o BatchMode=yes';

/** `sshAgent`: the socket of `--ssh`. */
export function userEnvironment(
  env: NodeJS.ProcessEnv,
  sshAgent: string | undefined,
): Readonly<Record<string, string>> {
  const kept = KEPT.flatMap((name) => (env[name] ? [[name, env[name]] as const] : []));
  return {
    ...(env.GIT_SSH ? {} : { GIT_SSH_COMMAND: SSH }),
    ...Object.fromEntries(kept),
    ...(sshAgent === undefined ? {} : { SSH_AUTH_SOCK: sshAgent }),
  };
}

/**
 * `GIT_AUTH_HEADER.<host>`, `GIT_AUTH_TOKEN.<host>`, `GIT_AUTH_HEADER`, `GIT_AUTH_TOKEN`: the first there is. Those without
 * a host are for what whoever builds names: the host of the repository that is built, or any that a Dockerfile of this
 * machine adds from. `contextHost`: undefined for a context of this machine.
 */
export function gitTokens(
  secret: RunSettings['secret'],
  contextHost: () => string | undefined,
): Authorization {
  return async (host, isNamed) => {
    const isMeant = isNamed && (contextHost() ?? host) === host;
    for (const suffix of isMeant ? [`.${host}`, ''] : [`.${host}`]) {
      const header = await secret(`GIT_AUTH_HEADER${suffix}`);
      if (header !== undefined) return oneLine(header);
      const token = await secret(`GIT_AUTH_TOKEN${suffix}`);
      if (token !== undefined)
        return `basic ${Buffer.from(`x-access-token:${oneLine(token)}`).toString('base64')}`;
    }
    return undefined;
  };
}

/** A file ends with a line end that is no part of the secret. */
function oneLine(secret: Uint8Array): string {
  return Buffer.from(secret).toString('utf8').trim();
}
