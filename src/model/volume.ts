/**
 * Named volumes: data of an app that outlives its containers and releases. A release says which of its process types has which volume
 * where; what is in a volume is no part of it, and no rollback brings it back. Pure.
 */
import { SlipwayError } from '../errors.js';
import { type HostRecord, LOCAL_HOST } from './host.js';

/** One volume in the containers of a process type. */
export interface VolumeMount {
  readonly volume: string;
  /** Where in the container. */
  readonly path: string;
  readonly readOnly?: true;
}

/** The same as people set it, at a path of a process type; null for none, whatever the commit says. */
export type MountSetting = Omit<VolumeMount, 'path'> | null;

/** What an app's volume is now. */
export interface Volume {
  /** The only host that has it. */
  readonly host: string;
  /** Names the content that containers see: one Docker volume. Another of the same volume's name has another. */
  readonly content: string;
  /** A second content: restored and not in use yet, or that which was in use before. */
  readonly other?: OtherContent;
  readonly at: string;
  readonly by: string;
}

export interface OtherContent {
  readonly content: string;
  readonly is: 'restored' | 'replaced';
  readonly at: string;
  readonly by: string;
}

/** All volumes of an app. */
export interface Volumes {
  readonly volumes: Readonly<Record<string, Volume>>;
  /** Contents that may be removed from wherever they are. Only what is named here ever is. */
  readonly removed: readonly string[];
}

export const NO_VOLUMES: Volumes = { volumes: {}, removed: [] };

/** It becomes part of a Docker volume's name and of a registry repository. */
const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const NAME_LENGTH = 40;
const PATH_LENGTH = 200;
export const VOLUMES_LIMIT = 20;
/** Where the kernel's own files are, and what a container cannot start without. */
const NOT_THERE = /^\/(?:proc|sys|dev|bin|sbin|lib|lib64|usr|etc)?$|^\/(?:proc|sys|dev)\//;

/** Why this cannot be a mount; whoever shows it says where it was written. */
export class MountFault extends Error {}

/** Returns the name, or throws `invalid_name` with the rule. */
export function checkVolumeName(name: string): string {
  const fault = volumeNameFault(name);
  if (fault === undefined) return name;
  throw new SlipwayError('invalid_name', fault, {
    hint: `use 1 to ${NAME_LENGTH} lower-case letters, digits and single hyphens, starting with a letter`,
  });
}

export function volumeNameFault(name: string): string | undefined {
  if (NAME.test(name) && name.length <= NAME_LENGTH) return undefined;
  return `${JSON.stringify(name.slice(0, 60))} is not a volume's name`;
}

/** `web:/data` or `worker:/data:ro`. Throws {@link MountFault}. */
export function parseMount(text: string): {
  readonly type: string;
  readonly path: string;
  readonly readOnly: boolean;
} {
  const [, type, path, mode] = /^([^:]+):([^:]+)(?::(ro|rw))?$/.exec(text) ?? [];
  if (type === undefined || path === undefined)
    throw new MountFault(
      `${JSON.stringify(text.slice(0, 60))} must be TYPE:/path or TYPE:/path:ro, for example web:/data`,
    );
  return { type, path: checkPath(path), readOnly: mode === 'ro' };
}

/** Without a slash at its end. Throws {@link MountFault}. */
export function checkPath(path: string): string {
  const said = JSON.stringify(path.slice(0, 60));
  const plain = path.replace(/(.)\/+$/, '$1');
  const isPlain = /^(?:\/[^/\p{Cc},:]+)+$/u.test(plain) && !/\/\.\.?(?:\/|$)/.test(plain);
  if (!isPlain || plain.length > PATH_LENGTH)
    throw new MountFault(`${said} must be an absolute path without "..", ":" and ","`);
  if (NOT_THERE.test(plain)) throw new MountFault(`nothing can be mounted at ${said}`);
  return plain;
}

/** `web:/data:ro`, as people write it. */
export function describeMount(type: string, { path, readOnly }: Omit<VolumeMount, 'volume'>): string {
  return `${type}:${path}${readOnly ? ':ro' : ''}`;
}

/** What a process type has mounted: what people set holds over what the commit declares, path by path. By path. */
export function mounted(
  declared: readonly VolumeMount[] = [],
  set: Readonly<Record<string, MountSetting>> = {},
): VolumeMount[] {
  const byPath = new Map<string, MountSetting>(declared.map(({ path, ...mount }) => [path, mount]));
  for (const [path, mount] of Object.entries(set)) byPath.set(path, mount);
  return [...byPath]
    .flatMap(([path, mount]) => (mount === null ? [] : [{ ...mount, path }]))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

interface WithMounts {
  readonly type: string;
  readonly mounts?: readonly VolumeMount[];
}

/** The names of all volumes that a release mounts, sorted. */
export function volumesOf(processes: readonly WithMounts[]): string[] {
  const names = processes.flatMap(({ mounts = [] }) => mounts.map(({ volume }) => volume));
  return [...new Set(names)].sort();
}

/**
 * What a command beside the release's instances has mounted, and its release phase: all that any of its process types has; where two have
 * something else at one path, what the first one has.
 */
export function mountsOfAll(processes: readonly WithMounts[]): VolumeMount[] {
  const byPath = new Map<string, VolumeMount>();
  for (const { mounts = [] } of processes)
    for (const mount of mounts) {
      const before = byPath.get(mount.path);
      if (before === undefined) byPath.set(mount.path, mount);
      else if (before.volume === mount.volume && mount.readOnly === undefined)
        byPath.set(mount.path, { volume: mount.volume, path: mount.path });
    }
  return [...byPath.values()];
}

/** A mount with the content that a container gets there. */
export interface ContentMount extends VolumeMount {
  readonly content: string;
}

/** The mounts with what their volumes hold now. Throws `not_found` when one of them is no more. */
export function withContents(
  { volumes }: Volumes,
  app: string,
  mounts: readonly VolumeMount[] = [],
): ContentMount[] {
  return mounts.map((mount) => {
    const { content } = (Object.hasOwn(volumes, mount.volume) ? volumes[mount.volume] : undefined) ?? {};
    if (content !== undefined) return { ...mount, content };
    throw new SlipwayError('not_found', `${app} has no volume ${mount.volume} any more`, {
      hint: `slipway volumes:create ${mount.volume} -a ${app}, or slipway volumes:unmount`,
    });
  });
}

/**
 * Whether two releases of the process type must not run at the same time: both would write the volume. The default strategy of such a
 * type is to stop the old instances before the new ones start.
 */
export function writesVolume({ mounts = [] }: Pick<WithMounts, 'mounts'>): boolean {
  return mounts.some(({ readOnly }) => readOnly !== true);
}

/**
 * Throws `conflict` when a release that mounts these volumes cannot run on these hosts: a volume is on one machine, so everything of
 * its app is.
 */
export function checkVolumeHost(
  names: readonly string[],
  where: readonly string[],
  { volumes }: Volumes,
  hosts: readonly Pick<HostRecord, 'name' | 'address'>[],
): void {
  if (names.length === 0) return;
  const [host = LOCAL_HOST] = where;
  if (where.length > 1)
    throw new SlipwayError(
      'conflict',
      `the volume ${names[0]} is on one host, and the app on ${where.join(', ')}`,
      {
        hint: 'place the app on one host: slipway placement:set HOST; or unmount the volume: slipway volumes:unmount',
      },
    );
  if (hosts.find(({ name }) => name === host)?.address.startsWith('swarm+'))
    throw new SlipwayError('conflict', `${host} is a Swarm, whose nodes have no volumes of Slipway`, {
      hint: 'place the app on an engine: slipway placement:set HOST; see docs/volumes.md',
    });
  for (const name of names) {
    const known = Object.hasOwn(volumes, name) ? volumes[name]?.host : undefined;
    if (known === undefined || known === host) continue;
    throw new SlipwayError(
      'conflict',
      `the volume ${name} is on ${known}, and the app is to run on ${host}`,
      {
        hint: `stay there: slipway placement:set ${known}; or move the data: volumes:backup, volumes:unmount, volumes:remove, placement:set, volumes:create, volumes:restore, volumes:mount`,
      },
    );
  }
}
