/** Users, what they may do with an app, and the SSH keys that they come with. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SlipwayError } from '../../errors.js';
import { readInput } from '../input.js';
import { shortTime, table } from '../output.js';
import { type Command, EXIT, type Invocation, UsageError } from '../usage.js';

interface UserView {
  readonly name: string;
  readonly administrator: boolean;
  readonly mayCreateApps: boolean;
  readonly roles: Readonly<Record<string, string>>;
  readonly addedAt: string;
}

interface KeyView {
  readonly fingerprint: string;
  readonly user: string;
  readonly type: string;
  readonly comment: string;
  readonly addedAt: string;
}

interface Member {
  readonly user: string;
  readonly role: string;
}

function rightsOf({ administrator, mayCreateApps }: UserView): string {
  if (administrator) return 'administrator';
  return mayCreateApps ? 'creates apps' : '';
}

function rolesOf({ roles }: UserView): string {
  return Object.entries(roles)
    .map(([app, role]) => `${app}: ${role}`)
    .join(', ');
}

const RIGHTS = {
  admin: { type: 'boolean', help: 'may do everything, with every app' },
  'may-create': { type: 'boolean', help: 'may create apps, and is the admin of each' },
} as const;

const users: Command = {
  name: 'users',
  aliases: ['users:list'],
  usage: '',
  help: 'List the users (administrators only).',
  examples: ['slipway users'],
  ofApp: false,
  args: { min: 0, max: 0 },
  async run({ output, client }) {
    const { users: all } = await (await client()).get<{ users: UserView[] }>('/v1/users');
    const rows = all.map((user) => [user.name, rightsOf(user), rolesOf(user), shortTime(user.addedAt)]);
    output.result(
      all,
      all.length === 0
        ? ['no users yet; add one with: slipway users:add NAME']
        : table(['USER', 'RIGHTS', 'ROLES', 'ADDED'], rows),
    );
    return EXIT.done;
  },
};

const addUser: Command = {
  name: 'users:add',
  usage: 'NAME',
  help: 'Add a user (administrators only). A token or an SSH key lets them in, roles say what they may do.',
  examples: ['slipway users:add alice', 'slipway users:add bob --may-create'],
  notes: [
    'then: slipway tokens:create alice              a token to log in with',
    '      slipway keys:add alice.pub --user alice  or their SSH key',
    '      slipway access:add alice developer -a hello',
  ],
  ofApp: false,
  args: { min: 1, max: 1 },
  options: RIGHTS,
  async run({ args, options, output, client }) {
    const user = await (await client()).post<UserView>('/v1/users', {
      name: args[0],
      administrator: options.admin === true,
      mayCreateApps: options['may-create'] === true,
    });
    output.result(user, [
      `Added ${user.name}${rightsOf(user) === '' ? '' : ` (${rightsOf(user)})`}`,
      `  let them in with: slipway tokens:create ${user.name}, or slipway keys:add FILE --user ${user.name}`,
    ]);
    return EXIT.done;
  },
};

const changeUser: Command = {
  name: 'users:change',
  usage: 'NAME',
  help: 'Change what a user may do with the platform (administrators only).',
  examples: ['slipway users:change alice --admin', 'slipway users:change bob --no-admin --may-create'],
  ofApp: false,
  args: { min: 1, max: 1 },
  options: {
    ...RIGHTS,
    'no-admin': { type: 'boolean', help: 'no longer' },
    'no-create': { type: 'boolean', help: 'may create no more apps' },
  },
  async run({ args: [name = ''], options, output, client }) {
    const administrator = choice(options, 'admin', 'no-admin');
    const mayCreateApps = choice(options, 'may-create', 'no-create');
    if (administrator === undefined && mayCreateApps === undefined)
      throw new UsageError('what is to change?', 'say --admin, --no-admin, --may-create or --no-create');
    const user = await (await client()).patch<UserView>(`/v1/users/${encodeURIComponent(name)}`, {
      ...(administrator === undefined ? {} : { administrator }),
      ...(mayCreateApps === undefined ? {} : { mayCreateApps }),
    });
    output.result(user, [`${user.name}: ${rightsOf(user) || 'no rights of the platform'}`]);
    return EXIT.done;
  },
};

function choice(options: Invocation['options'], yes: string, no: string): boolean | undefined {
  if (options[yes] && options[no]) throw new UsageError(`--${yes} and --${no} cannot both be meant`);
  if (options[yes]) return true;
  return options[no] ? false : undefined;
}

const removeUser: Command = {
  name: 'users:remove',
  usage: 'NAME',
  help: 'Remove a user with their keys, tokens and roles, at once (administrators only).',
  examples: ['slipway users:remove alice'],
  ofApp: false,
  args: { min: 1, max: 1 },
  async run({ args: [name = ''], output, client }) {
    const done = await (await client()).delete(`/v1/users/${encodeURIComponent(name)}`);
    output.result(done, [`${name} is removed; their keys and tokens open nothing any more`]);
    return EXIT.done;
  },
};

const access: Command = {
  name: 'access',
  aliases: ['access:list'],
  usage: '',
  help: 'List who may do what with an app.',
  examples: ['slipway access -a hello'],
  args: { min: 0, max: 0 },
  async run({ output, client, app }) {
    const name = await app();
    const { members } = await (await client()).get<{ members: Member[] }>(`/v1/apps/${name}/access`);
    output.result(
      members,
      members.length === 0
        ? [`nobody has a role in ${name} but the administrators; give one with: slipway access:add USER ROLE`]
        : table(
            ['USER', 'ROLE'],
            members.map(({ user, role }) => [user, role]),
          ),
    );
    return EXIT.done;
  },
};

const addAccess: Command = {
  name: 'access:add',
  usage: 'USER [ROLE]',
  help: 'Give a user a role in an app: developer unless it is said.',
  examples: ['slipway access:add alice developer -a hello', 'slipway access:add bob viewer -a hello'],
  notes: [
    'viewer     sees its releases, builds, logs and what runs; no config vars',
    'developer  pushes, rolls back, changes config and scale, runs commands in its containers',
    'admin      gives roles, sets domains, locks and destroys it',
  ],
  args: { min: 1, max: 2 },
  async run({ args: [user = '', role = 'developer'], output, client, app }) {
    const name = await app();
    const path = `/v1/apps/${name}/access/${encodeURIComponent(user)}`;
    const member = await (await client()).put<Member>(path, { role });
    output.result(member, [`${user} is ${role} of ${name}`]);
    return EXIT.done;
  },
};

const removeAccess: Command = {
  name: 'access:remove',
  usage: 'USER',
  help: 'Take a user’s role in an app away.',
  examples: ['slipway access:remove alice -a hello'],
  args: { min: 1, max: 1 },
  async run({ args: [user = ''], output, client, app }) {
    const name = await app();
    const done = await (await client()).delete(`/v1/apps/${name}/access/${encodeURIComponent(user)}`);
    output.result(done, [`${user} has no role in ${name} any more`]);
    return EXIT.done;
  },
};

const keys: Command = {
  name: 'keys',
  aliases: ['keys:list'],
  usage: '',
  help: 'List your SSH keys; for administrators those of everybody.',
  examples: ['slipway keys', 'slipway keys --user alice'],
  ofApp: false,
  args: { min: 0, max: 0 },
  options: { user: { type: 'string', value: 'NAME', help: 'only those of this user' } },
  async run({ options, output, client }) {
    const { keys: all } = await (await client()).get<{ keys: KeyView[] }>('/v1/keys');
    const shown = all.filter(({ user }) => options.user === undefined || user === options.user);
    const rows = shown.map((key) => [
      key.user,
      key.type,
      key.fingerprint,
      shortTime(key.addedAt),
      key.comment,
    ]);
    output.result(
      shown,
      shown.length === 0
        ? ['no keys yet; add one with: slipway keys:add ~/.ssh/id_ed25519.pub']
        : table(['USER', 'TYPE', 'FINGERPRINT', 'ADDED', 'COMMENT'], rows),
    );
    return EXIT.done;
  },
};

const addKey: Command = {
  name: 'keys:add',
  usage: '[FILE]',
  help: 'Add an SSH key to come by: the public one, from a file or from standard input.',
  examples: [
    'slipway keys:add ~/.ssh/id_ed25519.pub',
    'slipway keys:add alice.pub --user alice',
    'ssh-add -L | slipway keys:add',
  ],
  ofApp: false,
  args: { min: 0, max: 1 },
  options: { user: { type: 'string', value: 'NAME', help: 'for another user (administrators only)' } },
  async run(invocation) {
    const { args, options, output, client } = invocation;
    const key = await (await client()).post<KeyView>('/v1/keys', {
      key: await keyText(args[0], invocation),
      ...(options.user === undefined ? {} : { user: options.user }),
    });
    output.result(key, [`Added the key ${key.fingerprint} of ${key.user}`]);
    return EXIT.done;
  },
};

async function keyText(
  file: string | undefined,
  { stdin, signal, output, directory }: Invocation,
): Promise<string> {
  if (file !== undefined && file !== '-')
    return readFile(resolve(directory, file), 'utf8').catch((thrown: unknown) => {
      throw new UsageError(`${file} cannot be read: ${(thrown as Error).message}`);
    });
  if (stdin.isTTY) output.note('Paste the line of the public key and press Enter:');
  return readInput(stdin, signal);
}

const removeKey: Command = {
  name: 'keys:remove',
  usage: 'FINGERPRINT',
  help: 'Remove an SSH key. It opens nothing any more, and who has come by it is let go.',
  examples: ['slipway keys:remove SHA256:sBjmTMTGrFIuIv5RePlopJkhT8ko54HNphB3YLS3oLI'],
  ofApp: false,
  args: { min: 1, max: 1 },
  async run({ args: [fingerprint = ''], output, client }) {
    if (!/^SHA256:[A-Za-z0-9+/]{43}$/.test(fingerprint))
      throw new SlipwayError(
        'bad_request',
        `${JSON.stringify(fingerprint.slice(0, 60))} is not a fingerprint`,
        {
          hint: '`slipway keys` shows them',
        },
      );
    const done = await (await client()).delete(`/v1/keys/${encodeURIComponent(fingerprint)}`);
    output.result(done, [`the key ${fingerprint} is removed`]);
    return EXIT.done;
  },
};

export const peopleCommands: readonly Command[] = [
  users,
  addUser,
  changeUser,
  removeUser,
  access,
  addAccess,
  removeAccess,
  keys,
  addKey,
  removeKey,
];
