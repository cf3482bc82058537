/** A host's address as text and in parts. Pure. */
import { SlipwayError } from '../errors.js';

/** `swarm`: the engine there is a manager, and the host all that its Swarm has. */
export type HostAddress = EngineAddress & { readonly swarm?: true };

export type EngineAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | {
      readonly kind: 'ssh';
      readonly user: string;
      readonly host: string;
      readonly port: number;
      /** The engine's socket over there. */
      readonly socket: string;
    };

const SWARM = 'swarm+';
const SSH_PORT = 22;
const ENGINE_SOCKET = '/var/run/docker.sock';

/** None can start with `-`: they become arguments of ssh. */
const HOST = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i;
const USER = /^[a-z_][a-z0-9_-]{0,31}$/i;
/** sockaddr_un holds 107 bytes and a NUL (unix(7)). */
const SOCKET_PATH_BYTES = 107;

const SOCKET_PATH = /^(?:\/[A-Za-z0-9._-]+)+$/;

/** Throws `bad_request` with the forms that there are. */
export function parseHostAddress(text: string): HostAddress {
  const swarm = text.startsWith(SWARM);
  const address = parseEngineAddress(swarm ? text.slice(SWARM.length) : text);
  if (address !== undefined) return swarm ? { ...address, swarm } : address;
  throw new SlipwayError(
    'bad_request',
    `${JSON.stringify(text.slice(0, 100))} is not the address of a host`,
    {
      hint: 'use ssh://user@host[:port][/path/of/docker.sock], tcp://host:port or unix:///path/of/docker.sock, each with swarm+ in front for the manager of a Swarm; host is a name or an IPv4 address',
    },
  );
}

function parseEngineAddress(text: string): EngineAddress | undefined {
  const path = text.startsWith('unix://') ? text.slice('unix://'.length) : undefined;
  if (path !== undefined && isSocketPath(path)) return { kind: 'unix', path };
  const [, kind, user, host = '', portText, socket = ENGINE_SOCKET] =
    /^(tcp|ssh):\/\/(?:([^@/:]+)@)?([^@/:]+)(?::(\d{1,5}))?(?:\/|(\/.+))?$/.exec(text) ?? [];
  // Docker has two ports of its own, with TLS and without: which one is meant is for people to say.
  const port = portText === undefined && kind === 'ssh' ? SSH_PORT : Number(portText);
  if (HOST.test(host) && host.length <= 253 && port > 0 && port <= 65_535) {
    if (kind === 'tcp' && user === undefined && socket === ENGINE_SOCKET) return { kind, host, port };
    if (kind === 'ssh' && user !== undefined && USER.test(user) && isSocketPath(socket))
      return { kind, user, host, port, socket };
  }
  return undefined;
}

export function isSwarmAddress(text: string): boolean {
  return text.startsWith(SWARM);
}

function isSocketPath(path: string): boolean {
  return SOCKET_PATH.test(path) && path.length <= SOCKET_PATH_BYTES;
}

/** In one form, so that the same address is the same text. */
export function formatHostAddress(address: HostAddress): string {
  return `${address.swarm ? SWARM : ''}${formatEngineAddress(address)}`;
}

/** Where the engine is reached, without what it is. */
export function formatEngineAddress(address: EngineAddress): string {
  if (address.kind === 'unix') return `unix://${address.path}`;
  const host = address.host.toLowerCase();
  if (address.kind === 'tcp') return `tcp://${host}:${address.port}`;
  const socket = address.socket === ENGINE_SOCKET ? '' : address.socket;
  return `ssh://${address.user}@${host}:${address.port}${socket}`;
}
