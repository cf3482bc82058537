import { describe, expect, test } from 'vitest';
import { type Action, ADMINISTRATOR, allows, ROLES, roleFor } from '../../src/model/access.js';

describe('roles', () => {
  test('each allows what the one before it allows, and one thing more', () => {
    const actions: Action[] = ['view', 'deploy', 'admin', 'platform'];
    const allowed = [...ROLES, ADMINISTRATOR].map((role) => actions.filter((each) => allows(role, each)));
    expect(allowed).toEqual([
      ['view'],
      ['view', 'deploy'],
      ['view', 'deploy', 'admin'],
      ['view', 'deploy', 'admin', 'platform'],
    ]);
  });

  test('the role that somebody lacks is the least that would do', () => {
    expect([roleFor('view'), roleFor('deploy'), roleFor('admin')]).toEqual(['viewer', 'developer', 'admin']);
  });
});
