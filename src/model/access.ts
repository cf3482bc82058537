/** What a person may do: the actions, and the roles that allow them. Pure. */

/** With one app. */
export type AppAction =
  /** See it: its releases, builds, logs, and what runs. */
  | 'view'
  /** Change what runs: push, roll back, config, scale, restart, commands in its containers. Config vars are read with it, too. */
  | 'deploy'
  /** Change what it is: destroy it, lock it, its domains, its members. */
  | 'admin';

export type Action =
  | AppAction
  /** The whole platform: hosts, people, everybody's tokens, retention. */
  | 'platform';

/** Of an app. Each may do what the one before it may. */
export const ROLES = ['viewer', 'developer', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Who may do everything, with every app. */
export const ADMINISTRATOR = 'administrator' as const;

const ALLOWED: Readonly<Record<Role | typeof ADMINISTRATOR, readonly Action[]>> = {
  viewer: ['view'],
  developer: ['view', 'deploy'],
  admin: ['view', 'deploy', 'admin'],
  administrator: ['view', 'deploy', 'admin', 'platform'],
};

export function allows(role: Role | typeof ADMINISTRATOR, action: Action): boolean {
  return ALLOWED[role].includes(action);
}

/** The least role that allows the action, for who lacks it. */
export function roleFor(action: AppAction): Role {
  return ROLES.find((role) => allows(role, action)) ?? 'admin';
}
