/** A host: a Docker Engine that runs containers, by its name. Where an app may run, and which of its containers where. Pure. */
import { SlipwayError } from '../errors.js';

/** The engine of DOCKER_HOST: the only host until others are added, and where apps run that are placed nowhere else. */
export const LOCAL_HOST = 'local';
/** Which engine that is, every process learns from its own setting. */
export const LOCAL_ADDRESS = 'DOCKER_HOST';

/** As the platform's ledger has it. What opens it (keys, certificates) is the deployer's alone. */
export interface HostRecord {
  readonly name: string;
  /** `unix:///run/docker.sock`, `tcp://10.0.0.5:2376` or `ssh://deploy@10.0.0.5:22`; of `local` {@link LOCAL_ADDRESS}. */
  readonly address: string;
  /** The port of its loopback through which it pulls, over SSH. Absent where it reaches the registry itself. */
  readonly pullPort?: number;
  /** Spoken to with TLS client certificates, and never without. */
  readonly tls?: true;
  /** It was not compared with all others: it may be one of them by another name. */
  readonly unchecked?: true;
  /** For placement: `zone` → `eu`. */
  readonly labels: Readonly<Record<string, string>>;
  /** It keeps what it runs and gets nothing new. */
  readonly cordoned?: { readonly at: string; readonly by: string; readonly reason?: string };
  readonly addedAt: string;
  readonly addedBy: string;
}

/** Where an app may run: on hosts by name, or on all with a label. */
export type Placement =
  | { readonly hosts: readonly string[] }
  | { readonly label: { readonly name: string; readonly value: string } };

const HOST_NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;

/** Returns the name, or throws `invalid_name` with the rule. */
export function checkHostName(name: string): string {
  if (HOST_NAME.test(name) && name.length <= 40) return name;
  throw new SlipwayError('invalid_name', `${JSON.stringify(name.slice(0, 60))} is not a host's name`, {
    hint: 'use 1 to 40 lower-case letters, digits and single hyphens, starting with a letter',
  });
}

const LABEL_NAME = /^[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*$/;
const LABEL_VALUE = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const LABEL_LENGTH = 60;

/** `zone=eu`. Throws `bad_request` with the rule. */
export function checkLabel(name: string, value: string): void {
  const isShort = name.length <= LABEL_LENGTH && value.length <= LABEL_LENGTH;
  if (LABEL_NAME.test(name) && LABEL_VALUE.test(value) && isShort) return;
  throw new SlipwayError(
    'bad_request',
    `${JSON.stringify(`${name}=${value}`.slice(0, 130))} is not a label`,
    {
      hint: `use name=value with at most ${LABEL_LENGTH} letters, digits, dots, hyphens and underscores each, for example: zone=eu`,
    },
  );
}

/** As people write it: `on alpha and beta`, `on hosts with zone=eu`, `on local`. */
export function describePlacement(placement: Placement | undefined): string {
  if (placement === undefined) return `on ${LOCAL_HOST}`;
  if ('label' in placement) return `on hosts with ${placement.label.name}=${placement.label.value}`;
  return `on ${placement.hosts.join(', ')}`;
}

export function noHost(name: string): SlipwayError {
  return new SlipwayError('not_found', `there is no host ${JSON.stringify(name.slice(0, 60))}`, {
    hint: 'see: slipway hosts',
  });
}

/**
 * The hosts that a new release of the app runs on, by name: the placed ones that are not cordoned. Throws `no_host` when
 * there is none, or when one that is named is not known.
 */
export function placedOn(placement: Placement | undefined, hosts: readonly HostRecord[]): readonly string[] {
  const byName = new Map(hosts.map((host) => [host.name, host]));
  const named = placement === undefined ? [LOCAL_HOST] : 'hosts' in placement ? placement.hosts : undefined;
  const unknown = named?.find((name) => name !== LOCAL_HOST && !byName.has(name));
  if (unknown !== undefined) {
    throw new SlipwayError('no_host', `the app is placed on the host ${unknown}, which is not known`, {
      hint: 'see: slipway hosts; then: slipway placement:set',
    });
  }
  const wanted =
    named ??
    hosts
      .filter(
        ({ labels }) =>
          placement !== undefined &&
          'label' in placement &&
          labels[placement.label.name] === placement.label.value,
      )
      .map(({ name }) => name);
  const usable = wanted.filter((name) => byName.get(name)?.cordoned === undefined);
  if (usable.length > 0) return [...new Set(usable)].sort();
  const why =
    placement !== undefined && 'label' in placement && wanted.length === 0
      ? `no host has the label ${placement.label.name}=${placement.label.value}`
      : `${[...new Set(wanted)].join(', ')} ${wanted.length === 1 ? 'is' : 'are'} cordoned`;
  throw new SlipwayError('no_host', `the app can run nowhere: ${why}`, {
    hint: 'see: slipway hosts; then: slipway hosts:uncordon or slipway placement:set',
  });
}
