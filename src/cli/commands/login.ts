/** Who the user is: login, and the helper that git asks for the password. */
import { ApiClient } from '../client.js';
import { checkToken, loadCredentials, platformUrl, saveCredentials } from '../credentials.js';
import { readInput } from '../input.js';
import { type Command, EXIT, UsageError } from '../usage.js';

const login: Command = {
  name: 'login',
  onlyHere: true,
  usage: 'URL',
  help: 'Log in to a platform. The token is read from standard input, or from SLIPWAY_TOKEN.',
  examples: ['slipway login http://127.0.0.1:7070 < token-file'],
  ofApp: false,
  args: { min: 1, max: 1 },
  async run(invocation) {
    const { env, stdin, signal, output } = invocation;
    const url = platformUrl(invocation.args[0] ?? '');
    if (!env.SLIPWAY_TOKEN && stdin.isTTY) output.note('Paste the token and press Enter:');
    const token = (env.SLIPWAY_TOKEN || (await readInput(stdin, signal))).trim();
    if (token === '')
      throw new UsageError(
        'no token was given',
        'write it to standard input: slipway login URL < token-file',
      );
    const identity = await new ApiClient(url, checkToken(token), signal).get<{ name: string }>('/v1/whoami');
    const path = await saveCredentials(env, { url, token });
    output.result(identity, [`Logged in to ${url} as ${identity.name}`, `the token is kept in ${path}`]);
    return EXIT.done;
  },
};

const whoami: Command = {
  name: 'whoami',
  usage: '',
  help: 'Show who you are on the platform and what you may do.',
  examples: ['slipway whoami'],
  ofApp: false,
  args: { min: 0, max: 0 },
  async run(invocation) {
    const identity = await (await invocation.client()).get<{
      name: string;
      admin: boolean;
      apps: '*' | string[];
    }>('/v1/whoami');
    const apps = identity.apps === '*' ? 'all apps' : identity.apps.join(', ') || 'no apps';
    invocation.output.result(identity, [`${identity.name}${identity.admin ? ' (admin)' : ''}: ${apps}`]);
    return EXIT.done;
  },
};

/** gitcredentials(7): git writes what it knows to standard input and reads user name and password. */
const gitCredential: Command = {
  name: 'git:credential',
  onlyHere: true,
  usage: 'get|store|erase',
  help: 'Answer git with your token; apps:create sets this up.',
  examples: ["git config credential.http://127.0.0.1:7070.helper '!slipway git:credential'"],
  ofApp: false,
  args: { min: 1, max: 1 },
  async run(invocation) {
    // Only what git asks is answered: it has no use for what is kept elsewhere.
    if (invocation.args[0] !== 'get') return EXIT.done;
    const asked = new Map(
      (await readInput(invocation.stdin, invocation.signal)).split('\n').map((line) => {
        const equals = line.indexOf('=');
        return [line.slice(0, equals), line.slice(equals + 1)];
      }),
    );
    const { url, token } = await loadCredentials(invocation.env);
    const origin = `${asked.get('protocol')}://${asked.get('host')}`;
    // A host with its default port is the one without (RFC 3986, section 6.2.3).
    if (!URL.canParse(origin) || new URL(origin).origin !== new URL(url).origin) return EXIT.done;
    invocation.output.result({ username: 'slipway', password: token }, [
      'username=slipway',
      `password=${token}`,
    ]);
    return EXIT.done;
  },
};

export const loginCommands: readonly Command[] = [login, whoami];
export const gitCommands: readonly Command[] = [gitCredential];
