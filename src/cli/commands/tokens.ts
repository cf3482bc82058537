/** Tokens: of users for themselves, and of administrators for everybody and for machines. */
import { ROLES } from '../../model/access.js';
import { shortTime, table } from '../output.js';
import { type Command, EXIT, UsageError } from '../usage.js';

interface TokenView {
  readonly id: string;
  readonly name: string;
  readonly ofUser?: true;
  readonly apps: '*' | string[];
  readonly role?: string;
  readonly admin: boolean;
  readonly mayCreateApps: boolean;
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
  readonly usedAt?: string;
}

const SECONDS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 7 * 86_400 };

const createToken: Command = {
  name: 'tokens:create',
  usage: '[NAME]',
  help: 'Make a token: for yourself, or for another user or a machine (administrators only). It is shown once.',
  examples: [
    'slipway tokens:create --apps hello --role viewer --expires 90d',
    'slipway tokens:create alice',
    'slipway tokens:create ci --apps hello',
  ],
  notes: [
    'Of a user it may do what the user may, within --apps and --role. Of a machine, which is',
    'whatever is no user, it may do what is said here, as a developer unless --role says otherwise.',
  ],
  ofApp: false,
  args: { min: 0, max: 1 },
  options: {
    apps: { type: 'string', help: 'the apps it may use, separated by commas, or *' },
    role: { type: 'string', value: ROLES.join('|'), help: 'what it may do with them at most' },
    expires: { type: 'string', value: '90d', help: 'when it ends: minutes m, hours h, days d, weeks w' },
    'may-create': {
      type: 'boolean',
      help: 'of a machine: may create these apps, by command or by a first push',
    },
    admin: { type: 'boolean', help: 'of a machine: may do everything' },
  },
  async run(invocation) {
    const { apps, role, expires, admin } = invocation.options;
    const expiresIn = typeof expires === 'string' ? secondsOf(expires) : undefined;
    const made = await (await invocation.client()).post<TokenView & { token: string }>('/v1/tokens', {
      ...(invocation.args[0] === undefined ? {} : { name: invocation.args[0] }),
      ...(typeof apps === 'string' ? { apps: listOf(apps) } : {}),
      ...(typeof role === 'string' ? { role } : {}),
      ...(expiresIn === undefined ? {} : { expiresIn }),
      ...(invocation.options['may-create'] ? { mayCreateApps: true } : {}),
      ...(admin ? { admin: true } : {}),
    });
    invocation.output.result(made, [made.token]);
    return EXIT.done;
  },
};

function listOf(apps: string): '*' | string[] {
  return apps === '*' ? '*' : apps.split(/[\s,]+/).filter((app) => app !== '');
}

function secondsOf(text: string): number {
  const [, count, unit = ''] = /^(\d{1,5})([mhdw])$/.exec(text) ?? [];
  if (count === undefined) throw new UsageError(`"${text}" is no time`, 'write it as 30m, 12h, 90d or 4w');
  return Number(count) * (SECONDS[unit] ?? 0);
}

const listTokens: Command = {
  name: 'tokens:list',
  aliases: ['tokens'],
  usage: '',
  help: 'List your tokens; for administrators those of everybody.',
  examples: ['slipway tokens:list'],
  ofApp: false,
  args: { min: 0, max: 0 },
  async run(invocation) {
    const { tokens } = await (await invocation.client()).get<{ tokens: TokenView[] }>('/v1/tokens');
    const rows = tokens.map((token) => [
      token.id,
      token.name,
      token.apps === '*' ? '*' : token.apps.join(','),
      rightsOf(token),
      shortTime(token.createdAt),
      token.usedAt === undefined ? 'never' : shortTime(token.usedAt),
      stateOf(token),
    ]);
    const head = ['TOKEN', 'NAME', 'APPS', 'RIGHTS', 'MADE', 'USED', 'STATE'];
    invocation.output.result(tokens, table(head, rows));
    return EXIT.done;
  },
};

function rightsOf({ admin, mayCreateApps, role, ofUser }: TokenView): string {
  if (admin) return 'admin';
  if (role !== undefined) return role;
  if (ofUser) return "the user's";
  return mayCreateApps ? 'creates apps' : '';
}

function stateOf({ revokedAt, expiresAt }: TokenView): string {
  if (revokedAt !== undefined) return 'revoked';
  if (expiresAt === undefined) return '';
  return Date.parse(expiresAt) <= Date.now() ? 'expired' : `until ${shortTime(expiresAt)}`;
}

const revokeToken: Command = {
  name: 'tokens:revoke',
  usage: 'TOKEN',
  help: 'Revoke a token by its id, at once.',
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
