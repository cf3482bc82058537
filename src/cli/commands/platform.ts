/** Login, tokens, what runs, app logs, and the helper that git asks for the password. */
import { text } from 'node:stream/consumers';
import type { ProcessView } from '../../api/deployer-client.js';
import { ApiClient } from '../client.js';
import { loadCredentials, saveCredentials } from '../credentials.js';
import { shortTime, table } from '../output.js';
import { type Command, EXIT, UsageError } from '../usage.js';

const login: Command = {
  name: 'login',
  usage: 'URL',
  help: 'Log in to a platform. The token is read from standard input, or from SLIPWAY_TOKEN.',
  examples: ['slipway login http://127.0.0.1:7070 < token-file'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const [url = ''] = invocation.args;
    if (!/^https?:\/\/[^/]+/.test(url)) throw new UsageError(`"${url}" is not an http:// or https:// URL`);
    if (invocation.env.SLIPWAY_TOKEN === undefined && invocation.stdin.isTTY)
      invocation.output.note('Paste the token, then press Enter and Ctrl-D:');
    const token = (invocation.env.SLIPWAY_TOKEN ?? (await text(invocation.stdin))).trim();
    if (token === '')
      throw new UsageError(
        'no token was given',
        'write it to standard input: slipway login URL < token-file',
      );
    const client = new ApiClient(url, token, invocation.signal);
    const identity = await client.get<{ name: string }>('/v1/whoami');
    const path = await saveCredentials(invocation.env, { url: client.url, token });
    invocation.output.result(identity, [
      `Logged in to ${client.url} as ${identity.name}`,
      `the token is kept in ${path}`,
    ]);
    return EXIT.done;
  },
};

const whoami: Command = {
  name: 'whoami',
  usage: '',
  help: 'Show who you are on the platform and what you may do.',
  examples: ['slipway whoami'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const identity = await (await invocation.client()).get<{
      name: string;
      admin: boolean;
      apps: '*' | string[];
    }>('/v1/whoami');
    const apps = identity.apps === '*' ? 'all apps' : identity.apps.join(', ');
    invocation.output.result(identity, [`${identity.name}${identity.admin ? ' (admin)' : ''}: ${apps}`]);
    return EXIT.done;
  },
};

const processes: Command = {
  name: 'ps',
  usage: '',
  help: "Show an app's running processes.",
  examples: ['slipway ps -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const { processes: list } = await (await invocation.client()).get<{ processes: ProcessView[] }>(
      `/v1/apps/${app}/ps`,
    );
    const rows = list.map((entry) => [
      entry.process,
      `v${entry.release}`,
      entry.health === undefined ? entry.state : `${entry.state}, ${entry.health}`,
      entry.host,
      entry.container.slice(0, 12),
      shortTime(entry.startedAt),
      String(entry.restarts),
    ]);
    const head = ['PROCESS', 'RELEASE', 'STATE', 'HOST', 'CONTAINER', 'STARTED', 'RESTARTS'];
    invocation.output.result(list, list.length === 0 ? [`${app} runs nothing`] : table(head, rows));
    return EXIT.done;
  },
};

const logs: Command = {
  name: 'logs',
  usage: '',
  help: "Print what an app's processes wrote.",
  examples: ['slipway logs -a hello', 'slipway logs -t'],
  args: { min: 0, max: 0 },
  options: {
    tail: { type: 'boolean', short: 't', help: 'go on with what comes' },
    num: { type: 'string', short: 'n', help: 'how many lines (100)' },
  },
  async run(invocation) {
    const app = await invocation.app();
    const lines = encodeURIComponent(String(invocation.options.num ?? '100'));
    const follow = invocation.options.tail ? '1' : '0';
    const collected: Uint8Array[] = [];
    const live = !invocation.output.json || follow === '1';
    await (await invocation.client()).stream(
      `/v1/apps/${app}/logs?lines=${lines}&follow=${follow}`,
      (data) => {
        if (live) invocation.output.bytes(data);
        else collected.push(data);
      },
    );
    if (!live)
      invocation.output.result(
        {
          app,
          lines: Buffer.concat(collected)
            .toString('utf8')
            .split('\n')
            .filter((line) => line !== ''),
        },
        [],
      );
    return EXIT.done;
  },
};

interface TokenView {
  readonly id: string;
  readonly name: string;
  readonly apps: '*' | string[];
  readonly admin: boolean;
  readonly createdAt: string;
  readonly revokedAt?: string;
}

const createToken: Command = {
  name: 'tokens:create',
  usage: 'NAME',
  help: 'Make a token for a person or a CI job (admins only). It is shown once.',
  examples: [
    'slipway tokens:create ci --apps hello',
    'slipway tokens:create alice --apps hello,shop --may-create',
  ],
  args: { min: 1, max: 1 },
  options: {
    apps: { type: 'string', help: 'the apps it may use, separated by commas, or *' },
    'may-create': { type: 'boolean', help: 'may create these apps, by command or by a first push' },
    admin: { type: 'boolean', help: 'may do everything' },
  },
  async run(invocation) {
    const { apps, admin } = invocation.options;
    if (!admin && typeof apps !== 'string')
      throw new UsageError('which apps may it use?', 'name them: --apps hello,shop (or --apps "*")');
    const made = await (await invocation.client()).post<TokenView & { token: string }>('/v1/tokens', {
      name: invocation.args[0],
      apps: admin || apps === '*' ? '*' : String(apps).split(','),
      mayCreateApps:
        Boolean(admin ?? invocation.options['may-create']) || Boolean(invocation.options['may-create']),
      admin: Boolean(admin),
    });
    invocation.output.result(made, [made.token]);
    return EXIT.done;
  },
};

const listTokens: Command = {
  name: 'tokens:list',
  aliases: ['tokens'],
  usage: '',
  help: 'List the tokens (admins only).',
  examples: ['slipway tokens:list'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const { tokens } = await (await invocation.client()).get<{ tokens: TokenView[] }>('/v1/tokens');
    const rows = tokens.map((token) => [
      token.id,
      token.name,
      token.apps === '*' ? '*' : token.apps.join(','),
      token.admin ? 'admin' : '',
      shortTime(token.createdAt),
      token.revokedAt === undefined ? '' : 'revoked',
    ]);
    invocation.output.result(tokens, table(['TOKEN', 'NAME', 'APPS', 'RIGHTS', 'MADE', 'STATE'], rows));
    return EXIT.done;
  },
};

const revokeToken: Command = {
  name: 'tokens:revoke',
  usage: 'TOKEN',
  help: 'Revoke a token by its id (admins only).',
  examples: ['slipway tokens:revoke t4k2m9'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const done = await (await invocation.client()).delete(
      `/v1/tokens/${encodeURIComponent(invocation.args[0] ?? '')}`,
    );
    invocation.output.result(done, ['revoked']);
    return EXIT.done;
  },
};

/** gitcredentials(7): git writes what it knows to standard input and reads user name and password. */
const gitCredential: Command = {
  name: 'git:credential',
  usage: 'get|store|erase',
  help: 'Answer git with your token; apps:create sets this up.',
  examples: ["git config credential.http://127.0.0.1:7070.helper 'slipway git:credential'"],
  args: { min: 1, max: 1 },
  async run(invocation) {
    if (invocation.args[0] !== 'get') return EXIT.done;
    const asked = Object.fromEntries(
      (await text(invocation.stdin)).split('\n').map((line) => line.split('=', 2) as [string, string]),
    );
    const { url, token } = await loadCredentials(invocation.env);
    const platform = new URL(url);
    if (asked.protocol !== platform.protocol.replace(':', '') || asked.host !== platform.host)
      return EXIT.done;
    invocation.output.result({ username: 'slipway', password: token }, [
      'username=slipway',
      `password=${token}`,
    ]);
    return EXIT.done;
  },
};

export const platformCommands: readonly Command[] = [
  login,
  whoami,
  processes,
  logs,
  createToken,
  listTokens,
  revokeToken,
  gitCredential,
];
