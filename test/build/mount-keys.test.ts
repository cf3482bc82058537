import { describe, expect, it } from 'vitest';
import { runKey } from '../../src/build/cache/keys.js';
import { inMountOrder, type MountIdentities, mountKeys } from '../../src/build/mounts/mount-keys.js';
import type { BindMount, CacheMount, Mount, RunStep, SecretMount } from '../../src/dockerfile/step.js';

const bind: BindMount = { kind: 'bind', target: '/src', source: '.', readWrite: false };
const cache: CacheMount = {
  ...{ kind: 'cache', target: '/cache', id: 'c', sharing: 'shared', source: '.' },
  ...{ mode: 0o755, uid: 0, gid: 0, readOnly: false },
};
const secret: SecretMount = {
  ...{ kind: 'secret', id: 's', target: '/run/secrets/s', required: false },
  ...{ mode: 0o400, uid: 0, gid: 0, inKey: false },
};

/** The key of a step with these mounts; what they show and hold is `identity`. */
function keyOf(mounts: readonly Mount[], identity = 'one'): string {
  const step: RunStep = {
    ...{ kind: 'run', argv: ['make'], env: [], proxyEnv: [], cwd: '/', user: '', security: 'sandbox' },
    ...{ mounts, files: [], history: '' },
  };
  const identities: MountIdentities = {
    contents: new Map(mounts.filter(({ kind }) => kind === 'bind').map((mount) => [mount, identity])),
    secrets: new Map(mounts.filter(({ kind }) => kind === 'secret').map((mount) => [mount, identity])),
  };
  return runKey({
    ...{ parent: 'p', platform: 'linux/amd64', argv: [], env: [], cwd: '/', user: '', files: [] },
    ...{ network: 'default', security: 'sandbox', hostname: 'h', mounts: mountKeys(step, identities) },
  });
}

describe('the key of a step with mounts', () => {
  const changes: readonly (readonly [string, Mount, Mount])[] = [
    ['where a bind is', bind, { ...bind, target: '/other' }],
    ['whether it takes writes', bind, { ...bind, readWrite: true }],
    ['which cache it is', cache, { ...cache, id: 'other' }],
    ['where the cache is', cache, { ...cache, target: '/other' }],
    ['whose the cache is', cache, { ...cache, uid: 1 }],
    ['whether the cache takes writes', cache, { ...cache, readOnly: true }],
    ['the size of a tmpfs', { kind: 'tmpfs', target: '/t' }, { kind: 'tmpfs', target: '/t', sizeBytes: 1 }],
    ['which secret it is', secret, { ...secret, id: 'other' }],
    ['the variable of a secret', secret, { ...secret, env: 'S' }],
    ['the mode of a secret', secret, { ...secret, mode: 0o444 }],
  ];
  it.each(changes)('changes with %s', (_what, one, other) => {
    expect(keyOf([other])).not.toBe(keyOf([one]));
    expect(keyOf([one])).not.toBe(keyOf([]));
  });

  it('holds what a bind shows, and the value of a secret only when that is asked for', () => {
    expect(keyOf([bind], 'one')).not.toBe(keyOf([bind], 'two'));
    expect(keyOf([secret], 'one')).toBe(keyOf([secret], 'two'));
    const inKey = { ...secret, inKey: true };
    expect(keyOf([inKey], 'one')).not.toBe(keyOf([inKey], 'two'));
  });

  it('is the same however a cache is shared, whether a secret is required, and in whatever order they are written', () => {
    expect(keyOf([{ ...cache, sharing: 'locked' }])).toBe(keyOf([cache]));
    expect(keyOf([{ ...secret, required: true }])).toBe(keyOf([secret]));
    expect(keyOf([secret, cache, bind])).toBe(keyOf([bind, cache, secret]));
    expect(
      inMountOrder([{ ...bind, target: '/a/b' }, cache, { ...bind, target: '/a' }]).map((m) => m.target),
    ).toEqual(['/a', '/a/b', '/cache']);
  });
});
