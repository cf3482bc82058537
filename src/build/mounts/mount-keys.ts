/**
 * What of a mount belongs into a step's key, as BuildKit has it but for caches, whose id it leaves out: what a cache
 * holds never counts, and neither does a secret's value, unless the mount asks for it. Pure.
 */
import type { Mount, RunStep } from '../../dockerfile/step.js';
import { type KeyPart, keyPart } from '../cache/explain.js';
import type { MountKey } from '../cache/keys.js';

export interface MountIdentities {
  /** Of binds, and of caches that begin with something. */
  readonly contents: ReadonlyMap<Mount, string>;
  /** Of secrets whose value counts; undefined for one that is not there. */
  readonly secrets: ReadonlyMap<Mount, string | undefined>;
}

/** As they are mounted: a target after those above it, whatever the order in which they are written. */
export function inMountOrder(mounts: readonly Mount[]): readonly Mount[] {
  return [...mounts].sort((a, b) => Buffer.compare(Buffer.from(place(a)), Buffer.from(place(b))));
}

export function mountKeys(step: RunStep, identities: MountIdentities): readonly MountKey[] {
  return inMountOrder(step.mounts).map((mount) => mountKey(mount, identities));
}

function mountKey(mount: Mount, { contents, secrets }: MountIdentities): MountKey {
  const content = contents.get(mount) ?? null;
  switch (mount.kind) {
    case 'bind':
      return { kind: 'bind', target: mount.target, readWrite: mount.readWrite, content };
    case 'cache': {
      const { kind, target, id, readOnly, mode, uid, gid } = mount;
      return { kind, target, id, readOnly, mode, uid, gid, content };
    }
    case 'tmpfs':
      return { kind: 'tmpfs', target: mount.target, sizeBytes: mount.sizeBytes ?? null };
    case 'secret': {
      const { kind, id, target = null, env = null, mode, uid, gid, inKey } = mount;
      return { kind, id, target, env, mode, uid, gid, value: inKey ? (secrets.get(mount) ?? 'none') : null };
    }
    case 'ssh': {
      const { kind, id, target, mode, uid, gid } = mount;
      return { kind, id, target, mode, uid, gid };
    }
  }
}

/** Parts with a name of their own, for what may change while the instruction stays as it is. */
export function mountParts(step: RunStep, identities: MountIdentities): readonly KeyPart[] {
  return step.mounts.flatMap((mount) => {
    const content = identities.contents.get(mount);
    if (content !== undefined) return [keyPart(mountName(mount), content)];
    if (mount.kind === 'secret' && mount.inKey)
      return [keyPart(mountName(mount), identities.secrets.get(mount) ?? 'none')];
    return [];
  });
}

/** As a miss is explained: `what the bind mount at /src shows changed`. */
export function mountName(mount: Mount): string {
  switch (mount.kind) {
    case 'bind':
      return `the bind mount at ${mount.target}`;
    case 'cache':
      return `the source of the cache mount at ${mount.target}`;
    case 'secret':
      return `the secret ${mount.id}`;
    default:
      return `the ${mount.kind} mount at ${mount.target}`;
  }
}

function place(mount: Mount): string {
  return mount.target ?? '';
}
