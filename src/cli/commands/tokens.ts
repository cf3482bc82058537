/** Tokens: for admins. */
import { shortTime, table } from '../output.js';
import { type Command, EXIT, UsageError } from '../usage.js';

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
  ofApp: false,
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
  ofApp: false,
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
  ofApp: false,
  args: { min: 1, max: 1 },
  async run(invocation) {
    const [id = ''] = invocation.args;
    const done = await (await invocation.client()).delete(`/v1/tokens/${encodeURIComponent(id)}`);
    invocation.output.result(done, [`token ${id} is revoked`]);
    return EXIT.done;
  },
};

export const tokenCommands: readonly Command[] = [createToken, listTokens, revokeToken];
