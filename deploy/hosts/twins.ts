/**
 * Two names of one engine. Each would take the other's containers for strays, so a host is compared with the others before it is written
 * down; where that could not be (`--no-check`, or another host was silent), before anything is asked of it.
 */
import { SlipwayError } from '../../src/errors.js';
import { isSwarmAddress } from '../../src/model/host-address.js';
import type { Host } from '../hosts.js';
import { clusterOf } from '../swarm/look.js';
import type { EngineGuard } from '../targets/engine.js';
import type { EngineApi } from '../targets/engine-api.js';
import { type EngineInfo, infoOf } from './look.js';

/** Another host that is silent is not waited for. */
const TWIN_MS = 3_000;
/** With one that was silent it is compared again after this. */
const AGAIN_MS = 30_000;

/** An engine's id alone may be that of a machine that was copied. */
export function identityOf(address: string, info: EngineInfo): string {
  return isSwarmAddress(address) ? `${clusterOf(info)}` : [info.ID, info.Name, info.DockerRootDir].join(' ');
}

export interface Neighbour extends Host {
  /** Of its record. */
  readonly address: string;
}

export interface Comparison {
  /** The one that is the same engine, or another manager of the same Swarm. */
  readonly twin?: Neighbour;
  /** Each of them has answered. */
  readonly isWhole: boolean;
}

export async function compare(identity: string, others: readonly Neighbour[]): Promise<Comparison> {
  const infos = await Promise.all(
    others.map(async (other) => {
      const info = await infoOf(other.target.engine, { timeoutMs: TWIN_MS }).catch(() => undefined);
      return { other, identity: info === undefined ? undefined : identityOf(other.address, info) };
    }),
  );
  const twin = infos.find((one) => one.identity === identity)?.other;
  const isWhole = infos.every((one) => one.identity !== undefined);
  return { isWhole, ...(twin === undefined ? {} : { twin }) };
}

export function isTwin({ name, address }: Neighbour): SlipwayError {
  return new SlipwayError(
    'conflict',
    `this is ${isSwarmAddress(address) ? 'the Swarm' : 'the engine'} of ${name}`,
    {
      hint: "one engine has one name: two would take each other's containers for strays",
    },
  );
}

/**
 * Passes when the host is none of those that were known before it. They are not asked about each other, so that no two hosts wait for
 * one another.
 */
export function twinGuard(
  { name, address }: { readonly name: string; readonly address: string },
  elders: () => Promise<readonly Neighbour[]>,
): EngineGuard {
  let comparedAt = Number.NEGATIVE_INFINITY;
  let isWhole = false;
  let comparing: Promise<void> | undefined;
  const look = async (api: EngineApi, signal: AbortSignal): Promise<void> => {
    const info = await api.json<EngineInfo>({ path: '/info', signal });
    const compared = await compare(identityOf(address, info), await elders());
    if (compared.twin !== undefined) {
      const { message } = isTwin(compared.twin);
      throw new SlipwayError('engine_unavailable', `${message}, and nothing is done there as ${name}`, {
        hint: `one engine has one name; take this one away: slipway hosts:remove ${name} --force`,
      });
    }
    comparedAt = performance.now();
    isWhole = compared.isWhole;
  };
  return async (api, signal) => {
    if (isWhole || performance.now() - comparedAt < AGAIN_MS) return;
    comparing ??= look(api, signal).finally(() => {
      comparing = undefined;
    });
    await comparing;
  };
}
