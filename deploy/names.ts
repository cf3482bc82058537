/** How a release is called outside Slipway: labels, container, network and server names, host and URL. Pure. */
import type { Config } from '../src/config.js';
import type { Instance } from '../src/model/release.js';

export type { Instance };

/** What makes a container ours. Without `platform` of this very platform a container is never touched. */
export const LABELS = {
  platform: 'slipway.platform',
  app: 'slipway.app',
  release: 'slipway.release',
  /** The deployment that made the release: an app of the same name may have had that number before. */
  deployment: 'slipway.deployment',
  process: 'slipway.process',
  instance: 'slipway.instance',
  /** The port that the app was told to listen on, and whether the image named it by EXPOSE. */
  port: 'slipway.port',
  exposed: 'slipway.port-exposed',
  /** The host's port that it is published on. Absent where the edge reaches it on the bridge. */
  published: 'slipway.published',
  /**
   * Of the container of a one-off command: its name, who asked for it, and the process that is attached to it. It has neither process
   * nor instance, so that no rollout and no reconciliation takes it for a part of a release.
   */
  run: 'slipway.run',
  by: 'slipway.by',
  follower: 'slipway.follower',
  /** Of a Docker volume: the volume's name and which content it is; of a container, the contents that it has mounted. */
  volume: 'slipway.volume',
  content: 'slipway.content',
  /** Of an app's network: the range of the engine that it is a part of. */
  block: 'slipway.block',
} as const;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The process of a release phase's container; no process type can be called so. */
export const RELEASE_PHASE = 'release';

/**
 * The same release always gets the same names, so that a deployer that takes over finds what its predecessor started
 * and two at once cannot start it twice.
 */
export function containerName(platform: string, app: string, release: number, instance: Instance): string {
  return `${app}.v${release}.${instance.process}.${instance.number}.${platform}`;
}

export function oneOffContainerName(platform: string, app: string, name: string): string {
  return `${app}.${name}.${platform}`;
}

/** Of the container that copies a volume, whose name is like that of a one-off command: `volume.482913`. */
export const COPY_PREFIX = 'volume.';

/** The network that all containers of the platform were on before each app had its own. Those of then stay there until they go. */
export function networkName(platform: string): string {
  return `slipway-${platform}`;
}

/** On an engine. No app's name has a dot: so none is called as a network of a Swarm, whose manager may be a host of its own besides. */
export function appNetworkName(platform: string, app: string): string {
  return `${swarmNetworkName(platform, app)}.bridge`;
}

export function swarmNetworkName(platform: string, app: string): string {
  return `${networkName(platform)}-${app}`;
}

/** What the other processes of the app call it: `web` is any of them, `web.1` that one. */
export function aliasesOf({ process, number }: Instance): string[] {
  return [process, `${process}.${number}`];
}

/** A Docker volume holds one content for ever; what is in a volume is exchanged by mounting another. */
export function dockerVolumeName(platform: string, app: string, volume: string, content: string): string {
  return `${app}.${volume}.${content}.${platform}`;
}

/** A server's name holds its address: another address is another server, never a change of one under traffic. */
export function serverName(release: number, address: Address): string {
  return `v${release}-${address.host}:${address.port}`;
}

/** Whether a server is one of a container that this release started. */
export function isServerOf(name: string, release: number): boolean {
  return name.startsWith(`v${release}-`);
}

export function formatAddress(address: Address): string {
  return `${address.host}:${address.port}`;
}

export function hostOf(app: string, appDomain: string): string {
  return `${app}.${appDomain}`;
}

export function urlOf(app: string, config: Pick<Config, 'appDomain' | 'edge'>): string {
  const port = config.edge.bind.split(':')[1];
  return `http://${hostOf(app, config.appDomain)}${port === '80' ? '' : `:${port}`}`;
}
