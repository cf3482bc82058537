/** Login, tokens, what runs, app logs, and the helper that git asks for the password. */
import type { ProcessView } from '../../api/deployer-client.js';
import { ApiClient } from '../client.js';
import { checkToken, loadCredentials, platformUrl, saveCredentials } from '../credentials.js';
import { readInput } from '../input.js';
import { shortTime, table } from '../output.js';
import { type Command, EXIT, UsageError } from '../usage.js';

const login: Command = {
  name: 'login',
  usage: 'URL',
  help: 'Log in to a platform. The token is read from standard input, or from SLIPWAY_TOKEN.',
  examples: ['slipway login http://127.0.0.1:7070 < token-file'],
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
    num: { type: 'string', short: 'n', help: 'how many lines of each process (100)' },
  },
  async run(invocation) {
    const app = await invocation.app();
    const { output, options } = invocation;
    const count = encodeURIComponent(String(options.num ?? '100'));
    const path = `/v1/apps/${app}/logs?lines=${count}&follow=${options.tail ? '1' : '0'}`;
    const client = await invocation.client();
    if (!output.json) {
      await client.stream(path, (data) => output.bytes(data));
      return EXIT.done;
    }
    // One value per line with -t, since it has no end; else all in one.
    const lines: string[] = [];
    const decoder = new TextDecoder();
    let rest = '';
    await client.stream(path, (data) => {
      const whole = (rest + decoder.decode(data, { stream: true })).split('\n');
      rest = whole.pop() ?? '';
      if (options.tail) for (const line of whole) output.item({ line }, line);
      else lines.push(...whole);
    });
    if (!options.tail) output.result({ app, lines: rest === '' ? lines : [...lines, rest] }, []);
    return EXIT.done;
  },
};

interface TokenView {
  readonly id: string;
  readonly name: string;
  readonly apps: '*' | string[];
  readonly admin: boolean;
  readonly mayCreateApps: boolean;
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
      apps:
        admin || apps === '*'
          ? '*'
          : String(apps)
              .split(/[\s,]+/)
              .filter((app) => app !== ''),
      mayCreateApps: Boolean(admin) || Boolean(invocation.options['may-create']),
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
      token.admin ? 'admin' : token.mayCreateApps ? 'creates apps' : '',
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
    const [id = ''] = invocation.args;
    const done = await (await invocation.client()).delete(`/v1/tokens/${encodeURIComponent(id)}`);
    invocation.output.result(done, [`token ${id} is revoked`]);
    return EXIT.done;
  },
};

/** gitcredentials(7): git writes what it knows to standard input and reads user name and password. */
const gitCredential: Command = {
  name: 'git:credential',
  usage: 'get|store|erase',
  help: 'Answer git with your token; apps:create sets this up.',
  examples: ["git config credential.http://127.0.0.1:7070.helper '!slipway git:credential'"],
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
