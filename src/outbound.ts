/** What Slipway itself connects to because a user named it: public addresses, and those that the operator allows. */
import { AddressGuard, type Asker } from './build/add/address-guard.js';
import { type Cidr, parseNetworks } from './build/sandbox/cidr.js';
import type { Config } from './config.js';

const SLIPWAY: Asker = { name: 'Slipway', setting: 'SLIPWAY_OUTBOUND_ALLOW' };

/** Throws `invalid_config`. */
export function outboundNetworks({ outboundAllow }: Pick<Config, 'outboundAllow'>): Cidr[] {
  return parseNetworks(outboundAllow, SLIPWAY.setting);
}

/** Without TLS anybody on the way could change what is said: that is for the networks that the operator named, and no others. */
export async function outboundGuard(url: string, allowed: readonly Cidr[]): Promise<AddressGuard> {
  return /^http:/i.test(url) ? AddressGuard.only(allowed, SLIPWAY) : AddressGuard.open(allowed, SLIPWAY);
}
